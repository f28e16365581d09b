"""Text and its size, so that a picture is readable at any size of the image."""
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAPER = (255, 255, 255)
INK = (24, 24, 24)
_READABLE = 384  # pixels of a longer side beside which text reads


@lru_cache(maxsize=32)
def font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, as matplotlib ships it, in ``size`` pixels."""
    # found without importing matplotlib, which takes a tenth of a second
    data = Path(find_spec('matplotlib').origin).parent / 'mpl-data'
    if not data.is_dir():  # a distribution has put it elsewhere
        import matplotlib
        data = Path(matplotlib.get_data_path())
    file = data / 'fonts' / 'ttf' / 'DejaVuSans.ttf'
    return ImageFont.truetype(str(file), size)


def text_size(height: int, width: int) -> int:
    """Text height in pixels that reads well on a picture of that size."""
    return max(12, round(0.032 * (height * width)**0.5))


def text_width(text: str, size: int) -> int:
    """Width of ``text`` in pixels at text height ``size``."""
    return int(np.ceil(font(size).getlength(text)))


def shorten(text: str, size: int, width: int) -> str:
    """``text`` if it fits ``width`` pixels, else as much of its beginning as does, and '…'."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + '…', size) > width:
        text = text[:-1]
    return text.rstrip() + '…'


def line_height(size: int) -> int:
    """Distance between lines of text of height ``size``, in pixels."""
    return round(1.6 * size)


class Canvas:
    """White paper with pictures and text on it.

    Args:
        height (int): In pixels.
        width (int): In pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self._paper = Image.new('RGB', (width, height), PAPER)
        self._draw = ImageDraw.Draw(self._paper)

    def picture(self, picture: np.ndarray, top: int, left: int) -> None:
        """Pastes an RGB picture, (H, W, 3) uint8."""
        self._paper.paste(Image.fromarray(picture), (left, top))

    def text(self, text: str, top: int, left: int, size: int, anchor: str = 'l') -> None:
        """Writes one line whose middle is half a line below ``top``.

        Args:
            text (str): The line.
            top (int): Upper edge of the line, of :func:`line_height`.
            left (int): Where it starts, or its middle or end by ``anchor``.
            size (int): Text height in pixels.
            anchor (str): 'l', 'm' or 'r'. Defaults to 'l'.
        """
        middle = top + line_height(size) / 2
        self._draw.text((left, middle), text, fill=INK, font=font(size),
                        anchor=anchor + 'm')

    def box(self, top: int, left: int, side: int, colour) -> None:
        """A filled square with a thin grey edge, so that white shows too."""
        self._draw.rectangle((left, top, left + side, top + side),
                             fill=tuple(int(c) for c in colour),
                             outline=(110, 110, 110), width=max(1, side // 14))

    def array(self) -> np.ndarray:
        """The canvas as (H, W, 3) uint8."""
        return np.asarray(self._paper).copy()


def enlarge(image: np.ndarray, labels: np.ndarray | None = None
            ) -> tuple[np.ndarray, np.ndarray | None]:
    """Enlarges tiny images by a whole factor, so that text beside them reads.

    It brings the longer side to about 384 pixels; images whose longer side has two thirds of
    these stay as they are.

    Args:
        image (np.ndarray): RGB, (H, W, 3) uint8.
        labels (np.ndarray, optional): (H, W); enlarged by repetition.

    Returns:
        tuple: Image and labels (or None), both of the same new size.
    """
    height, width = image.shape[:2]
    factor = max(1, round(_READABLE / max(height, width)))
    if factor == 1:
        return image, labels
    image = cv2.resize(image, (width * factor, height * factor),
                       interpolation=cv2.INTER_CUBIC)
    if labels is not None:
        labels = labels.repeat(factor, axis=0).repeat(factor, axis=1)
    return image, labels


def resize_labels(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Nearest-neighbour resize of any 2-D array, pixel centres aligned."""
    if labels.shape == (height, width):
        return labels
    rows = ((np.arange(height) + 0.5) * labels.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * labels.shape[1] / width).astype(np.int64)
    return labels[rows[:, None], columns[None, :]]
