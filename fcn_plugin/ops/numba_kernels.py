"""CPU kernels, compiled at first use and kept on disk by numba.

None is compiled with fast-math: a product and a sum are rounded each, as in PyTorch.
"""
import numpy as np
from numba import njit

# Columns at a time: two rows of 150 classes, their maxima and labels in a core's cache.
_CHUNK = 256


@njit(cache=True, nogil=True, boundscheck=False)
def _expand(scores, row, low, high, weight_low, weight_high, left, count, out):
    """Interpolates one row of scores (C, h, w) to ``count`` columns: out (C, chunk)."""
    for c in range(scores.shape[0]):
        source = scores[c, row]
        target = out[c]
        for x in range(count):
            target[x] = (source[low[left + x]] * weight_low[left + x]
                         + source[high[left + x]] * weight_high[left + x])


@njit(cache=True, nogil=True, boundscheck=False)
def label_rows(scores, row_low, row_high, row_weight_low, row_weight_high, low, high,
               weight_low, weight_high, top, bottom, labels):
    """Fills the rows [top, bottom) of labels (H, W)."""
    classes, width = scores.shape[0], low.shape[0]
    above = np.empty((classes, _CHUNK), np.float32)
    below = np.empty((classes, _CHUNK), np.float32)
    best = np.empty(_CHUNK, np.float32)
    chosen = np.empty(_CHUNK, np.int32)
    for left in range(0, width, _CHUNK):
        count = min(_CHUNK, width - left)
        above_row, below_row = -1, -1
        for y in range(top, bottom):
            # Neighbouring labels share rows of scores; going down, the lower one becomes
            # the upper, and flipped the other way round.
            if row_low[y] != above_row or row_high[y] != below_row:
                if row_low[y] == below_row or row_high[y] == above_row:
                    above, below = below, above
                    above_row, below_row = below_row, above_row
                if row_low[y] != above_row:
                    above_row = row_low[y]
                    _expand(scores, above_row, low, high, weight_low, weight_high, left,
                            count, above)
                if row_high[y] != below_row:
                    below_row = row_high[y]
                    _expand(scores, below_row, low, high, weight_low, weight_high, left,
                            count, below)
            a, b = row_weight_low[y], row_weight_high[y]
            for x in range(count):
                best[x] = above[0, x] * a + below[0, x] * b
                chosen[x] = 0
            for c in range(1, classes):
                upper, lower = above[c], below[c]
                for x in range(count):
                    value = upper[x] * a + lower[x] * b
                    higher = value > best[x]
                    best[x] = value if higher else best[x]
                    chosen[x] = c if higher else chosen[x]
            for x in range(count):
                labels[y, left + x] = chosen[x]


@njit(cache=True, nogil=True, boundscheck=False)
def count_pairs(prediction, truth, num_classes, ignore_index, counts):
    """Adds to counts (4, C, C); returns the place of the first bad label, or -1.

    Neighbouring pixels are mostly of one class. With one table each would wait for the
    sum of the one before.
    """
    for i in range(truth.shape[0]):
        t, p = truth[i], prediction[i]
        if p < 0 or p >= num_classes:
            return i
        if t == ignore_index:
            continue
        if t < 0 or t >= num_classes:
            return i
        counts[i & 3, t, p] += 1
    return -1


def warm_up() -> None:
    """Compiles, or loads what was compiled, and checks a result known beforehand."""
    one = np.zeros(1, np.int32), np.zeros(1, np.int32)
    weights = np.ones(1, np.float32), np.zeros(1, np.float32)
    labels = np.full((1, 1), 9, np.uint8)
    label_rows(np.array([[[1.]], [[2.]]], np.float32), *one, *weights, *one, *weights, 0,
               1, labels)
    if labels[0, 0] != 1:
        raise RuntimeError('numba computes wrongly here')
