"""From labels to polygons: what a network proposes, for a labelling tool."""
from collections.abc import Sequence

import cv2
import numpy as np

from ..annotations.drawing import pixels_of
from ..annotations.regions import Annotated, Bitmap, Region

#: How many pixels the default tolerance leaves as they are, of all.
KEPT = 0.99
#: How many of a region's it may change: a crack is a small part of the pixels of an image.
CHANGED = 0.1
_TOLERANCES = (1.0, 0.75, 0.5, 0.25, 0.0)


def proposed(image: Annotated, labels: np.ndarray, classes: Sequence[str],
             background: int | None = None, scores: np.ndarray | None = None,
             tolerance: float | None = None, min_area: int = 0) -> Annotated:
    """The regions of a prediction, one for each connected area (8 neighbours) of a class.

    Args:
        image (Annotated): The image, without regions.
        labels (np.ndarray): (H, W) class indices.
        classes (Sequence[str]): Names of all classes.
        background (int, optional): The class of pixels in no region. Defaults to None.
        scores (np.ndarray, optional): Probabilities, (C, H, W), for the regions' scores.
        tolerance (float, optional): How far, in pixels, a corner that is left out may lie
            from the outline. Defaults to None: 1, or as much less as it takes for
            :data:`KEPT` of the pixels to stay as they are, and for each region to change
            by no more than :data:`CHANGED` of its own.
        min_area (int): Areas, and holes, of fewer pixels are left out. Defaults to 0.

    Returns:
        Annotated: With regions of one outline each, perhaps with holes.
    """
    exact: list[Region] = []
    for index in np.unique(labels).tolist():
        if index != background:
            exact += _areas(labels == index, classes[index],
                            None if scores is None else scores[index], min_area)
    if tolerance is not None:
        return image._replace(regions=tuple(_simpler(r, tolerance) for r in exact))
    found = [(region, Bitmap(np.zeros((0, 0), bool)), np.inf) for region in exact]
    for first, most in enumerate(_TOLERANCES):
        changed = np.zeros(labels.shape, bool)
        for place, region in enumerate(exact):
            if found[place][2] > most:
                found[place] = _close(region, _TOLERANCES[first:], labels.shape)
            pixels, left, top = found[place][1]
            changed[top:top + pixels.shape[0], left:left + pixels.shape[1]] |= pixels
        if changed.mean() <= 1 - KEPT:
            break
    return image._replace(regions=tuple(region for region, *_ in found))


def _simpler(region: Region, tolerance: float) -> Region:
    return region._replace(outlines=tuple(simplified(p, tolerance) for p in region.outlines),
                           holes=tuple(simplified(p, tolerance) for p in region.holes))


def _close(region: Region, tolerances: Sequence[float], size: tuple[int, ...]
           ) -> tuple[Region, Bitmap, float]:
    """A region by the first tolerance that leaves most of it, what that changes, and it."""
    most = CHANGED * pixels_of(region, *size).pixels.sum()
    for tolerance in tolerances:
        simpler = _simpler(region, tolerance)
        # By the even-odd rule a path around both of them is around what differs.
        start = region.outlines[0][:1]
        path = np.concatenate([part for one in (region, simpler) for ring in (
            *one.outlines, *one.holes) for part in (ring, ring[:1], start)])
        changed = pixels_of(Region(region.name, (path, )), *size)
        if changed.pixels.sum() <= most:
            break
    return simpler, changed, tolerance


def _areas(mask: np.ndarray, name: str, scores: np.ndarray | None, min_area: int
           ) -> list[Region]:
    _, areas, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8),
                                                          connectivity=8)
    means = None if scores is None else np.bincount(
        areas.ravel(), scores.ravel()) / stats[:, cv2.CC_STAT_AREA].clip(1)  # of none: 0
    # Every pixel as four: outlines of these run a quarter of a pixel inside the border, and
    # so around the centres of the pixels that they are of.
    fine = mask.astype(np.uint8).repeat(2, 0).repeat(2, 1)
    contours, tree = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for contour, (_, _, child, parent) in zip(contours, tree[0]):
        x, y = contour[0, 0] // 2
        area = int(areas[y, x])
        if parent >= 0 or stats[area, cv2.CC_STAT_AREA] < min_area:
            continue
        holes = []
        while child >= 0:
            hole = _corners(contours[child])
            inner = pixels_of(Region(name, (hole, )), *mask.shape).pixels
            if inner.sum() >= min_area:
                holes.append(hole)
            child = tree[0][child][0]
        found.append(Region(name, (_corners(contour), ), tuple(holes),
                            score=None if means is None else float(means[area])))
    return found


def _corners(contour: np.ndarray) -> np.ndarray:
    return (contour[:, 0].astype(np.float64) + 0.5) / 2


def simplified(points: np.ndarray, tolerance: float) -> np.ndarray:
    """A polygon without the corners that lie less than ``tolerance`` pixels off, by the
    method of Douglas and Peucker; as it is where fewer than three would be left.

    Args:
        points (np.ndarray): (N, 2).
        tolerance (float): In pixels.

    Returns:
        np.ndarray: (M, 2), M at least 3.
    """
    fewer = cv2.approxPolyDP(points.astype(np.float32)[:, None], tolerance, True)[:, 0]
    return fewer.astype(np.float64) if len(fewer) > 2 else points
