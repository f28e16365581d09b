"""A layer of Caffe: checked, and fitted to the shape that ours has."""
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...utils.errors import InputError
from ..geometry import bilinear_kernel
from .caffemodel import Layer

# Bilinear kernels of the paper's factors are exact in float32; Caffe's filler may round.
_KERNEL_TOLERANCE = 1e-6
_MAX_UNGROUPED = 255 ** 2 * 64 ** 2  # as many classes as a mask can have, factor 32


def shape_text(shape: Sequence[int]) -> str:
    return 'x'.join(map(str, shape)) or 'a single value'


def shapes_text(layer: Layer) -> str:
    return ', '.join(shape_text(blob.shape) for blob in layer.blobs)


def check_layer(layer: Layer, blobs: int, *kinds: str) -> None:
    if layer.type and layer.type not in kinds:
        raise InputError(f"layer '{layer.name}' is of type {layer.type}, expected "
                         f'{" or ".join(kinds)}')
    if layer.type == 'InnerProduct' and any(layer.settings.get(6, ())):
        raise InputError(f"layer '{layer.name}' holds its matrix transposed (transpose: "
                         'true), expected one row for each output')
    if len(layer.blobs) != blobs:
        raise InputError(
            f"layer '{layer.name}' has {len(layer.blobs)} sets of weights "
            f'({shapes_text(layer)}), expected '
            + ('2 (weight and bias)' if blobs == 2 else '1'))


def fit(layer: Layer, index: int, shape: tuple[int, ...]) -> np.ndarray:
    """A layer's blob as finite float32 of ``shape``; its own shape must be that or mean it.

    It is a copy: a view of the file need not be aligned, and ends when the file is closed.
    """
    blob = layer.blobs[index]
    accepted = [shape, (1, ) * (4 - len(shape)) + shape]  # the old format has 4 dims
    if layer.type == 'InnerProduct' and len(shape) == 4:
        matrix = (shape[0], math.prod(shape[1:]))
        accepted += [matrix, (1, 1, *matrix)]
    if blob.shape not in accepted:
        raise InputError(
            f"layer '{layer.name}': weights of shape {shape_text(blob.shape)}, expected "
            f'{shape_text(shape)}: another net, or one of other widths')
    with np.errstate(over='ignore'):
        values = np.array(blob, np.float32, order='C').reshape(shape)
    # min and max pass NaN on, and need no copy.
    if not np.isfinite([values.min(), values.max()]).all():
        raise InputError(f"layer '{layer.name}': infinite values or NaN among the "
                         'weights, expected finite ones: the file is damaged, or its '
                         'training diverged')
    return values


def ungrouped(layer: Layer) -> Layer:
    """Of one kernel a class in an upsampling layer (``group: C``), one from all to all.

    Its blob (C, 1, k, k) becomes (C, C, k, k). Others stay as they are, also where that would
    take more than a gigabyte.
    """
    blob = layer.blobs[0]
    if blob.ndim != 4 or blob.shape[1] != 1 or blob.size * len(blob) > _MAX_UNGROUPED:
        return layer
    classes = len(blob)
    if layer.settings and layer.settings.get(5) != (classes, ):
        return layer
    kernel = np.zeros((classes, classes, *blob.shape[2:]), blob.dtype)
    kernel[range(classes), range(classes)] = blob[:, 0]
    return replace(layer, blobs=(kernel, *layer.blobs[1:]))


def is_bilinear(kernel: np.ndarray) -> bool:
    """Whether (C, C, k, k) interpolates each class and mixes none."""
    classes, size = len(kernel), kernel.shape[-1]
    diagonal = kernel[range(classes), range(classes)]
    bilinear = bilinear_kernel((size + 1) // 2, size).numpy()
    return (np.count_nonzero(kernel) == np.count_nonzero(diagonal)
            and np.allclose(diagonal, bilinear, rtol=0, atol=_KERNEL_TOLERANCE))
