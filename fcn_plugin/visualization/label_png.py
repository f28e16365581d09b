"""Label maps as files that other programs read."""
from pathlib import Path

import numpy as np
from PIL import Image

from ..utils.errors import InputError
from .overlay import Palette, default_palette

#: VOC's, of pixels that do not count: borders of objects, and what is too hard.
BORDER_COLOUR = (224, 224, 192)


def palette_table(palette: Palette) -> np.ndarray:
    """The colours of labels up to 255, RGB (256, 3) uint8: the palette's, Pascal VOC's beyond
    it, and that of borders for 255."""
    table = default_palette(256)
    table[255] = BORDER_COLOUR
    table[:len(palette)] = np.asarray(palette, np.uint8).reshape(-1, 3)
    return table


def save_label_png(path: str | Path, labels: np.ndarray,
                   palette: Palette) -> None:
    """Writes labels as a PNG whose pixel values are the class indices.

    Up to 255 classes it is a palette image of 8 bits, coloured in any viewer, as
    in Pascal VOC; index 255 is left for ignored pixels. Above that it is a plain
    image of 16 bits, without colours.

    Args:
        path (str or Path): The file.
        labels (np.ndarray): Class indices, (H, W) integers, 0 to 65535.
        palette (Sequence): RGB of each class, 0 to 255.
    """
    if labels.ndim != 2 or labels.dtype.kind not in 'iu':
        raise InputError('expected integer labels of shape (H, W), but got '
                         f'{labels.shape} {labels.dtype}')
    if labels.size and not 0 <= labels.min() <= labels.max() <= 65535:
        raise InputError('labels must lie within 0 to 65535, but reach from '
                         f'{labels.min()} to {labels.max()}')
    if len(palette) > 255 or (labels.size and labels.max() > 255):
        Image.fromarray(labels.astype(np.uint16)).save(path)
        return
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(palette_table(palette).ravel().tolist())
    picture.save(path)
