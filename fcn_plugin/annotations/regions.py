"""What the formats of labelling tools have in common: images with regions of classes."""
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..utils.errors import InputError

_MOST_PIXELS = 178_956_970  # Pillow refuses images of more
_FARTHEST = 1e6
#: What reading a shape may raise that has not the form that its format promises.
STRANGE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Bitmap(NamedTuple):
    """Pixels of a rectangle.

    Attributes:
        pixels (np.ndarray): (h, w) bool.
        left, top (int): Where the rectangle lies in the image.
    """
    pixels: np.ndarray
    left: int = 0
    top: int = 0


class Region(NamedTuple):
    """Pixels of a class.

    Coordinates are continuous: (0, 0) is the upper left corner of the image, and the centre
    of its first pixel is (0.5, 0.5).

    Attributes:
        name (str): The class.
        outlines (tuple[np.ndarray]): Polygons, (N, 2) of x and y in pixels (or in shares of
            the sides, see :class:`Annotated`). The region is all of them.
        holes (tuple[np.ndarray]): Polygons that are cut out of it.
        bitmap (Bitmap, optional): Its pixels, in place of polygons.
        counts (bool): False for pixels that do not count, such as a crowd's.
        order (float): Regions of a higher order lie over others; of the same, later ones.
        score (float, optional): Mean probability of its pixels, 0 to 1.
        through_pixels (bool): True where corners are whole numbers that name pixels, not
            places between them. Pixels of the outlines are inside, those of holes are not.
    """
    name: str
    outlines: tuple[np.ndarray, ...] = ()
    holes: tuple[np.ndarray, ...] = ()
    bitmap: Bitmap | None = None
    counts: bool = True
    order: float = 0
    score: float | None = None
    through_pixels: bool = False


class Annotated(NamedTuple):
    """An image in an export.

    Attributes:
        name (str): As the export calls it: a path with '/', perhaps without suffix.
        size (tuple[int, int], optional): (H, W) as the export says it.
        regions (tuple[Region]): In the order of the export.
        source (Path): The file that says so.
        fault (str, optional): Why it cannot be used.
        labelled (bool): False where somebody has yet to label it. Defaults to True.
        by_area (bool): Whether smaller regions lie over larger ones. Defaults to False.
        shares (bool): Whether coordinates are shares of the sides. Defaults to False.
        split (str, optional): What the export says: 'train', 'val' or 'test'.
    """
    name: str
    size: tuple[int, int] | None
    regions: tuple[Region, ...]
    source: Path
    fault: str | None = None
    labelled: bool = True
    by_area: bool = False
    shares: bool = False
    split: str | None = None


class Export(NamedTuple):
    """What a file of annotations holds.

    Attributes:
        images (list[Annotated]): In the order of the file.
        classes (list[str]): All that there may be; empty where the format has no list.
        colours (dict[str, tuple]): RGB of classes, where the export has them.
        skipped (Counter): How many shapes of each kind have no area.
        filled (int): How many regions are boxes, as such or by their corners.
        notes (list[str]): What else is to be said of it.
    """
    images: list[Annotated]
    classes: list[str] = []
    colours: dict[str, tuple[int, int, int]] = {}
    skipped: Counter = Counter()
    filled: int = 0
    notes: list[str] = []


class Gathered:
    """Collects the shapes of an image; the first that is wrong is the image's fault.

    Args:
        source (Path): The file.
        name (str): Of the image.
        size (tuple[int, int], optional): (H, W).
    """

    def __init__(self, source: Path, name: str, size: tuple[int, int] | None) -> None:
        self.source, self.name, self.size = source, name, size
        self.regions: list[Region] = []
        self.skipped: Counter = Counter()
        self.fault: str | None = None

    def annotated(self, **more: Any) -> Annotated:
        """The image with what was collected; ``more`` as in :class:`Annotated`."""
        return Annotated(self.name, self.size, tuple(self.regions), self.source, self.fault,
                         **more)

    def blame(self, place: str, error: Exception) -> None:
        """Notes what is wrong with a shape."""
        text = str(error) if isinstance(error, InputError) else (
            f'it has not the form that the format promises ({type(error).__name__}: {error})')
        self.fault = self.fault or f'{self.source}: {self.name}, {place}: {text}'


def export_of(gathered: Sequence[Gathered], images: list[Annotated],
              classes: Sequence[str] = (),
              colours: dict[str, tuple[int, int, int]] | None = None) -> Export:
    """An export of images, with the sums of what was collected for each."""
    skipped = sum((each.skipped for each in gathered), Counter())
    filled = sum(_is_box(region) for each in gathered for region in each.regions)
    return Export(images, list(dict.fromkeys(classes)), colours or {}, skipped, filled)


def _is_box(region: Region) -> bool:
    """Whether it is a rectangle, turned or not, by its corners: formats that have polygons
    alone hold boxes as these. In shares of the sides a turned one is a parallelogram."""
    if len(region.outlines) != 1 or len(region.outlines[0]) != 4 or region.holes:
        return False
    a, b, c, d = region.outlines[0]
    return bool((abs(a + c - b - d) <= 0.005 * max(abs(a - c).max(), abs(b - d).max())).all())


def score_of(value: Any) -> float | None:
    """A region's score, None where it has none.

    Raises:
        ValueError: If it is no number.
    """
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f'its score {value!r:.40} is no number') from None


def polygon(points: Any) -> np.ndarray:
    """Points of a polygon, checked.

    Args:
        points: Pairs of x and y, or x and y in turn.

    Returns:
        np.ndarray: (N, 2) float64, N at least 3.

    Raises:
        ValueError: If they are no numbers, or too few.
    """
    try:
        found = np.asarray(points, np.float64)
        if found.ndim > 1 and found.shape[1:] != (2, ):
            raise ValueError
        found = found.reshape(-1, 2)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f'expected points of x and y, but found {points!r:.60}') from None
    if not (abs(found) <= _FARTHEST).all():
        raise InputError(f'a point lies {_FARTHEST:.0e} pixels away or more, or nowhere')
    if len(found) < 3:
        raise InputError(f'a polygon of {len(found)} points has no area, expected at least '
                         '3: draw it again, or delete it')
    return found


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """The corners of a box, (4, 2)."""
    return polygon([(left, top), (right, top), (right, bottom), (left, bottom)])


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0) -> np.ndarray:
    """A polygon of 128 points that is an ellipse to a thousandth of its radii."""
    angles = np.linspace(0, 2 * np.pi, 128, endpoint=False)
    return turned(polygon(np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], 1)),
                  (x, y), degrees)


def turned(points: np.ndarray, centre: tuple[float, float], degrees: float) -> np.ndarray:
    """Points turned clockwise around one of them or another."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (points - centre) @ np.array([[cos, sin], [-sin, cos]]) + centre


def size_of(height: Any, width: Any) -> tuple[int, int]:
    """(H, W), checked.

    Raises:
        ValueError: If they are no numbers of pixels.
    """
    try:
        found = int(height), int(width)
    except (TypeError, ValueError, OverflowError):
        found = 0, 0
    if min(found) < 1 or found[0] * found[1] > _MOST_PIXELS:
        raise InputError(f'{width!r:.20} x {height!r:.20} is no size of an image in pixels')
    return found


def runs(counts: Iterable[Any], height: int, width: int) -> np.ndarray:
    """Counts of pixels that are off and on in turn, to pixels.

    Args:
        counts (Iterable[int]): From off.
        height, width (int): Of the pixels, which are counted row by row.

    Returns:
        np.ndarray: (height, width) bool.

    Raises:
        ValueError: If the counts are not as many as there are pixels.
    """
    try:
        found = np.asarray(list(counts), np.int64)
    except (TypeError, ValueError, OverflowError):
        raise InputError('its runs (RLE) are no integers') from None
    # Each by itself, so that no sum of huge ones wraps around to the right number.
    total = height * width
    if found.ndim != 1 or (found < 0).any() or (found > total).any() or found.sum() != total:
        raise InputError(f'its runs (RLE) must fill {width}x{height} = {total} pixels, but '
                         + (f'fill {sum(map(int, found.ravel()))}' if found.ndim == 1 and
                            (found >= 0).all() else 'some are negative'))
    return np.repeat(np.arange(len(found)) % 2 == 1, found).reshape(height, width)


def joined(region: Region) -> np.ndarray:
    """The outline of a region with its holes, as one polygon.

    A bridge leads to each hole and back, of no width, so that no pixel changes.

    Returns:
        np.ndarray: (N, 2).
    """
    ring, = region.outlines
    for hole in region.holes:
        nearest = int(((ring - hole[0]) ** 2).sum(1).argmin())
        ring = np.concatenate([ring[:nearest + 1], hole, hole[:1], ring[nearest:]])
    return ring
