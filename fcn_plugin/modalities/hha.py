"""Depth as three channels: disparity, height above the ground, angle with gravity (HHA).

The definition is that of Gupta et al., Learning Rich Features from RGB-D Images for Object
Detection and Segmentation, ECCV 2014, with the constants of the code that they published.
"""
from typing import NamedTuple

import cv2
import numpy as np

from ..utils.errors import InputError

DISPARITY = 31000
"""The first channel is this by the depth in centimetres, which 8 bits hold from 122 on."""
RADII = 3, 10
"""Half sides of the windows that normals come from: of the angles, and of gravity."""
THRESHOLDS = 45, 15
"""Degrees by which a normal may differ from parallel or at right angles to gravity; each
serves five rounds."""
GROUND, LOWEST = 130, 90
"""The camera's height in centimetres where nothing is seen lower than ``LOWEST`` below."""


class Camera(NamedTuple):
    """A pinhole camera, in pixels; (0, 0) is the centre of the first pixel."""
    fx: float
    fy: float
    cx: float
    cy: float


NYU_CAMERA = Camera(518.857901, 519.469611, 324.582449, 252.736166)
"""Of NYUDv2's colour images of 640x480, to which its depth is aligned."""


def depth_to_hha(depth: np.ndarray, camera: Camera,
                 missing: np.ndarray | None = None) -> np.ndarray:
    """Depth to disparity, height above the ground and angle with gravity.

    Gravity is estimated from the image itself, beginning with the image's own downward
    direction. A floor has the angle 0, a wall 90 and a ceiling 180 degrees.

    Args:
        depth (np.ndarray): (H, W), metres, above 0.
        camera (Camera): What took it.
        missing (np.ndarray, optional): (H, W) bool, where depth is not measured but filled
            in: such pixels take no part in normals. Defaults to None: nowhere.

    Returns:
        np.ndarray: (H, W, 3) uint8: 31000 by the depth in centimetres; the height in
        centimetres; 38 and the angle in degrees, 180 where there is no normal, as in the
        published images. Beyond 0 to 255 they are cut off.

    Raises:
        ValueError: If a depth is not above 0.
    """
    if depth.ndim != 2 or not (depth > 0).all() or not np.isfinite(depth).all():
        raise InputError(f'depth of shape {depth.shape} from {depth.min():g} to '
                         f'{depth.max():g}, expected (H, W) in metres, above 0 throughout: '
                         'fill holes before, and say where by missing')
    z = 100. * depth
    height, width = depth.shape
    x = np.broadcast_to((np.arange(width) - camera.cx) / camera.fx, z.shape)
    y = np.broadcast_to(((np.arange(height) - camera.cy) / camera.fy)[:, None], z.shape)
    rays = np.stack([x, y, np.ones_like(z)], -1)
    known = np.ones(z.shape, bool) if missing is None else ~missing
    fine, coarse = (normals(z, rays, known, radius) for radius in RADII)
    down = gravity(coarse)
    cosine = np.where(fine.any(-1), fine @ down, -1)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    above = -z * (rays @ down)
    lowest = above.min()
    channels = (DISPARITY / z, above - (lowest if lowest <= -LOWEST else -GROUND),
                angle + 128 - 90)
    return np.clip(np.rint(np.stack(channels, -1)), 0, 255).astype(np.uint8)


def normals(z: np.ndarray, rays: np.ndarray, known: np.ndarray, radius: int) -> np.ndarray:
    """The normals of the planes that fit best around each pixel.

    A plane n . P = 1 makes 1 / z linear in the rays: n . (P / z) = 1 / z. So on planes
    the fit is exact.

    Args:
        z (np.ndarray): (H, W), the depth.
        rays (np.ndarray): (H, W, 3), points by their depth.
        known (np.ndarray): (H, W) bool, which pixels count.
        radius (int): The window has ``2 * radius + 1`` pixels a side.

    Returns:
        np.ndarray: (H, W, 3), of length 1, away from the camera; 0 where too few pixels are
        known.
    """
    def total(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(np.where(known, values, 0.), cv2.CV_64F,
                             (2 * radius + 1, ) * 2, normalize=False,
                             borderType=cv2.BORDER_CONSTANT)

    rows = [np.stack([total(rays[..., i] * rays[..., j]) for j in range(3)], -1)
            for i in range(3)]
    target = [total(rays[..., i] / z)[..., None] for i in range(3)]
    # Cramer's rule; the determinant only scales.
    found = sum(np.cross(rows[(i + 1) % 3], rows[(i + 2) % 3]) * target[i] for i in range(3))
    length = np.linalg.norm(found, axis=-1, keepdims=True)
    enough = (total(np.ones_like(z)) >= 3)[..., None] & (length > 0)
    found = np.where(enough, found / np.where(enough, length, 1), 0)
    return found * np.where((found * rays).sum(-1, keepdims=True) < 0, -1, 1)


def gravity(found: np.ndarray) -> np.ndarray:
    """The direction downwards, to which most surfaces are parallel or at right angles.

    Args:
        found (np.ndarray): (H, W, 3), from :func:`normals`.

    Returns:
        np.ndarray: (3, ), of length 1.
    """
    found = found[(found != 0).any(-1)]
    down = np.array([0., 1., 0.])
    for threshold in THRESHOLDS:
        for _ in range(5):
            cosine = np.abs(found @ down)
            floors = found[cosine > np.cos(np.radians(threshold))]
            walls = found[cosine < np.sin(np.radians(threshold))]
            if not len(floors) + len(walls):
                break
            # Least cosine with walls, most with floors: the smallest eigenvalue's vector.
            # Of one wall alone there are many; then the one closest to the last direction.
            values, vectors = np.linalg.eigh(walls.T @ walls - floors.T @ floors)
            vectors = vectors[:, values - values[0] <= 1e-9 * np.abs(values).max()]
            closest = vectors @ (vectors.T @ down)
            length = np.linalg.norm(closest)
            down = closest / length if length > 1e-9 else vectors[:, 0]
    return down
