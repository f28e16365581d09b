"""Whether values of masks are classes, or what a smooth resize or JPEG left at borders.

A count of values says nothing: 150 classes are as common as a blurred mask of two. What
tells them apart lies in space. Classes have regions, and at a border one value stands
directly beside the other. Blur has no region of its own, and lies between the two sides.
"""
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from .colours import NEAR, as_written, channels, distance

_SQUARE = np.ones((3, 3), np.uint8)
_RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], np.uint8)  # the eight neighbours
_TOLERANCE = 6  # of a colour's other channels, for the ringing of JPEG
#: Most values of a mask that are counted each; coloured JPEGs may have 100,000.
MOST_KEPT = 1024

# Thresholds, found on drawn masks of 2 to 254 classes, plain and blurred in many ways. Of
# each, what was measured lies a factor of three or more away on either side.
_INSIDE = 0.2  # least share of a class's pixels that lie inside its regions
_STRAY = 0.1  # largest share of blurred pixels that lie inside regions
_BETWEEN = 0.35  # least share of blurred pixels that lie between their neighbours
_AT_BORDERS = 0.15  # the same of all pixels at borders, in masks that are blurred
_MOST_BLURRED = 0.75  # largest share of blurred pixels in all; pictures have more
_STEP = 0.55  # largest mean step across borders, relative to any two values' difference


def count_values(values: np.ndarray) -> dict[int, int]:
    """How many pixels have each value."""
    if values.size and values.min() >= 0 and values.max() < 65536:
        counts = np.bincount(values.ravel())
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    # Runs along rows are counted: they are far fewer than pixels, and sorting is slow.
    flat = values.ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=flat[:1] - 1))
    lengths = np.diff(starts, append=flat.size)
    found, place = np.unique(flat[starts], return_inverse=True)
    counts = np.bincount(place, lengths, len(found)).astype(np.int64)
    return dict(zip(found.tolist(), counts.tolist()))


class Surroundings(NamedTuple):
    """What lies around the pixels of each value, over masks of three values or more.

    ``None`` stands for the rarest values of masks with more than :data:`MOST_KEPT`.

    Attributes:
        pixels (Counter): Pixels of each value.
        inside (Counter): Those whose eight neighbours have the same value.
        between (Counter): Those that have lower and higher neighbours; of colours, those
            between their neighbours in one channel and beyond them in none.
        steps (Counter): ``'number'`` of horizontal neighbours that differ, and their
            ``'sum'`` of differences.
    """
    pixels: Counter
    inside: Counter
    between: Counter
    steps: 'Counter[str]'


def nothing_seen() -> Surroundings:
    """The surroundings in no mask: all counts are empty."""
    return Surroundings(Counter(), Counter(), Counter(), Counter())


def look_around(values: np.ndarray, counts: dict[int, int], colours: bool) -> Surroundings:
    """The surroundings in one mask.

    Args:
        values (np.ndarray): (H, W) integers: values, or 0xRRGGBB of colours.
        counts (dict[int, int]): Pixels of each value that is counted by itself; under
            ``None`` those of all others, if there are any.
        colours (bool): Whether the values are colours.
    """
    if colours:
        planes = channels(values, True).astype(np.uint8)
    elif values.min() >= 0 and values.max() < 65536:
        planes = values.astype(np.uint16)
    else:  # exact up to 2^24
        planes = values.astype(np.float32)
    low, high = cv2.erode(planes, _SQUARE), cv2.dilate(planes, _SQUARE)
    border = _in_any_channel(low != high)
    pixels, low, high, around = planes[border], low[border], high[border], values[border]
    within = (low < pixels) & (pixels < high)
    within = within.any(1) if colours else within
    # No other channel may stand out. Testing that takes long, and matters only where many
    # pixels are within.
    if colours and within.sum() > _AT_BORDERS / 2 * within.size:
        low, high = (change(planes, _RING)[border].astype(np.int16)
                     for change in (cv2.erode, cv2.dilate))
        within &= ((low - _TOLERANCE <= pixels) & (pixels <= high + _TOLERANCE)).all(1)
    inside, at_border = Counter(counts), _count(around, counts)
    inside.subtract(at_border)
    changed = _in_any_channel(planes[:, 1:] != planes[:, :-1])
    left, right = (part[changed].astype(np.float32)
                   for part in (planes[:, :-1], planes[:, 1:]))
    return Surroundings(
        Counter(counts), +inside, _count(around[within], counts),
        Counter(number=len(left), sum=int(np.abs(left - right).sum(dtype=np.float64))))


def _in_any_channel(found: np.ndarray) -> np.ndarray:
    return found[..., 0] | found[..., 1] | found[..., 2] if found.ndim == 3 else found


def _count(values: np.ndarray, known: Mapping[int, int]) -> Counter:
    """How many pixels have each known value, and under ``None`` any other."""
    result: Counter = Counter()
    for value, count in count_values(values).items():
        result[value if value in known else None] += count
    return result


class Levels(NamedTuple):
    """Which values stand for classes, and which are blur.

    Attributes:
        kept (dict[int, int]): Pixels of each value that stands for a class.
        blurred (bool): Whether the other values are blur, so that their pixels take the
            nearest of those kept.
        note (str | None): What was taken for blur.
        fault (str | None): Why classes and blur cannot be told apart.
    """
    kept: dict[int, int]
    blurred: bool = False
    note: str | None = None
    fault: str | None = None


def find_levels(counts: dict[int, int], colours: bool, around: Surroundings,
                lossy: bool = False, blurred: bool = False,
                named: Sequence[int] = ()) -> Levels:
    """Tells values that stand for classes from blur.

    Args:
        counts (dict[int, int]): Pixels of each value, over all masks; ``None`` as in
            :class:`Surroundings`.
        colours (bool): Whether the values are 0xRRGGBB.
        around (Surroundings): Of all masks.
        lossy (bool): Whether most masks are JPEG. Defaults to False.
        blurred (bool): Whether the user says that they are blurred. Defaults to False:
            only what is proven counts.
        named (Sequence[int]): Values that a label map names. Of several values near one
            another the named one stands for the class. Defaults to none.
    """
    whole = {value: n for value, n in counts.items() if value is not None}
    levels, strays = _solid(counts, around, colours, lossy)
    few = len(counts) < 3 or (len(counts) == len(levels) and not lossy)
    if few and not blurred and not _is_smoothed(around, colours):
        return Levels(whole)
    binary = None if colours else _binary(counts, around)
    if binary:
        levels = binary
    proven = bool(binary) or _is_blur(levels, strays, counts, around, colours, lossy)
    if not proven and lossy and _are_apart(_frequent(whole, colours), whole, colours):
        proven, levels = True, _frequent(whole, colours)
    if not proven and blurred:
        levels = levels if len(levels) > 1 else _frequent(whole, colours)
    elif not proven:
        mixed = lossy and len(whole) > 2 and _gap(list(whole), colours) < NEAR
        soft = len(whole) > 3 and _is_smoothed(around, colours) or (
            len(whole) > 254 and sum(around.inside.values()) < 0.01 * sum(counts.values()))
        if None in counts or mixed or soft:
            return Levels(whole, fault=_unclear(whole, levels, None in counts, colours))
        return Levels(whole)
    if named:
        near = {level: _nearest(level, named, colours) for level in levels}
        levels = sorted({name if distance(level, name, colours) <= NEAR else level
                         for level, name in near.items()})
    if not blurred and lossy and _gap(levels, colours) < NEAR / 2:
        return Levels(whole, fault=_unclear(whole, levels, None in counts, colours))
    kept = {value: whole.get(value, 1) for value in levels}
    number = f'more than {len(whole)}' if None in counts else str(len(whole))
    shown = ', '.join(as_written(value, colours) for value in levels[:12])
    return Levels(kept, True, (
        f'there are {number} values, but all except {len(levels)} ({shown}'
        f'{", ..." if len(levels) > 12 else ""}) lie between these, at borders: JPEG or a '
        'smooth resize has blurred the masks. Each pixel takes the nearest. If a class is '
        'missing among them, save the masks again as PNG, without smoothing'))


def _solid(counts, around: Surroundings, colours: bool, lossy: bool
           ) -> tuple[list[int], list[int]]:
    """Values that have regions; and, separately, those that have them only because JPEG
    rounds."""
    regions = {}
    for value, n in counts.items():
        seen = around.pixels[value]
        # Masks of one or two values were left out of ``around``: nothing lies between two.
        inside = around.inside[value] + n - seen
        if value is not None and inside >= _INSIDE * n:
            regions[value] = inside
    found: list[int] = []
    strays: list[int] = []
    slack = 3 * 3 ** 0.5 if colours else 2
    for value in sorted(regions, key=lambda v: (-regions[v], v)):
        few = 0.001 if regions[value] < 0.5 * counts[value] else 0
        stray = any(distance(value, other, colours) <= (
            NEAR if counts[value] < few * counts[other] else slack)
            and (lossy or colours or counts[value] < 0.1 * counts[other])
            for other in found)
        (strays if stray else found).append(value)
    return sorted(found), strays


def _is_blur(levels, strays, counts, around: Surroundings, colours: bool,
             lossy: bool) -> bool:
    """Whether the values other than the levels have no regions and lie between them."""
    rest = list(set(counts) - {*levels, *strays})
    pixels, inside, between = (sum(part[value] for value in rest) for part in around[:3])
    if len(levels) < 2 or not pixels or inside > _STRAY * pixels or (
            pixels > _MOST_BLURRED * sum(counts.values())):
        return False
    border = sum(around.pixels.values()) - sum(around.inside.values())
    if (len(rest) >= 3 and between >= _BETWEEN * pixels
            and between >= _AT_BORDERS * border):
        return True
    return lossy and all(value is not None and distance(
        value, _nearest(value, levels, colours), colours) <= NEAR for value in rest)


def _are_apart(levels, counts, colours: bool) -> bool:
    """Whether levels are too far apart for JPEG to mix them up, with little between.

    It serves masks without any flat region, such as those of small things.
    """
    if len(levels) < 2 or _gap(levels, colours) < 2 * NEAR:
        return False
    near = sum(n for value, n in counts.items() if distance(
        value, _nearest(value, levels, colours), colours) <= NEAR)
    return near > 0.8 * sum(counts.values())


def _binary(counts, around: Surroundings) -> list[int] | None:
    """0 and 255, if all other values are what blur leaves between them; else None.

    An object that is thin everywhere, such as a vessel, has no region. Values just below
    255 tell such masks from labels 0, 1, 2, ... with 255 for ignored pixels.
    """
    if None in counts or min(counts) < 0 or max(counts) > 255 or len(counts) < 3:
        return None
    total = sum(counts.values())
    ends = counts.get(0, 0) + counts.get(255, 0)
    near = sum(n for v, n in counts.items() if v <= NEAR or v >= 255 - NEAR)
    if not (ends > 0.5 * total and near > 0.8 * total and 255 in counts
            and any(255 - NEAR <= v < 255 for v in counts)):
        return None
    rest = [v for v in counts if v not in (0, 255)]
    pixels, inside, between = (sum(part[v] for v in rest) for part in around[:3])
    middle = sum(counts[v] for v in rest if NEAR < v < 255 - NEAR)
    blur = between >= _BETWEEN * pixels or middle < 0.05 * pixels
    return [0, 255] if inside <= _STRAY * pixels and blur else None


def _is_smoothed(around: Surroundings, colours: bool) -> bool:
    """Whether values change gradually from pixel to pixel, as only resized labels do."""
    border = sum(around.pixels.values()) - sum(around.inside.values())
    if border <= 0 or sum(around.between.values()) < _AT_BORDERS * border:
        return False
    step = around.steps['sum'] / max(1, around.steps['number'])
    return step < _STEP * _mean_difference(around.pixels, colours)


def _mean_difference(pixels: Counter, colours: bool) -> float:
    """The mean difference of two pixels of different values, taken anywhere."""
    most = [(v, n) for v, n in pixels.most_common(2 * MOST_KEPT) if v is not None]
    values, counts = (np.array(part, np.float64) for part in zip(*most))
    share = counts / counts.sum()
    planes = channels(values.astype(np.int64), colours).astype(np.float64).T
    total = 0.
    for plane in planes:  # from the distribution, without going through all pairs
        levels, place = np.unique(plane, return_inverse=True)
        below = np.cumsum(np.bincount(place, share))[:-1]
        total += float((2 * below * (1 - below) * np.diff(levels)).sum())
    return total / max(1e-9, 1 - float((share ** 2).sum()))


def _frequent(counts: dict[int, int], colours: bool) -> list[int]:
    """Values of more than a few pixels, none near a more frequent one."""
    total = sum(counts.values())
    found: list[int] = []
    for value in sorted(counts, key=lambda v: (-counts[v], v)):
        if counts[value] <= 0.002 * total or len(found) > 254:
            break
        if all(distance(value, other, colours) > NEAR for other in found):
            found.append(value)
    return sorted(found)


def _gap(levels: Sequence[int], colours: bool) -> float:
    """The smallest distance between two levels; it is small where there are very many."""
    levels = sorted(levels)
    if len(levels) > 512:
        return 0
    if not colours:
        return min((b - a for a, b in zip(levels, levels[1:])), default=np.inf)
    return min((distance(a, b, True) for i, a in enumerate(levels) for b in levels[:i]),
               default=np.inf)


def _nearest(value: int, levels: Sequence[int], colours: bool) -> int:
    return min(levels, key=lambda level: (distance(value, level, colours), level))


def _unclear(counts, levels, more: bool, colours: bool) -> str:
    number = f'more than {len(counts)}' if more else str(len(counts))
    what = 'colours' if colours else 'values'
    ways = ('save the masks again as PNG, and resize them by nearest neighbour; or give '
            '--blurred to have each pixel take the nearest of the frequent ones')
    if len(counts) <= 255 and not more:
        ways += f'; or name them by --classes NAME ..., if these {number} are classes'
    return (f'the masks have {number} {what} which change gradually across borders, as JPEG '
            'or a smooth resize leaves them, and it cannot be told which of them are meant'
            + (f' (regions have {", ".join(as_written(v, colours) for v in levels[:12])}'
               f'{", ..." if len(levels) > 12 else ""})' if levels else '')
            + f': {ways}')
