"""The arithmetic of an FCN's maps: kernels, padding and cropping.

Pure functions, apart from the modules that use them. All of them serve the
**same** alignment: maps are exact multiples of one another, and nothing is
cropped but the padding that made the size divisible.
"""
from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor


def bilinear_kernel(factor: int) -> Tensor:
    """The kernel with which a transposed convolution interpolates bilinearly.

    Args:
        factor (int): Upsampling factor, at least 1. The kernel's size is
            ``2 * factor - factor % 2``: 4, 16, 32 and 64 for the paper's 2, 8, 16
            and 32.

    Returns:
        Tensor: float32 of shape (size, size); the weights that meet in an output
        pixel sum to 1.
    """
    size = 2 * factor - factor % 2
    centre = factor - 1 if size % 2 else factor - 0.5
    ramp = 1 - (torch.arange(size, dtype=torch.float64) - centre).abs() / factor
    return torch.outer(ramp, ramp).float()


def pad_to_multiple(image: Tensor, divisor: int,
                    value: Optional[float] = None) -> Tensor:
    """Pads the right and the bottom until height and width divide evenly.

    Args:
        image (Tensor): (N, C, H, W).
        divisor (int): What H and W shall be multiples of.
        value (float, optional): What is padded with. Defaults to None: the border
            is repeated, which a network confuses least with an edge of something.

    Returns:
        Tensor: (N, C, H', W'), ``image`` itself where nothing is to do.
    """
    height, width = image.shape[-2:]
    bottom, right = -height % divisor, -width % divisor
    if not (bottom or right):
        return image
    padding = (0, right, 0, bottom)
    if value is None:
        return F.pad(image, padding, mode='replicate')
    return F.pad(image, padding, value=value)


def crop_to(scores: Tensor, size: Tuple[int, int], stride: int) -> Tensor:
    """Crops a map that was upsampled to at least ``size``, at the right and bottom.

    Args:
        scores (Tensor): (N, C, H', W').
        size (tuple[int, int]): The (H, W) wanted.
        stride (int): The image pixels between two scores, for the error alone.

    Returns:
        Tensor: (N, C, H, W).

    Raises:
        ValueError: If the map is smaller than ``size``: a backbone that rounds down
            was given an image whose size its strides do not divide.
    """
    height, width = size
    if scores.shape[-2] < height or scores.shape[-1] < width:
        raise ValueError(
            f'the scores cover {scores.shape[-2]}x{scores.shape[-1]} at stride {stride}, '
            f'but {height}x{width} are needed: the backbone rounded an image size down '
            'that its strides do not divide. Use FCNSegmentor, which pads the image, '
            'or data_preprocessor=dict(size_divisor=...)')
    return scores[..., :height, :width]
