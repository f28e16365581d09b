"""Confusion matrix and what the paper computes from it (section 5, "Metrics")."""

from torch import Tensor

from ..ops import count_pairs
from ..utils.errors import InputError

#: What the paper's four metrics are called, by their names in logs.
FIGURES = dict(aAcc='pixel accuracy', mAcc='mean accuracy', mIoU='mean IoU',
               fwIoU='frequency-weighted IoU')


def confusion_matrix(prediction: Tensor, truth: Tensor, num_classes: int,
                     ignore_index: int = 255) -> Tensor:
    """Counts pixels by their true and their predicted class, in one pass.

    Args:
        prediction (Tensor): Integer labels of any shape, 0 to C - 1.
        truth (Tensor): Integer labels of the same shape.
        num_classes (int): Number of classes C.
        ignore_index (int): True label of pixels that do not count. Defaults to 255.

    Returns:
        Tensor: int64 (C, C), ``n[i, j]`` pixels of class i predicted as j, on the
        device of ``prediction``.

    Raises:
        ValueError: If shapes differ, or a label is neither a class nor ignored.
    """
    if prediction.shape != truth.shape:
        raise InputError(f'the prediction is {tuple(prediction.shape)}, but the truth is '
                         f'{tuple(truth.shape)}: they must cover the same pixels')
    prediction, truth = prediction.reshape(-1), truth.reshape(-1)
    counts = count_pairs(prediction, truth, num_classes, ignore_index)
    if counts is not None:
        return counts
    bad = truth[(truth != ignore_index) & ((truth < 0) | (truth >= num_classes))]
    if len(bad):
        raise InputError(
            f'the truth holds the labels {bad.unique().tolist()}, expected 0 to '
            f'{num_classes - 1} or the ignored {ignore_index}: check the masks or the '
            'number of classes')
    raise InputError(f'the prediction holds labels from {int(prediction.min())} to '
                     f'{int(prediction.max())}, expected 0 to {num_classes - 1}')


def segmentation_metrics(matrix: Tensor) -> dict[str, float | Tensor]:
    """The four metrics, and the per-class terms of two of them.

    With n_ij the matrix and t_i the pixels of class i:

    * pixel accuracy ``aAcc``: sum_i n_ii / sum_i t_i
    * mean accuracy ``mAcc``: mean of n_ii / t_i
    * mean IoU ``mIoU``: mean of n_ii / (t_i + sum_j n_ji - n_ii)
    * frequency-weighted IoU ``fwIoU``: mean of the same, weighted by t_i

    As in the authors' code, a class whose divisor is 0 is left out of the mean. The
    names are mmseg's.

    Args:
        matrix (Tensor): Integer (C, C) from :func:`confusion_matrix`.

    Returns:
        dict: Fractions from 0 to 1 (NaN where nothing was seen), computed in float64;
        ``IoU`` and ``Acc`` are tensors (C, ).
    """
    n = matrix.double()
    hit, true, predicted = n.diag(), n.sum(1), n.sum(0)
    accuracy, iou = hit / true, hit / (true + predicted - hit)
    seen = true > 0
    return dict(
        aAcc=float(hit.sum() / true.sum()),
        mAcc=float(accuracy.nanmean()),
        mIoU=float(iou.nanmean()),
        fwIoU=float((true[seen] * iou[seen]).sum() / true.sum()),
        Acc=accuracy,
        IoU=iou)
