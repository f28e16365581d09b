"""Judging predictions whose truth is known, image by image."""
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from ..evaluation.confusion import confusion_matrix, segmentation_metrics
from ..inference.result import Result
from ..utils.errors import InputError

#: Best, median and worst images of all classes: so many of each.
_OF_EACH = 3


@dataclass
class Evaluation:
    """How a checkpoint does on a data set, image by image.

    Attributes:
        matrix (Tensor): Confusions of all images, (C, C) int64.
        iou (np.ndarray): Of each image and class, (N, C); NaN where neither truth nor
            prediction has the class.
        in_truth (np.ndarray): Whether the image's truth has the class, (N, C) bool.
    """
    matrix: torch.Tensor
    iou: np.ndarray
    in_truth: np.ndarray

    @property
    def image_iou(self) -> np.ndarray:
        """np.ndarray: (N, ) mean IoU of each image over the classes in it."""
        judged = np.isfinite(self.iou).any(1)
        means = np.full(len(self.iou), np.nan)
        means[judged] = np.nanmean(self.iou[judged], axis=1)
        return means


def evaluate(results: Iterable[Result], num_classes: int) -> Evaluation:
    """Judges predictions that have a truth.

    Args:
        results (Iterable[Result]): See :func:`predict_dataset`.
        num_classes (int): Number of classes C.

    Returns:
        Evaluation: Of all of them.

    Raises:
        ValueError: If one has no truth.
    """
    total = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    ious, truths = [], []
    for result in results:
        if result.truth is None:
            raise InputError(f"'{result.path}' has no truth to judge by: the pipeline of "
                             'val_dataloader lacks LoadAnnotations')
        matrix = confusion_matrix(torch.from_numpy(result.labels),
                                  torch.from_numpy(result.truth.astype(np.int64)),
                                  num_classes, result.ignore_index)
        total += matrix
        ious.append(segmentation_metrics(matrix)['IoU'].numpy())
        truths.append(matrix.sum(1).numpy() > 0)
    return Evaluation(total, np.array(ious), np.array(truths))


def choose_images(found: Evaluation, count: int) -> list[int]:
    """Best, median and worst images: of all, and of each class.

    Args:
        found (Evaluation): Of N images.
        count (int): How many at most.

    Returns:
        list[int]: Places in 0 to N - 1, those of all classes first.
    """
    means = found.image_iou
    order = [i for i in np.argsort(means) if np.isfinite(means[i])]
    middle = max(0, (len(order) - _OF_EACH) // 2)
    chosen = dict.fromkeys(order[:_OF_EACH] + order[middle:middle + _OF_EACH]
                           + order[::-1][:_OF_EACH])
    by_class = []
    for iou, present in zip(found.iou.T, found.in_truth.T):
        places = np.flatnonzero(present)
        by_class.append(places[np.argsort(iou[places], kind='stable')])
    for pick in (0, -1, None):  # every class's worst, then the best, then the median
        for places in by_class:
            if len(places):
                chosen[places[len(places) // 2 if pick is None else pick]] = None
    return [int(i) for i in list(chosen)[:count]]
