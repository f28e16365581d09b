"""CPU kernels, compiled at first use and kept on disk by numba.

None is compiled with fast-math: each product and each sum is rounded, as in PyTorch.
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
            # Neighbouring labels share rows of scores. Going down, the lower row becomes
            # the upper one; in a flipped image it is the other way round.
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


@njit(cache=True, nogil=True, inline='always')
def _row(label, classes, ignore_index):
    """The row in which a true label counts: its own if it is a class, the one behind the
    classes if it is ignored, else -1."""
    if label == ignore_index:
        return np.int64(classes)
    return np.int64(label) if np.uint64(label) < np.uint64(classes) else np.int64(-1)


@njit(cache=True, nogil=True, boundscheck=False)
def count_pairs(prediction, truth, num_classes, ignore_index, total):
    """Fills total (C, C); returns whether all labels were classes or ignored.

    Neighbouring pixels mostly count in the same cell, where each addition must wait for
    the one before. So the image is read at four places at once, each with its own table.
    """
    counts = np.zeros((4, num_classes + 1, num_classes), np.int32)
    quarter = truth.shape[0] // 4
    classes = np.uint64(num_classes)  # as unsigned numbers negative labels are huge
    for i in range(quarter):
        for part in range(4):
            p = prediction[i + part * quarter]
            t = _row(truth[i + part * quarter], num_classes, ignore_index)
            if np.uint64(p) >= classes or t < 0:
                return False
            counts[part, t, p] += 1
    for i in range(4 * quarter, truth.shape[0]):
        p, t = prediction[i], _row(truth[i], num_classes, ignore_index)
        if np.uint64(p) >= classes or t < 0:
            return False
        counts[0, t, p] += 1
    for t in range(num_classes):
        for p in range(num_classes):
            total[t, p] = (np.int64(counts[0, t, p]) + counts[1, t, p] + counts[2, t, p]
                           + counts[3, t, p])
    return True


def warm_up() -> None:
    """Compiles the kernels or loads them from disk, and checks a known result."""
    one = np.zeros(1, np.int32), np.zeros(1, np.int32)
    weights = np.ones(1, np.float32), np.zeros(1, np.float32)
    labels = np.full((1, 1), 9, np.uint8)
    label_rows(np.array([[[1.]], [[2.]]], np.float32), *one, *weights, *one, *weights, 0,
               1, labels)
    if labels[0, 0] != 1:
        raise RuntimeError('numba computes wrongly here')
