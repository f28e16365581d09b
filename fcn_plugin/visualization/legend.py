"""Which colour is which class."""
from collections.abc import Mapping, Sequence

import numpy as np

from ..utils.errors import InputError
from .overlay import Palette, check_image
from .text import PAPER, Canvas, enlarge, line_height, shorten, text_size, text_width


def class_shares(labels: np.ndarray, num_classes: int) -> dict[int, float]:
    """The share of pixels of each class that is present.

    Args:
        labels (np.ndarray): Class indices, any shape. Values outside
            0 to ``num_classes`` - 1 (an ignored label) are not counted.
        num_classes (int): Number of classes.

    Returns:
        dict: Class index to its share of the counted pixels, 0 to 1, the
        largest first.
    """
    counted = labels[(labels >= 0) & (labels < num_classes)]
    counts = np.bincount(counted.ravel().astype(np.int64), minlength=num_classes)
    order = np.argsort(-counts, kind='stable')
    return {int(i): float(counts[i] / counted.size) for i in order if counts[i]}


def add_legend(picture: np.ndarray, class_names: Sequence[str], palette: Palette,
               present: Mapping[int, float] | Sequence[int],
               position: str = 'auto', size: int | None = None,
               background: int | None = None) -> np.ndarray:
    """Adds a legend of the classes present, beside a picture or below it.

    A tiny picture is enlarged by a whole factor first, so that the text, which
    follows the picture's size, stays readable.

    Args:
        picture (np.ndarray): RGB, (H, W, 3) uint8.
        class_names (Sequence[str]): Names of all classes.
        palette (Sequence): RGB of all classes, 0 to 255.
        present (Mapping or Sequence): Indices of the classes to list, in that
            order; a mapping gives each its share of the pixels, 0 to 1, which
            is shown in per cent. See :func:`class_shares`. With none present
            no legend is added.
        position (str): 'right', 'below' or 'auto': right of the picture where
            one column suffices. Defaults to 'auto'.
        size (int, optional): Text height in pixels. Follows the picture's size
            by default.
        background (int, optional): Class that is left uncoloured in the picture;
            its box is empty. Defaults to None.

    Returns:
        np.ndarray: RGB, (H', W', 3) uint8, the picture at the top left.
    """
    check_image(picture)
    if position not in ('auto', 'right', 'below'):
        raise InputError("position must be 'auto', 'right' or 'below', but is "
                         f'{position!r}')
    unknown = [i for i in present
               if not 0 <= i < min(len(class_names), len(palette))]
    if unknown:
        raise InputError(f'class {unknown[0]} is present, but there are '
                         f'{len(class_names)} names and {len(palette)} colours')
    picture, _ = enlarge(picture)
    if not len(present):
        return picture.copy()
    height, width = picture.shape[:2]
    size = size or text_size(height, width)
    rows = _Rows(class_names, palette, present, size, background)
    if position == 'auto':
        position = 'right' if rows.height(1) <= height and width < 2 * height else (
            'below')
    if position == 'right':
        columns = -(-len(present) // max(1, (height - size) // line_height(size)))
        canvas = Canvas(max(height, rows.height(columns)),
                        width + rows.width * columns + size)
        rows.draw(canvas, 0, width, columns)
    else:
        columns = min(len(present), max(1, (width - size) // rows.width))
        canvas = Canvas(height + rows.height(columns),
                        max(width, rows.width * columns + size))
        rows.draw(canvas, height, 0, columns)
    canvas.picture(picture, 0, 0)
    return canvas.array()


class _Rows:
    """A legend's entries in columns: a box, a name, a share."""

    def __init__(self, class_names, palette, present, size: int,
                 background: int | None) -> None:
        self.size = size
        shares = present if isinstance(present, Mapping) else {}
        # Long names are cut: one of 200 letters would push the picture off the screen.
        self.entries = [(PAPER if i == background else palette[i],
                         shorten(str(class_names[i]), size, 18 * size),
                         _per_cent(shares.get(i))) for i in present]
        name_width = max(text_width(name, size) for _, name, _ in self.entries)
        share_width = max(text_width(share, size) for _, _, share in self.entries)
        if share_width:
            share_width += size
        #: width of one column with the gap before it, in pixels
        self.width = round(2.9 * size) + name_width + share_width

    def height(self, columns: int) -> int:
        """Height of the block in pixels, with half a line above and below."""
        return -(-len(self.entries) // columns) * line_height(self.size) + self.size

    def draw(self, canvas: Canvas, top: int, left: int, columns: int) -> None:
        in_column = -(-len(self.entries) // columns)
        for i, (colour, name, share) in enumerate(self.entries):
            x = left + i // in_column * self.width + round(1.5 * self.size)
            y = top + i % in_column * line_height(self.size) + self.size // 2
            box = round(0.9 * self.size)
            canvas.box(y + (line_height(self.size) - box) // 2, x, box, colour)
            canvas.text(name, y, x + round(1.4 * self.size), self.size)
            canvas.text(share, y, left + (i // in_column + 1) * self.width, self.size,
                        anchor='r')


def _per_cent(share: float | None) -> str:
    if share is None:
        return ''
    return '<0.1 %' if 0 < share < 0.0005 else f'{100 * share:.1f} %'


def merge_shares(shares: Sequence[Mapping[int, float]]) -> list[int]:
    """The classes present in any of several images, in order of their index."""
    return sorted({index for share in shares for index in share})
