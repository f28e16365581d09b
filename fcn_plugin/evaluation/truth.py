"""What is true of an image: what the values of its mask stand for."""
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..masks.class_names import of_label_ids
from ..masks.reading import read_labels
from ..utils.errors import InputError, first_of

#: Label of pixels that do not count: no class, however many there are.
UNJUDGED = -1


class Coding(NamedTuple):
    """What the values of masks stand for.

    Attributes:
        label_map (dict[int, int] | None): Value to class; None where they are class numbers.
        ignore (Sequence[int]): Values of pixels that do not count.
        note (str): The first in words; empty for class numbers.
    """
    label_map: dict[int, int] | None
    ignore: Sequence[int]
    note: str = ''


def find_coding(masks: Iterable[Path], label_map: Sequence[Sequence[int]] | None,
                classes: Sequence[str], ignore: Sequence[int] | None = None) -> Coding:
    """Whether masks have the values that those had which a model was trained on.

    Black and white ones do, say, where 255 is its object. All values must be of these, or do
    not count; else they are class numbers. Of two classes, masks that have 0 and 255 alone
    are black and white whatever training had, unless ``ignore`` is given. Those that are
    called as Cityscapes' labelIds are read as such for 19 classes.

    Args:
        masks (Iterable[Path]): Their files.
        label_map (Sequence[Sequence[int]], optional): Of training: values and their classes,
            255 for none. None: they were class numbers.
        classes (Sequence[str]): Names.
        ignore (Sequence[int], optional): Values of pixels that do not count. Defaults to
            None: 255, where that is no class.
    """
    masks, known = list(masks), {value: label for value, label in label_map or ()}
    ids = of_label_ids(masks) if masks and len(classes) == 19 else None
    if ids:
        places = dict.fromkeys(ids.silent, 255) | {v: i for i, v in enumerate(ids.names)}
        if all(places.get(value) == label for value, label in known.items()):
            return Coding(places, ignore or (), f'masks are read as {ids.file}')
    left_out = ((255, ) if len(classes) < 256 else ()) if ignore is None else ignore
    trained = known.keys() | set(left_out) if known else set[int]()
    white = {0, 255} if ignore is None and len(classes) == 2 and 255 not in known else set()
    values = set[int]()
    for mask in masks if trained or white else ():
        values.update(np.unique(read_labels(mask)).tolist())
        if not (values <= trained or values <= white):
            break  # class numbers: the others need not be read
    if white and values == white:
        return Coding({0: 0, 255: 1}, (), f'masks are black and white: 255 is {classes[1]} '
                      '(if its pixels do not count: --ignore 255)')
    if known and values <= trained:
        some = [f'{value} {classes[label]}' for value, label in sorted(known.items())
                if label < len(classes)]
        return Coding(known, () if ignore is None else ignore,
                      'masks are read as in training: ' + ', '.join(
                          first_of(some, 12)))
    return Coding(None, left_out)


def read_truth(path: Path, size: tuple[int, int], classes: int, coding: Coding
               ) -> np.ndarray:
    """The labels of a mask.

    Args:
        path (Path): Its file, of values.
        size (tuple[int, int]): (H, W) of its image.
        classes (int): How many there are.
        coding (Coding): What its values stand for.

    Returns:
        np.ndarray: (H, W) int64, :data:`UNJUDGED` where pixels do not count.

    Raises:
        ValueError: If it is of another size, or holds a label that is no class.
    """
    labels = read_labels(path).astype(np.int64)
    if labels.shape != size:
        (h, w), (height, width) = labels.shape, size
        raise InputError(f"'{path}' is {w}x{h}, but its image is {width}x{height}: masks "
                         'must have the sizes of their images (fcn check-data DIR --out '
                         'writes such copies of halves, thirds and quarters)')
    left_out = np.isin(labels, coding.ignore)
    if coding.label_map is not None:
        values, labels = labels, np.full_like(labels, UNJUDGED)
        for value, label in coding.label_map.items():
            if label < classes:
                labels[values == value] = label
    labels[left_out] = UNJUDGED
    beyond = labels[labels >= classes]
    if beyond.size:
        raise InputError(f"'{path}' holds the label {beyond.max()}, but the model has the "
                         f'classes 0 to {classes - 1}: give --ignore {beyond.max()} if its '
                         'pixels are not to count')
    return labels
