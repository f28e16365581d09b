"""Which class each value of masks is, and from pixels to classes by it."""
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .colours import channels

IGNORE = 255
_ROUNDING = 4  # JPEG renders flat regions up to this far off
_WINDOW = np.ones((5, 5), np.uint8)


class Encoding(NamedTuple):
    """Which class each value of the masks is.

    Attributes:
        label_map (dict[int, int]): Value (or 0xRRGGBB) to class, or to 255.
        classes (list[str]): Names.
        palette (list): RGB of each class, or empty: no colours are known.
        colours (bool): Whether the values are colours.
        notes (list[str]): What was assumed, and why.
        faults (list[str]): What cannot be right.
    """
    label_map: dict[int, int]
    classes: list[str]
    palette: list[list[int]]
    colours: bool
    notes: list[str]
    faults: list[str]

    @property
    def identity(self) -> bool:
        """Whether values are class numbers as they are."""
        return not self.colours and all(v == label for v, label in self.label_map.items())


def nearest_labels(values: Iterable[int], encoding: Encoding) -> dict[int, int]:
    """The class of each value: its own if the value is known, else that of the nearest.

    Args:
        values (Iterable[int]): Of :class:`Mask`.
        encoding (Encoding): From :func:`find_encoding`.

    Returns:
        dict[int, int]: Value to class, or to 255.
    """
    distinct, known = np.array(sorted(set(values)), np.int64), sorted(encoding.label_map)
    places, _ = _nearest(distinct, known, encoding.colours)
    return {value: encoding.label_map[known[place]]
            for value, place in zip(distinct.tolist(), places.tolist())}


def _nearest(values: np.ndarray, known: Sequence[int], colours: bool
             ) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``known`` is nearest to each value, (N,), and the squared distance, (N,)."""
    levels = channels(np.array(known, np.int64), colours)
    places, far = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    for start in range(0, len(values), 4096):  # of 100,000 colours at once it takes 1 GB
        part = slice(start, start + 4096)
        squares = ((channels(values[part], colours)[:, None] - levels) ** 2).sum(2)
        places[part], far[part] = squares.argmin(1), squares.min(1)
    return places, far


def to_labels(values: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Values of a mask to classes.

    A value that is not known is blur: its pixels take the nearest of the known values that
    lie within two pixels, so that no third class runs along the border of two. Where there
    is none, they take the nearest of all.

    Args:
        values (np.ndarray): (H, W), of :class:`Mask`.
        encoding (Encoding): From :func:`find_encoding`.

    Returns:
        np.ndarray: (H, W) uint8, 255 for pixels that do not count.
    """
    known = sorted(encoding.label_map)
    labels = np.array([encoding.label_map[value] for value in known], np.uint8)
    distinct, inverse = np.unique(values, return_inverse=True)
    inverse = inverse.reshape(values.shape)
    nearest, far = _nearest(distinct, known, encoding.colours)
    places, blurred = nearest[inverse], (far > _ROUNDING ** 2)[inverse]
    if not blurred.any():
        return labels[places]
    pixels = channels(values[blurred].astype(np.int64), encoding.colours)
    levels = channels(np.array(known, np.int64), encoding.colours)
    chosen = places[blurred]
    best = np.full(len(chosen), np.iinfo(np.int64).max)
    for place in np.unique(places[~blurred]).tolist():
        region = (~blurred & (places == place)).astype(np.uint8)
        squares = ((pixels - levels[place]) ** 2).sum(1)
        better = (cv2.dilate(region, _WINDOW)[blurred] > 0) & (squares < best)
        chosen[better], best[better] = place, squares[better]
    places[blurred] = chosen
    return labels[places]
