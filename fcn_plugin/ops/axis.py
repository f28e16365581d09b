"""Where the labels of one axis of an image lie among the scores of a map."""
import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Axis:
    """How one axis of the labels samples the scores.

    Attributes:
        centre (np.ndarray): float64 (n, ), where each label lies in the network's
            input, in pixels.
        low, high (np.ndarray): int32 (n, ), the two scores around each label.
        weight_low, weight_high (np.ndarray): float32 (n, ), their shares.
    """
    centre: np.ndarray
    low: np.ndarray
    high: np.ndarray
    weight_low: np.ndarray
    weight_high: np.ndarray

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, part: slice) -> 'Axis':
        return Axis(self.centre[part], *(array[part] for array in self.arrays))

    def between(self, start: float, stop: float) -> slice:
        """The labels in [start, stop) of the input."""
        found = np.flatnonzero((self.centre >= start) & (self.centre < stop))
        return slice(found[0], found[-1] + 1) if len(found) else slice(0, 0)

    def within(self, first: int, count: int) -> 'Axis':
        """The same axis among the ``count`` scores from ``first`` on alone."""
        low, high = (np.clip(array - first, 0, count - 1).astype(np.int32)
                     for array in (self.low, self.high))
        return Axis(self.centre, low, high, self.weight_low, self.weight_high)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The arrays that kernels need: all but ``centre``."""
        return self.low, self.high, self.weight_low, self.weight_high

    @functools.lru_cache(maxsize=256)  # of axes, which are cached themselves
    def on(self, device: torch.device) -> tuple[Tensor, ...]:
        """The same as tensors on a device."""
        return tuple(torch.as_tensor(np.array(array), device=device)
                     for array in self.arrays)


@functools.lru_cache(maxsize=256)
def sample_axis(scores: int, stride: float, size: int, out_size: int, start: float = 0.,
                flip: bool = False, fades: bool = False) -> Axis:
    """Where the labels of one axis lie among the scores.

    Label i has its centre at ``u = (i + 0.5) * size / out_size`` of the network's input,
    score j at ``stride * (j + 0.5) - start``. A label beyond the outermost score takes
    that score, or what ``fades`` leaves of it.

    Args:
        scores (int): Number of scores along the axis.
        stride (float): Input pixels between two scores.
        size (int): The network's input without padding, in pixels.
        out_size (int): Labels wanted: as many as the original image has pixels.
        start (float): Input pixels by which the scores' first cell begins before the
            input. Defaults to 0; others occur in the caffe alignment alone.
        flip (bool): Whether the input was mirrored along this axis. Defaults to False.
        fades (bool): Whether beyond the outermost scores there are zeros a stride away, as a
            transposed convolution sees them. Defaults to False.

    Returns:
        Axis: Read-only arrays of ``out_size`` entries.
    """
    centre = (np.arange(out_size, dtype=np.float64) + 0.5) * (size / out_size)
    if flip:
        centre = size - centre
    # Beyond the outermost pixels of the input there is nothing that fades further.
    pixel = np.clip(centre, 0.5, size - 0.5) if fades else centre
    wanted = (pixel + start) / stride - 0.5
    place = np.clip(wanted, 0, scores - 1)
    low = np.minimum(place.astype(np.int32), max(scores - 2, 0))
    high = np.minimum(low + 1, scores - 1)
    share = (place - low).astype(np.float32)
    axis = Axis(centre, low, high, np.float32(1) - share, share)
    if fades:
        left = np.maximum(1 - np.abs(wanted - place), 0).astype(np.float32)
        axis = Axis(centre, low, high, axis.weight_low * left, axis.weight_high * left)
    for array in (centre, *axis.arrays):
        array.flags.writeable = False  # shared by the cache
    return axis
