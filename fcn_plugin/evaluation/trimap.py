"""How far pixels lie from the boundaries of the truth."""
import cv2
import numpy as np

from ..utils.errors import InputError


def boundary_distance(truth: np.ndarray, ignore_index: int = 255) -> np.ndarray:
    """The distance of every pixel to the nearest boundary of the truth.

    A pixel is on a boundary if one of its four neighbours has another label. The
    ignored label is a label among the others here: where a data set paints a band
    of it over its boundaries, as VOC does, the distance is measured from that
    band's rims. The edge of the image is no boundary.

    Distances are those between the centres of pixels, so they are 0 on the
    boundary itself, on both sides of it, and the band of ``width`` pixels on each
    side is ``boundary_distance(truth) < width``.

    Args:
        truth (np.ndarray): Integer labels (H, W).
        ignore_index (int): Label of pixels that do not count. Defaults to 255.

    Returns:
        np.ndarray: float32 (H, W), Euclidean, in pixels; infinite at ignored
        pixels, which are in no band, and everywhere where there is no boundary.
    """
    if truth.ndim != 2:
        raise InputError(f'the truth has the shape {truth.shape}, expected (H, W)')
    on_boundary = np.zeros(truth.shape, bool)
    across, down = truth[:, 1:] != truth[:, :-1], truth[1:] != truth[:-1]
    on_boundary[:, 1:] |= across
    on_boundary[:, :-1] |= across
    on_boundary[1:] |= down
    on_boundary[:-1] |= down
    if not on_boundary.any():  # what OpenCV answers then is some large number
        return np.full(truth.shape, np.inf, np.float32)
    distance = cv2.distanceTransform((~on_boundary).astype(np.uint8), cv2.DIST_L2,
                                     cv2.DIST_MASK_PRECISE)
    distance[truth == ignore_index] = np.inf
    return distance
