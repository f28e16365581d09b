"""From scores at a coarse stride to labels at the image's size, in one step.

The definition, which every path computes to the same bit: the label of an output pixel
is the class whose scores, interpolated bilinearly between half-pixel centres, are the
highest there; of equal ones the lower class. Columns are interpolated first, then rows,
each as ``a * (1 - t) + b * t`` in float32, every product and every sum rounded.

One interpolation so does the upsampling to the network's input, the removal of its
padding, the flip back and the resizing to the original image. Neither logits nor
probabilities are made at full resolution.
"""
import functools
import logging
import threading
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from torch import Tensor

from .axis import Axis

# With fewer multiplications than this, threads cost more time than they save.
_WORTH_A_THREAD = 1 << 18
# float32 values in a block of rows of the plain path: 4 MiB, which caches hold.
_BLOCK = 1 << 20


def label_dtype(num_classes: int) -> torch.dtype:
    """uint8 for up to 255 classes, so that 255 stays free; int16 beyond."""
    return torch.uint8 if num_classes <= 255 else torch.int16


def label_scores(scores: Tensor, rows: Axis, columns: Axis,
                 engine: str | None = None) -> Tensor:
    """The class with the highest interpolated score at each pixel.

    Args:
        scores (Tensor): (C, h, w), floating point, on any device.
        rows, columns (Axis): From :func:`sample_axis`, H and W entries.
        engine (str, optional): 'numba', 'triton' or 'torch', for comparisons. Defaults to
            None: the fastest that runs here.

    Returns:
        Tensor: (H, W) of :func:`label_dtype`, on the scores' device. A NaN never counts as
        the highest score, except in class 0.
    """
    scores = scores.detach().float()
    if not (len(rows) and len(columns)):
        return scores.new_empty((len(rows), len(columns)), dtype=label_dtype(len(scores)))
    if engine is None:
        engine = _engine(scores.device)
    return _ENGINES[engine](scores, rows, columns)


def resample_scores(scores: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """The interpolated scores themselves, for those who ask for logits.

    Args:
        scores (Tensor): (C, h, w).
        rows, columns (Axis): As in :func:`label_scores`.

    Returns:
        Tensor: float32 (C, H, W); :func:`label_scores` is its argmax.
    """
    wide = _lerp(scores.float(), columns, -1)
    return _lerp(wide, rows, -2)


def _engine(device: torch.device) -> str:
    if device.type == 'cpu' and compiled() is not None:
        return 'numba'
    if device.type == 'cuda' and _triton() is not None:
        return 'triton'
    return 'torch'


# --- plain PyTorch: the reference ----------------------------------------------


def _lerp(scores: Tensor, axis: Axis, dim: int) -> Tensor:
    low, high, weight_low, weight_high = axis.on(scores.device)
    shape = (-1, ) + (1, ) * (-1 - dim)
    return (scores.index_select(dim, low) * weight_low.view(shape)
            + scores.index_select(dim, high) * weight_high.view(shape))


def _label_torch(scores: Tensor, rows: Axis, columns: Axis) -> Tensor:
    wide = _lerp(scores, columns, -1)
    height, width = len(rows), len(columns)
    labels = scores.new_empty((height, width), dtype=label_dtype(len(scores)))
    step = max(_BLOCK // max(width * len(scores), 1), 1)
    for top in range(0, height, step):
        block = _lerp(wide, rows[top:top + step], -2)
        best, chosen = block[0], torch.zeros_like(block[0], dtype=labels.dtype)
        # Not argmax, which promises nothing about ties.
        for label in range(1, len(block)):
            higher = block[label] > best
            best = torch.where(higher, block[label], best)
            chosen.masked_fill_(higher, label)
        labels[top:top + step] = chosen
    return labels


# --- numba -----------------------------------------------------------------------


def compiled():
    """The module of compiled CPU kernels, or None where numba does not run."""
    return _numba()[0]


def numba_fault() -> tuple[str, str] | None:
    """Why numba does not run here and what to do; None where it runs."""
    return _numba()[1]


@functools.cache  # so that what it logs is logged once
def _numba() -> tuple[Any, tuple[str, str] | None]:
    try:
        from . import numba_kernels
        numba_kernels.warm_up()
        return numba_kernels, None
    # numba may be absent, may not know this numpy, or may find no folder for what it
    # compiles. Then the plain path runs.
    except Exception as error:
        reason = ' '.join(str(error).split()) or type(error).__name__
        fix = 'pip install -c constraints.txt numba'
        if 'cannot cache' in reason:
            fix = 'set NUMBA_CACHE_DIR to a folder that can be written'
    print_log(f'plain PyTorch computes labels and metrics on the CPU, which takes longer: '
              f'numba does not run here ({reason}). To mend it: {fix}', 'current',
              logging.WARNING)
    return None, (reason, fix)


def _label_numba(scores: Tensor, rows: Axis, columns: Axis) -> Tensor:
    values = np.ascontiguousarray(scores.numpy())
    height, width = len(rows), len(columns)
    labels = torch.empty((height, width), dtype=label_dtype(len(scores)))
    out = labels.numpy()

    def run(top: int, bottom: int) -> None:
        compiled().label_rows(values, *rows.arrays, *columns.arrays, top, bottom, out)

    threads = min(torch.get_num_threads(),
                  1 + height * width * len(scores) // _WORTH_A_THREAD)
    in_threads(run, height, threads)
    return labels


def in_threads(run, count: int, threads: int) -> None:
    """Calls ``run(first, last)`` for equal parts of ``range(count)``, side by side.

    The threads live as long as the call: there is no pool that a fork could break.
    """
    bounds = [count * i // threads for i in range(threads + 1)]
    others = [threading.Thread(target=run, args=part)
              for part in zip(bounds[1:], bounds[2:])]
    for thread in others:
        thread.start()
    run(bounds[0], bounds[1])
    for thread in others:
        thread.join()


# --- Triton ----------------------------------------------------------------------


@functools.cache
def _triton():
    try:
        from . import triton_kernels
    except ImportError as error:
        print_log(f'plain PyTorch computes labels on the GPU, which takes longer: Triton, '
                  f'which comes with torch for CUDA on Linux, is not there ({error})',
                  'current', logging.WARNING)
        return None
    return triton_kernels


def _label_triton(scores: Tensor, rows: Axis, columns: Axis) -> Tensor:
    labels = torch.empty((len(rows), len(columns)),
                         dtype=label_dtype(len(scores)), device=scores.device)
    _triton().label(scores.contiguous(), rows, columns, labels)
    return labels


_ENGINES = dict(numba=_label_numba, torch=_label_torch, triton=_label_triton)
