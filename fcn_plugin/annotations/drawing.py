"""From regions to pixels."""
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from .regions import Annotated, Bitmap, Region

#: Of pixels that are in no region, and of those that do not count.
OUTSIDE, IGNORED = 0, 255


def inside(outline: np.ndarray, height: int, width: int) -> np.ndarray:
    """The pixels whose centres lie inside a polygon, by the even-odd rule.

    A centre on the left or upper border is inside, one on the right or lower is not: pixels
    between two polygons with a common side belong to one of them.

    Args:
        outline (np.ndarray): (N, 2) of x and y; it may leave the image.
        height, width (int): Of the image.

    Returns:
        np.ndarray: (height, width) bool.
    """
    x, y = outline.T
    next_x, next_y = np.roll(x, -1), np.roll(y, -1)
    # The rows whose centre lines cross each side.
    first, last = (np.clip(np.ceil(side(y, next_y) - 0.5), 0, height).astype(np.int64)
                   for side in (np.minimum, np.maximum))
    count = last - first
    side = np.repeat(np.arange(len(x)), count)
    row = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count) + first[side]
    share = (row + 0.5 - y[side]) / (next_y - y)[side]
    crossing = x[side] + share * (next_x - x)[side]
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    flips = np.bincount(row * (width + 1) + column, minlength=height * (width + 1))
    return (flips.reshape(height, width + 1)[:, :width].cumsum(1) % 2).astype(bool)


def pixels_of(region: Region, height: int, width: int) -> Bitmap:
    """The pixels of a region that lie in the image.

    Args:
        region (Region): With coordinates in pixels.
        height, width (int): Of the image.
    """
    if region.bitmap is not None:
        pixels, left, top = region.bitmap
        pixels = pixels[max(0, -top):max(0, height - top), max(0, -left):max(0, width - left)]
        return Bitmap(pixels, max(0, left), max(0, top))
    points = np.concatenate(region.outlines)
    left, top = (int(v) for v in np.clip(np.floor(points.min(0)), 0, (width, height)))
    right, bottom = (int(v) for v in np.clip(np.ceil(points.max(0)) + region.through_pixels,
                                             0, (width, height)))
    size = max(0, bottom - top), max(0, right - left)
    if region.through_pixels:
        return Bitmap(_through_pixels(region, left, top, size), left, top)
    found = np.zeros(size, bool)
    for outline in region.outlines:
        found |= inside(outline - (left, top), *size)
    for hole in region.holes:
        found &= ~inside(hole - (left, top), *size)
    return Bitmap(found, left, top)


def _through_pixels(region: Region, left: int, top: int, size: tuple[int, int]) -> np.ndarray:
    """As OpenCV draws polygons, and with it Supervisely's library."""
    found = np.zeros(size, np.uint8)
    for rings, value in ((region.outlines, 1), (region.holes, 0)):
        for ring in rings if found.size else ():
            cv2.fillPoly(found, [(ring - (left, top)).astype(np.int32)], value)
    return found > 0


def scaled(region: Region, height: float, width: float) -> Region:
    """A region whose x are multiplied by ``width`` and y by ``height``, as shares of the
    sides are to be pixels."""
    return region._replace(outlines=tuple(p * (width, height) for p in region.outlines),
                           holes=tuple(p * (width, height) for p in region.holes))


def draw(image: Annotated, size: tuple[int, int], values: Mapping[str, int]
         ) -> tuple[np.ndarray, list[str]]:
    """Draws the regions of an image.

    Args:
        image (Annotated): Its regions lie over one another by ``order``, else as they come;
            with ``by_area`` smaller ones over larger ones, and all over what does not count.
        size (tuple[int, int]): (H, W).
        values (Mapping[str, int]): Of each class, 1 to 254; other names do not count.

    Returns:
        tuple: (H, W) uint8, with :data:`OUTSIDE` and :data:`IGNORED`; and the names of
        regions that lie outside of the image.
    """
    labels = np.full(size, OUTSIDE, np.uint8)
    regions: Sequence[Region] = image.regions
    if image.shares:
        regions = [scaled(region, *size) for region in regions]
    drawn = [(region, pixels_of(region, *size)) for region in regions]
    if image.by_area:
        drawn.sort(key=lambda pair: (pair[0].counts, -int(pair[1].pixels.sum())))
    else:
        drawn.sort(key=lambda pair: pair[0].order)
    for region, (pixels, left, top) in drawn:
        height, width = pixels.shape
        value = values.get(region.name, IGNORED) if region.counts else IGNORED
        labels[top:top + height, left:left + width][pixels] = value
    return labels, [region.name for region, (pixels, *_) in drawn if not pixels.size]
