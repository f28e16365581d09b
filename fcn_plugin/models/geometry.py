"""The arithmetic of an FCN's maps: kernels, padding, cropping and coordinates.

Pure functions, apart from the modules that use them. Two alignments exist:

* **same**, the default: maps are exact multiples of one another, and nothing is
  cropped but the padding that made the size divisible (:func:`pad_to_multiple`,
  :func:`crop_to`);
* **caffe**, the authors': the image is padded by 100, pooling rounds up, fc6 and
  the transposed convolutions are not padded, and every map is cropped where it
  lies (:class:`Grid`, :func:`crop_at`).
"""
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmseg.utils import SampleList
from torch import Tensor

from ..utils.errors import InputError

CAFFE_PADDING = 100
"""What the authors pad the image by, so that fc6 has a place in the smallest one."""


def bilinear_kernel(factor: int, size: int | None = None) -> Tensor:
    """The kernel with which a transposed convolution interpolates bilinearly.

    Args:
        factor (int): Upsampling factor f, at least 1.
        size (int, optional): Of the kernel, 2f or 2f - 1: FCN-AlexNet has 63 for 32.
            Defaults to None: ``2f - f % 2``, 4, 16, 32 and 64 for the paper's 2, 8, 16
            and 32.

    Returns:
        Tensor: float32 of shape (size, size); the weights that meet in an output
        pixel sum to 1.

    Raises:
        ValueError: For another size, whose weights do not sum to 1.
    """
    size = 2 * factor - factor % 2 if size is None else size
    if size not in (2 * factor - 1, 2 * factor):
        raise InputError(f'a kernel of {size} does not interpolate by {factor}, expected '
                         f'{2 * factor - 1} or {2 * factor}')
    centre = (size - 1) / 2
    ramp = 1 - (torch.arange(size, dtype=torch.float64) - centre).abs() / factor
    return torch.outer(ramp, ramp).float()


def pad_to_multiple(image: Tensor, divisor: int,
                    value: float | None = None) -> Tensor:
    """Pads the right and the bottom until height and width divide evenly.

    Args:
        image (Tensor): (N, C, H, W).
        divisor (int): What H and W shall be multiples of.
        value (float, optional): The value to pad with. Defaults to None: the border
            is repeated, so that the padding makes no edge in the image.

    Returns:
        Tensor: (N, C, H', W'); ``image`` itself where it divides evenly already.
    """
    height, width = image.shape[-2:]
    bottom, right = -height % divisor, -width % divisor
    if not (bottom or right):
        return image
    padding = (0, right, 0, bottom)
    if value is None:
        return F.pad(image, padding, mode='replicate')
    return F.pad(image, padding, value=value)


def pad_batch(images: Tensor, samples: SampleList, divisor: int, ignore_index: int) -> Tensor:
    """Pads a batch as :func:`pad_to_multiple` does, and its labels in place.

    Args:
        images (Tensor): (N, C, H, W).
        samples (list[SegDataSample]): With ``gt_sem_seg`` (1, H, W).
        divisor (int): What H and W shall be multiples of.
        ignore_index (int): The label of the padding.

    Returns:
        Tensor: (N, C, H', W').
    """
    padded = pad_to_multiple(images, divisor)
    if padded is not images:
        for sample in samples:
            labels = sample.gt_sem_seg.pop('data')
            sample.gt_sem_seg.data = pad_to_multiple(labels, divisor, ignore_index)
    return padded


def labels_of_task(task: str, samples: SampleList, size: tuple[int, int],
                   ignore_index: int) -> Tensor:
    """A further task's labels, padded as :func:`pad_batch` and preprocessors pad the first's.

    Args:
        task (str): Its name.
        samples (list[SegDataSample]): With ``gt_<task>``, (1, h, w) each.
        size (tuple[int, int]): The (H, W) of the first task's labels.
        ignore_index (int): The label of the padding.

    Returns:
        Tensor: (N, 1, H, W).

    Raises:
        ValueError: If a sample has no labels of the task.
    """
    found = [sample.get(f'gt_{task}') for sample in samples]
    if any(labels is None for labels in found):
        raise InputError(f"an image has no labels of the task '{task}' of other_tasks: "
                         'its data set must give them, and its pipeline end in PackTasks')
    return torch.stack([F.pad(
        labels, (0, size[1] - labels.shape[-1], 0, size[0] - labels.shape[-2]),
        value=ignore_index) for labels in (each.data for each in found)])


def crop_to(scores: Tensor, size: tuple[int, int], stride: int) -> Tensor:
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
        raise InputError(
            f'the scores cover {scores.shape[-2]}x{scores.shape[-1]} at stride {stride}, '
            f'but {height}x{width} are needed: the backbone rounded an image size down '
            'that its strides do not divide. Use FCNSegmentor, which pads the image, '
            'or data_preprocessor=dict(size_divisor=...)')
    return scores[..., :height, :width]


class Window(NamedTuple):
    """One axis of a tile, in pixels of the image.

    Attributes:
        core_start, core_stop (int): The pixels whose labels this tile alone gives.
        start, stop (int): What the network sees.
    """
    core_start: int
    core_stop: int
    start: int
    stop: int


def windows_of(length: int, core: int, overlap: int) -> list[Window]:
    """Cuts one axis of an image into overlapping tiles (serves the same alignment).

    Args:
        length (int): Pixels of the image.
        core (int): Pixels that each tile contributes; the last one may have fewer.
        overlap (int): Pixels that a tile sees beyond its core on each side, as far as
            the image goes. If both are multiples of the coarsest stride, the columns
            of a tile's maps are columns of the whole image's maps.
    """
    return [Window(at, min(at + core, length), max(at - overlap, 0),
                   min(at + core + overlap, length)) for at in range(0, length, core)]


@dataclass(frozen=True)
class Grid:
    """Where the columns of a map lie in the image (serves the caffe alignment).

    Column i has its centre at image coordinate ``stride * i + start``; rows alike.

    Args:
        stride (float): Image pixels between two columns. Defaults to 1.
        start (float): Image coordinate of the first one. Defaults to 0.
    """
    stride: float = 1
    start: float = 0

    def convolve(self, kernel: int, stride: int = 1, padding: int = 0) -> 'Grid':
        """The grid behind a convolution or a pooling."""
        return Grid(self.stride * stride,
                    self.start + self.stride * ((kernel - 1) / 2 - padding))

    def deconvolve(self, kernel: int, stride: int) -> 'Grid':
        """The grid behind an unpadded transposed convolution."""
        fine = self.stride / stride
        return Grid(fine, self.start - fine * (kernel - 1) / 2)

    def offset_of(self, other: 'Grid') -> int:
        """How many columns of this map come before the first column of another.

        Raises:
            ValueError: If no column of this map lies there.
        """
        offset = (other.start - self.start) / self.stride
        if self.stride != other.stride or offset < 0 or offset != int(offset):
            raise InputError(f'{other} does not lie on {self}: their maps cannot be cropped '
                             'to one another')
        return int(offset)


def crop_at(scores: Tensor, offset: int, size: tuple[int, int]) -> Tensor:
    """Caffe's Crop: ``size`` rows and columns from ``offset`` on.

    Args:
        scores (Tensor): (N, C, H', W').
        offset (int): Rows and columns skipped at the top and the left.
        size (tuple[int, int]): The (H, W) wanted.

    Returns:
        Tensor: (N, C, H, W).

    Raises:
        ValueError: If the map is too small for that.
    """
    height, width = size
    if scores.shape[-2] < offset + height or scores.shape[-1] < offset + width:
        raise InputError(
            f'cannot crop {height}x{width} at {offset} from a map of {scores.shape[-2]}x'
            f"{scores.shape[-1]}: with alignment='caffe' FullyConvVGG covers images of any "
            'size where fc_kernel_size is 5 or 7')
    return scores[..., offset:offset + height, offset:offset + width]
