"""Counting pairs of labels: the sum behind a confusion matrix."""

import numpy as np
import torch
from torch import Tensor

from .labels import compiled


def count_pairs(prediction: Tensor, truth: Tensor, num_classes: int, ignore_index: int,
                engine: str | None = None) -> Tensor | None:
    """Counts pixels by their true and their predicted class.

    Args:
        prediction, truth (Tensor): Integers (P, ), contiguous, on one device.
        num_classes (int): Number of classes C.
        ignore_index (int): True label of pixels that do not count. The prediction must
            be a class there, too.
        engine (str, optional): 'numba' or 'torch', for comparisons. Defaults to None:
            numba on the CPU where it runs.

    Returns:
        Tensor: int64 (C, C), ``n[i, j]`` pixels of class i predicted as j; None where
        some label is neither a class nor ignored.
    """
    if engine is None:
        engine = 'numba' if truth.device.type == 'cpu' and compiled() else 'torch'
    return (_count_numba if engine == 'numba' else _count_torch)(
        prediction, truth, num_classes, ignore_index)


def _count_numba(prediction, truth, num_classes, ignore_index):
    counts = np.empty((num_classes, num_classes), np.int64)
    fine = compiled().count_pairs(prediction.numpy(), truth.numpy(), num_classes,
                                   ignore_index, counts)
    return torch.from_numpy(counts) if fine else None


def _count_torch(prediction, truth, num_classes, ignore_index):
    if not truth.numel():
        return torch.zeros(num_classes, num_classes, dtype=torch.int64,
                           device=truth.device)
    row, column = truth.long(), prediction.long()
    ignored = row == ignore_index
    # The extremes are checked before ignored pixels get row C: afterwards a wrong label C
    # would look like them.
    (low, high), (low_p, high_p) = row.masked_fill(ignored, 0).aminmax(), column.aminmax()
    if min(low, low_p) < 0 or max(high, high_p) >= num_classes:
        return None
    size = num_classes + 1  # one more row and column, for what does not count
    counts = torch.bincount(row.masked_fill(ignored, num_classes) * size + column,
                            minlength=size * size)
    return counts.view(size, size)[:num_classes, :num_classes]
