"""Image, truth, prediction and errors side by side."""
from collections.abc import Sequence

import cv2
import numpy as np

from ..utils.errors import InputError
from .legend import add_legend
from .overlay import Palette, check_image, check_labels, overlay
from .text import Canvas, enlarge, line_height, shorten, text_size

CORRECT = (96, 96, 96)
WRONG = (230, 25, 35)
IGNORED = (255, 255, 255)


def error_map(prediction: np.ndarray, truth: np.ndarray, ignore_index: int = 255,
              image: np.ndarray | None = None) -> np.ndarray:
    """Wrong pixels in red, correct ones grey, ignored ones white.

    Args:
        prediction (np.ndarray): Predicted class indices, (H, W) integers.
        truth (np.ndarray): True class indices, (H, W) integers.
        ignore_index (int): Label in ``truth`` that is not judged. Defaults to
            255.
        image (np.ndarray, optional): RGB, (H, W, 3) uint8. Shown dimly where the
            prediction is correct, in place of plain grey. Defaults to None.

    Returns:
        np.ndarray: RGB, (H, W, 3) uint8.
    """
    check_labels(prediction, truth.shape)
    check_labels(truth, prediction.shape)
    if image is None:
        picture = np.full((*truth.shape, 3), CORRECT, np.uint8)
    else:
        check_image(image)
        if image.shape[:2] != truth.shape:
            raise InputError(f'an image of {image.shape[:2]} does not fit labels of '
                             f'{truth.shape}')
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        picture = np.repeat((30 + grey * 0.5).astype(np.uint8)[..., None], 3, axis=2)
    picture[prediction != truth] = WRONG
    picture[truth == ignore_index] = IGNORED
    return picture


def comparison_row(image: np.ndarray, prediction: np.ndarray,
                   truth: np.ndarray | None, palette: Palette, alpha: float = 0.6,
                   ignore_index: int = 255, background: int | None = None,
                   errors: bool = True) -> list[np.ndarray]:
    """The pictures of one row of :func:`comparison`.

    Tiny images are enlarged before the outlines are drawn, so that these stay
    thin.

    Args:
        image (np.ndarray): RGB, (H, W, 3) uint8.
        prediction (np.ndarray): Predicted class indices, (H, W) integers.
        truth (np.ndarray, optional): True class indices, (H, W) integers. With
            None the row is image and prediction.
        palette (Sequence): RGB of each class, 0 to 255.
        alpha (float): Weight of the colours, 0 to 1. Defaults to 0.6.
        ignore_index (int): Label that is not judged. Defaults to 255.
        background (int, optional): Class that is left uncoloured. Defaults to
            None.
        errors (bool): Whether an error map follows the prediction, given a
            truth. Defaults to True.

    Returns:
        list: image, (truth,) prediction(, errors): RGB uint8, of one size.
    """
    check_labels(prediction, image.shape[:2])
    large, prediction = enlarge(image, prediction)  # type: ignore[assignment]
    paint = dict(palette=palette, alpha=alpha, ignore_index=ignore_index,
                 background=background)
    # On grey, so that the colours are those of the legend; the image stands beside it.
    grey = cv2.cvtColor(cv2.cvtColor(large, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    predicted = overlay(grey, prediction, **paint)
    if truth is None:
        return [large, predicted]
    check_labels(truth, image.shape[:2])
    _, truth = enlarge(image, truth)
    row = [large, overlay(grey, truth, **paint), predicted]
    if errors:
        row.append(error_map(prediction, truth, ignore_index, large))
    return row


def comparison(rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str],
               captions: Sequence[str] | None = None,
               class_names: Sequence[str] = (), palette: Palette = (),
               present: Sequence[int] = (), background: int | None = None,
               width: int | None = None) -> np.ndarray:
    """A grid of pictures with titles above and a legend of classes below.

    Args:
        rows (Sequence): Rows of RGB pictures, (H, W, 3) uint8, of any sizes; see
            :func:`comparison_row`.
        titles (Sequence[str]): One for each column.
        captions (Sequence[str], optional): A line above each row. Defaults to
            none.
        class_names (Sequence[str]): Names of all classes.
        palette (Sequence): RGB of all classes, 0 to 255.
        present (Sequence[int] or Mapping): The classes that the legend lists;
            see :func:`add_legend`. Defaults to none.
        background (int, optional): Class that is left uncoloured. Defaults to
            None.
        width (int, optional): Of one column, in pixels. Defaults to the widest
            picture's, within 280 to 500.

    Returns:
        np.ndarray: RGB uint8.
    """
    if not rows or any(len(row) != len(titles) for row in rows):
        raise InputError(f'every row needs {len(titles)} pictures, one for each title, '
                         f'but the rows have {[len(row) for row in rows]}')
    if captions is not None and len(captions) != len(rows):
        raise InputError(f'{len(rows)} rows, but {len(captions)} captions')
    for row in rows:
        for picture in row:
            check_image(picture)
    widest = max(picture.shape[1] for row in rows for picture in row)
    width = width or int(np.clip(widest, 280, 500))
    # Tall images are scaled down: one row must not dwarf the others.
    rows = [[_fit(p, width, round(1.3 * width)) for p in row] for row in rows]
    heights = [max(p.shape[0] for p in row) for row in rows]
    # Larger than beside a single picture, since grids are mostly viewed reduced.
    size = round(1.3 * text_size(width, width))
    line, gap = line_height(size), size // 2
    caption = line if captions is not None else 0
    canvas = Canvas(line + sum(heights) + (caption + gap) * len(rows) + gap,
                    len(titles) * (width + gap) + gap)
    for column, title in enumerate(titles):
        middle = gap + column * (width + gap) + width // 2
        canvas.text(shorten(title, size, width), gap // 2, middle, size, anchor='m')
    top = line + gap
    for index, (row, height) in enumerate(zip(rows, heights)):
        if captions is not None:
            room = len(titles) * (width + gap) - gap
            canvas.text(shorten(captions[index], size, room), top, gap, size)
            top += caption
        for column, picture in enumerate(row):
            left = gap + column * (width + gap)
            canvas.picture(picture, top + (height - picture.shape[0]) // 2,
                           left + (width - picture.shape[1]) // 2)
        top += height + gap
    return add_legend(canvas.array(), class_names, palette, present, 'below', size,
                      background)


def _fit(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The picture in the largest size that fits, its proportions kept."""
    scale = min(width / picture.shape[1], height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)),
            max(1, round(picture.shape[0] * scale)))
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(picture, size, interpolation=shrink)
