"""From labels to polygons: what a network proposes, for a labelling tool."""
from collections.abc import Sequence

import cv2
import numpy as np

from ..annotations.drawing import draw, pixels_of
from ..annotations.regions import Annotated, Region

#: How many pixels the default tolerance leaves as they are, of all.
KEPT = 0.99
_TOLERANCES = (1.0, 0.75, 0.5, 0.25)


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
            :data:`KEPT` of the pixels to stay as they are.
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
        return _simpler(image, exact, tolerance)
    values = {name: i for i, name in enumerate(dict.fromkeys(r.name for r in exact), 1)}
    full = image._replace(regions=tuple(exact))
    wanted, _ = draw(full, labels.shape, values)
    for tolerance in _TOLERANCES:
        found = _simpler(image, exact, tolerance)
        if (draw(found, labels.shape, values)[0] == wanted).mean() >= KEPT:
            return found
    return full


def _simpler(image: Annotated, regions: Sequence[Region], tolerance: float) -> Annotated:
    return image._replace(regions=tuple(region._replace(
        outlines=tuple(simplified(p, tolerance) for p in region.outlines),
        holes=tuple(simplified(p, tolerance) for p in region.holes)) for region in regions))


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
