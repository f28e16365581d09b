"""What a coarse output stride leaves of the truth itself."""
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import torch

from ..utils.errors import InputError
from .confusion import confusion_matrix, segmentation_metrics

# Factors and mean IoU in percent, on PASCAL VOC, as the paper tabulates them. It does
# not say how labels were sampled nor how ignored pixels were treated.
PAPER_CEILING = {128: 50.9, 64: 73.3, 32: 86.1, 16: 92.8, 8: 96.4, 4: 98.5}


def _without_ignored(labels: np.ndarray, ignore_index: int) -> np.ndarray:
    """Gives ignored pixels the label of the nearest pixel that has one."""
    ignored = labels == ignore_index
    if not ignored.any() or ignored.all():
        return labels
    # OpenCV numbers the pixels that have a label, and gives each ignored pixel the number
    # of the nearest. It does so by distances that are wrong by 2% at most (its 5x5 mask):
    # it gives no numbers with exact ones.
    _, number = cv2.distanceTransformWithLabels(
        ignored.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL)
    label_of = np.zeros(number.max() + 1, labels.dtype)
    label_of[number[~ignored]] = labels[~ignored]
    return label_of[number]


def _centres(size: int, factor: int) -> np.ndarray:
    """For each of ``size`` pixels in a row, the middle of its cell."""
    start = np.arange(size) // factor * factor
    return (start + np.minimum(start + factor, size)) // 2


def coarsen_labels(labels: np.ndarray, factor: int,
                   ignore_index: int = 255) -> np.ndarray:
    """Down-samples labels by a factor and up-samples them again.

    The map is cut into cells of ``factor`` by ``factor`` pixels from its upper left
    corner on; those at the right and the lower edge may be smaller. A cell keeps
    the label of the one pixel in its middle (the lower right one of the four middle
    ones where the side is even) and gives it to all its pixels: nearest neighbour, both
    ways. A network has no ignored label to answer with, so a middle that is ignored
    stands for the nearest pixel that is not.

    Args:
        labels (np.ndarray): Integer labels (H, W).
        factor (int): Side of a cell in pixels, at least 1.
        ignore_index (int): Label of pixels that do not count. Defaults to 255.

    Returns:
        np.ndarray: Labels (H, W) of the same type, none of them ignored unless
        all of ``labels`` are.
    """
    if factor < 1:
        raise InputError(f'the factor is {factor}, expected at least 1 pixel')
    height, width = labels.shape
    return _without_ignored(labels, ignore_index)[
        np.ix_(_centres(height, factor), _centres(width, factor))]


def stride_ceiling(label_maps: Iterable[tuple[str, np.ndarray]],
                   factors: Sequence[int] = tuple(PAPER_CEILING),
                   num_classes: int = 256,
                   ignore_index: int = 255) -> dict[int, dict]:
    """Judges coarsened truth against the truth.

    A network of that stride whose output is up-sampled by repetition can hardly be
    better, however good its scores are.

    Args:
        label_maps (Iterable[tuple[str, np.ndarray]]): Names, for errors, and integer
            labels (H, W), of any sizes.
        factors (Sequence[int]): As in :func:`coarsen_labels`. Defaults to the paper's.
        num_classes (int): Number of classes C. Classes that never occur do not
            count. Defaults to 256, whatever fits 8 bits.
        ignore_index (int): Label of pixels that do not count. Defaults to 255.

    Returns:
        dict[int, dict]: By factor, what :func:`segmentation_metrics` makes of the
        confusion matrix over all maps.
    """
    matrices = {
        factor: torch.zeros(num_classes, num_classes, dtype=torch.int64)
        for factor in factors
    }
    for name, labels in label_maps:
        labels = labels.astype(np.int64)
        counted = labels != ignore_index
        truth = torch.from_numpy(labels[counted])
        for factor, matrix in matrices.items():
            coarse = coarsen_labels(labels, factor, ignore_index)[counted]
            try:
                matrix += confusion_matrix(torch.from_numpy(coarse), truth, num_classes,
                                           ignore_index)
            except ValueError as error:
                raise InputError(f'{name}: {error}') from None
    return {factor: segmentation_metrics(matrix) for factor, matrix in matrices.items()}
