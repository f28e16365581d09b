"""CUDA kernels, compiled without contraction: each product and each sum is rounded."""
import triton
import triton.language as tl
from torch import Tensor

from ..utils.errors import InputError
from .axis import Axis

_BLOCK = 256


@triton.jit
def _label_kernel(scores, row_low, row_high, row_weight_low, row_weight_high, low, high,
                  weight_low, weight_high, labels, classes, height, width, map_height,
                  map_width, BLOCK: tl.constexpr):
    """One block: BLOCK labels of one row. Its scores are read through the caches."""
    y = tl.program_id(0)
    x = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = x < width
    left = tl.load(low + x, mask=inside, other=0)
    right = tl.load(high + x, mask=inside, other=0)
    wl = tl.load(weight_low + x, mask=inside, other=0.)
    wr = tl.load(weight_high + x, mask=inside, other=0.)
    upper = tl.load(row_low + y) * map_width
    lower = tl.load(row_high + y) * map_width
    wu, wd = tl.load(row_weight_low + y), tl.load(row_weight_high + y)
    plane = map_height * map_width
    best = tl.zeros((BLOCK, ), tl.float32)
    chosen = tl.zeros((BLOCK, ), tl.int32)
    for c in range(0, classes):
        first = scores + c * plane
        above = (tl.load(first + upper + left, mask=inside, other=0.) * wl
                 + tl.load(first + upper + right, mask=inside, other=0.) * wr)
        below = (tl.load(first + lower + left, mask=inside, other=0.) * wl
                 + tl.load(first + lower + right, mask=inside, other=0.) * wr)
        value = above * wu + below * wd
        higher = (value > best) | (c == 0)
        best = tl.where(higher, value, best)
        chosen = tl.where(higher, c, chosen)
    tl.store(labels + y.to(tl.int64) * width + x,
             chosen.to(labels.dtype.element_ty), mask=inside)


def label(scores: Tensor, rows: Axis, columns: Axis, labels: Tensor) -> None:
    """Fills labels (H, W) from contiguous scores (C, h, w) and the axes."""
    classes, map_height, map_width = scores.shape
    if scores.numel() >= 1 << 31:
        raise InputError(f'{classes} classes of {map_height}x{map_width} scores are more '
                         'than 2**31 values')
    axes = (*rows.on(scores.device), *columns.on(scores.device))
    height, width = labels.shape
    grid = (height, triton.cdiv(width, _BLOCK))  # only the first may exceed 65,535
    _label_kernel[grid](scores, *axes, labels, classes, height, width, map_height,
                        map_width, BLOCK=_BLOCK, enable_fp_fusion=False)
