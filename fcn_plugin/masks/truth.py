"""What is true of a folder of images: masks of class numbers by the images' names."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..utils.errors import InputError
from ..utils.names import plain
from ..utils.paths import PathLike
from .reading import label_pngs, read_label_png


def with_masks(images: Sequence[Path], labels: PathLike) -> list[tuple[Path, Path]]:
    """Each image with its mask.

    Args:
        images (Sequence[Path]): Files.
        labels (str or Path): Folder of PNG masks of the same names but for the suffix.

    Raises:
        FileNotFoundError: If there are no masks.
        ValueError: If an image has none.
    """
    masks = {plain(path.stem): path for path in label_pngs(labels)}
    missing = [path.name for path in images if plain(path.stem) not in masks]
    if missing:
        more = f' (nor have {len(missing) - 1} others)' if len(missing) > 1 else ''
        raise InputError(f"'{missing[0]}' has no mask{more}: '{labels}' was searched for "
                         f"'{Path(missing[0]).stem}.png'")
    return [(path, masks[plain(path.stem)]) for path in images]


def read_truth(path: Path, size: tuple[int, int], classes: int, ignore: Sequence[int],
               ignore_index: int = 255) -> np.ndarray:
    """The labels of a mask.

    Args:
        path (Path): A PNG whose pixels are class numbers.
        size (tuple[int, int]): (H, W) of its image.
        classes (int): How many there are.
        ignore (Sequence[int]): Labels of pixels that do not count.
        ignore_index (int): What these become. Defaults to 255.

    Returns:
        np.ndarray: (H, W) int64.

    Raises:
        ValueError: If it is of another size, or holds a label that is no class.
    """
    labels = read_label_png(path).astype(np.int64)
    if labels.shape != size:
        (h, w), (height, width) = labels.shape, size
        raise InputError(f"'{path}' is {w}x{h}, but its image is {width}x{height}: masks "
                         'must have the sizes of their images')
    labels[np.isin(labels, ignore)] = ignore_index
    beyond = labels[(labels >= classes) & (labels != ignore_index)]
    if beyond.size:
        raise InputError(f"'{path}' holds the label {beyond.max()}, but the model has the "
                         f'classes 0 to {classes - 1}: give --ignore {beyond.max()} if its '
                         'pixels are not to count')
    return labels
