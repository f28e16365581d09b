"""A small picture of a large image, gathered window by window."""
from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from .label_tiff import LabelledWindow

_LONGEST = 1600  # pixels of its longer side


class Overview:
    """Image and labels, each a whole number of times smaller.

    A pixel has the mean colour of a square of the image, and the label of its first pixel.

    Args:
        size (tuple[int, int]): (H, W) of the image.

    Attributes:
        image (np.ndarray): (h, w, C), as far as windows have come.
        labels (np.ndarray): (h, w), alike.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._step = -(-max(size) // _LONGEST)
        self._size = tuple(-(-length // self._step) for length in size)
        self.image = np.zeros((*self._size, 3), np.uint8)
        self.labels = np.zeros(self._size, np.uint8)

    def watch(self, windows: Iterable[LabelledWindow]) -> Iterator[LabelledWindow]:
        """Gives windows on, and takes what it needs of them."""
        for number, window in enumerate(windows):
            if number == 0:
                channels = window.pixels.shape[2]
                self.image = np.zeros((*self._size, channels), window.pixels.dtype)
                self.labels = np.zeros(self._size, window.labels.dtype)
            self._add(window)
            yield window

    def _add(self, window: LabelledWindow) -> None:
        step = self._step
        place = tuple(slice(-(-part.start // step), -(-part.stop // step))
                      for part in (window.rows, window.columns))
        found = window.labels[-window.rows.start % step::step,
                              -window.columns.start % step::step]
        self.labels[place] = found
        if found.size:
            small = cv2.resize(window.pixels, found.shape[::-1], interpolation=cv2.INTER_AREA)
            self.image[place] = small.reshape(*found.shape, -1)
