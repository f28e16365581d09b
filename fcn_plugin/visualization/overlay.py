"""Labels in colour over an image."""
from collections.abc import Sequence

import cv2
import numpy as np

from ..utils.errors import InputError

Palette = Sequence[Sequence[int]]
_BAND = 2**22  # pixels that are painted at a time


def default_palette(num_classes: int) -> np.ndarray:
    """Distinct colours for any number of classes, in Pascal VOC's scheme.

    The bits of a class index, lowest first, go to red, green and blue in turn, and
    fill each colour from its highest bit down.

    Args:
        num_classes (int): How many colours.

    Returns:
        np.ndarray: RGB, (num_classes, 3) uint8; the first is black.
    """
    index = np.arange(num_classes)
    colours = np.zeros((num_classes, 3), np.uint8)
    for level in range(8):
        for channel in range(3):
            bit = (index >> (3 * level + channel)) & 1
            colours[:, channel] |= (bit << (7 - level)).astype(np.uint8)
    return colours


def check_image(image: np.ndarray) -> None:
    """Raises ValueError unless ``image`` is (H, W, 3) uint8."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InputError('expected an RGB image, (H, W, 3) uint8, but got '
                         f'{image.shape} {image.dtype}')


def check_labels(labels: np.ndarray, shape: Sequence[int]) -> None:
    """Raises ValueError unless ``labels`` are integers of that (H, W)."""
    if labels.dtype.kind not in 'iub' or labels.shape != tuple(shape):
        raise InputError(f'expected integer labels of shape {tuple(shape)}, but got '
                         f'{labels.shape} {labels.dtype}')


def colour_labels(labels: np.ndarray, palette: Palette, ignore_index: int = 255,
                  ignore_colour: Sequence[int] = (255, 255, 255)) -> np.ndarray:
    """Paints every label in its class's colour.

    Args:
        labels (np.ndarray): Class indices, (H, W).
        palette (Sequence): RGB of each class, 0 to 255.
        ignore_index (int): Label that is no class. Defaults to 255.
        ignore_colour (Sequence[int]): Its RGB. Defaults to white.

    Returns:
        np.ndarray: RGB, (H, W, 3) uint8.
    """
    table = np.asarray(palette, np.uint8).reshape(-1, 3)
    ignored = labels == ignore_index
    inside = (labels >= 0) & (labels < len(table))
    if not (inside | ignored).all():
        value = labels[~(inside | ignored)].flat[0]
        raise InputError(f'label {value} has no colour: the palette has {len(table)} '
                         f'and {ignore_index} is ignored')
    colours = table[np.where(ignored, 0, labels)]
    colours[ignored] = ignore_colour
    return colours


def overlay(image: np.ndarray, labels: np.ndarray, palette: Palette,
            alpha: float = 0.5, outlines: bool = True, ignore_index: int = 255,
            background: int | None = None) -> np.ndarray:
    """Blends class colours over an image and outlines the regions.

    Each region gets a thin line in its own full colour just inside its border, and
    beside that a thinner edge, black or white, whichever contrasts with the colour.
    One of the two shows on any image.

    Args:
        image (np.ndarray): RGB, (H, W, 3) uint8.
        labels (np.ndarray): Class indices, (H, W) integers.
        palette (Sequence): RGB of each class, 0 to 255.
        alpha (float): Weight of the colours, 0 (the image alone) to 1.
            Outlines are drawn at any weight. Defaults to 0.5.
        outlines (bool): Whether to draw them. Defaults to True.
        ignore_index (int): Label whose pixels stay as they are. Defaults to 255.
        background (int, optional): Class whose pixels stay as they are too, so
            that it does not darken the picture. Defaults to None.

    Returns:
        np.ndarray: RGB, (H, W, 3) uint8, a new array.
    """
    check_image(image)
    check_labels(labels, image.shape[:2])
    if not 0 <= alpha <= 1:
        raise InputError(f'alpha must be between 0 and 1, but is {alpha}')
    picture = image.copy()
    height, width = labels.shape
    line = max(1, round(min(height, width) / 250))
    edge = max(1, line // 2)
    # In bands, since painting takes forty bytes a pixel. Each band also reads the rows
    # around it on which its outlines depend.
    rows, reach = max(1, _BAND // width), line + edge
    for top in range(0, height, rows):
        first, bottom = max(0, top - reach), min(height, top + rows)
        band = slice(first, bottom + reach)
        colours = colour_labels(labels[band], palette, ignore_index)
        painted = labels[band] != ignore_index
        if background is not None:
            painted &= labels[band] != background
        part = image[band].copy()
        if alpha:
            mixed = cv2.addWeighted(part, 1 - alpha, colours, alpha, 0)
            part[painted] = mixed[painted]
        if outlines:
            _draw_outlines(part, labels[band], painted, colours, palette, line, edge)
        picture[top:bottom] = part[top - first:bottom - first]
    return picture


def _draw_outlines(picture: np.ndarray, labels: np.ndarray, painted: np.ndarray,
                   colours: np.ndarray, palette: Palette, line: int, edge: int) -> None:
    """Draws outlines into ``picture``: lines and edges of these widths in pixels."""
    # Unpainted pixels count as one last class. Between two regions the edge lies in the
    # one of the higher class, so beside the image it never lies inside the region.
    last = len(palette)
    key = np.where(painted, labels.astype(np.float32), np.float32(last))
    first_near = cv2.erode(key, _square(edge)).astype(np.int64)
    contrast = first_near < key
    near_edge = cv2.dilate(contrast.astype(np.uint8), _square(line)) > 0
    inner = near_edge & painted & ~contrast
    picture[inner] = colours[inner]
    luminance = np.asarray(palette, np.float32).reshape(-1, 3) @ (0.299, 0.587, 0.114)
    edge_value = np.where(luminance < 110, 255, 0).astype(np.uint8)
    picture[contrast] = edge_value[first_near[contrast]][:, None]


def _square(radius: int) -> np.ndarray:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
