"""Where a class is likely."""
import cv2
import numpy as np

from ..utils.errors import InputError
from .overlay import check_image
from .text import Canvas, enlarge, line_height, shorten, text_size, text_width


def heatmap(scores: np.ndarray, image: np.ndarray, alpha: float = 0.6,
            colormap: str = 'viridis', colour_bar: bool = True,
            title: str = '') -> np.ndarray:
    """Shows one class's probability over the image in grey.

    Args:
        scores (np.ndarray): Probabilities, (H, W), 0 to 1.
        image (np.ndarray): RGB, (H, W, 3) uint8.
        alpha (float): Weight of the colours, 0 to 1. Defaults to 0.6.
        colormap (str): A matplotlib colour map, best a perceptual one: 'viridis',
            'magma' or 'cividis'. Defaults to 'viridis'.
        colour_bar (bool): Whether to add a bar from 0 to 1 at the right; a tiny
            image is enlarged then. Defaults to True.
        title (str): A line above the picture. Defaults to none.

    Returns:
        np.ndarray: RGB uint8; (H, W, 3) without bar and title.
    """
    check_image(image)
    if scores.shape != image.shape[:2]:
        raise InputError(f'scores of shape {scores.shape} do not fit an image of '
                         f'{image.shape[:2]}')
    if not 0 <= alpha <= 1:
        raise InputError(f'alpha must be between 0 and 1, but is {alpha}')
    if not (np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1):
        raise InputError('scores must be probabilities between 0 and 1, but reach from '
                         f'{scores.min()} to {scores.max()}')
    import matplotlib  # a tenth of a second, which only heat maps need
    table = matplotlib.colormaps[colormap](np.arange(256), bytes=True)[:, :3]
    levels = np.rint(scores * 255).astype(np.uint8)
    if colour_bar or title:
        image, levels = enlarge(image, levels)
    # In grey without black and white, so that the colours alone show the score.
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    grey = np.repeat((40 + grey * (175 / 255)).astype(np.uint8)[..., None], 3, axis=2)
    picture = cv2.addWeighted(grey, 1 - alpha, table[levels], alpha, 0)
    if not (colour_bar or title):
        return picture

    height, width = picture.shape[:2]
    size = text_size(height, width)
    top = line_height(size) if title else 0
    bar = round(5 * size) if colour_bar else 0
    # The ends of the bar are labelled, which needs room even beside a flat image.
    body = max(height, 3 * line_height(size)) if colour_bar else height
    canvas = Canvas(top + body, max(width + bar, min(
        text_width(title, size) + size, 30 * size)))
    canvas.picture(picture, top, 0)
    if title:
        canvas.text(shorten(title, size, 29 * size), 0, size // 2, size)
    if colour_bar:
        pad = line_height(size) // 2
        ramp = np.linspace(255, 0, body - 2 * pad).round().astype(np.uint8)
        canvas.picture(np.repeat(table[ramp][:, None], size, axis=1), top + pad,
                       width + size)
        for value in (1.0, 0.5, 0.0):
            canvas.text(f'{value:.1f}', top + round((1 - value) * (body - 2 * pad)),
                        width + round(2.5 * size), size)
    return canvas.array()
