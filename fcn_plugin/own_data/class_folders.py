"""Masks of two values in a folder of each class, drawn as one mask an image."""
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.progress import track

from ..annotations.drawing import IGNORED, OUTSIDE
from ..layouts.class_folders import find_class_masks
from ..layouts.find_pairs import Pair
from ..masks.class_names import check_names, does_not_count
from ..masks.reading import read_mask
from ..utils.errors import InputError
from .annotated import Drawn, encoding_of_names

_LOSSY = ('.jpg', '.jpeg')
_MOST_BETWEEN = 0.25  # pixels of a soft border for each that is on


def draw_class_folders(root: Path, folder: Path, images: str | None = None,
                       masks: str | None = None, classes: Sequence[str] | None = None,
                       ignore: Sequence[int | str] = (), outside: str | None = None) -> Drawn:
    """Draws a mask for each image that has one in the folder of a class.

    Pixels that masks of several classes claim do not count.

    Args:
        root (Path): The data set, see
            :func:`~fcn_plugin.layouts.class_folders.find_class_masks`.
        folder (Path): For what is drawn.
        images, masks (str, optional): As there.
        classes (Sequence[str], optional): Names of the folders in the order of the classes.
            Defaults to None: that of the alphabet.
        ignore (Sequence[str]): Classes whose pixels do not count.
        outside (str, optional): What pixels in no mask are, as for regions.

    Raises:
        ValueError: If there are no masks, ``classes`` lacks a folder, or nothing can be drawn.
    """
    found = find_class_masks(root, images, masks)
    notes = found.pairing.notes
    faults: list[str] = []
    names = _names(found.classes, classes, list(map(str, ignore)), notes)
    values = {name: i for i, name in enumerate(names, 1)}
    pixels: Counter = Counter()
    pairs: list[Pair] = []
    for pair in track(found.pairing.pairs, 'drawing masks', transient=True):
        try:
            labels, twice = _drawn(found.of_image[pair.image], values)
        except InputError as error:
            faults.append(str(error))
            continue
        file = folder / f'{pair.image.relative_to(root)}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(labels).save(file)
        pairs.append(pair._replace(mask=file))
        pixels.update(all=labels.size, inside=int((labels != OUTSIDE).sum()), twice=twice,
                      images=twice > 0)
    if not pairs:
        raise InputError(f'{root}: no mask in the folders of classes can be used. '
                         + '; '.join(faults[:4]))
    if pixels['twice']:
        notes.append(f'{pixels["twice"]} pixels of {pixels["images"]} images are in masks of '
                     'several classes and do not count')
    encoding = encoding_of_names(names, {}, pixels['inside'] / pixels['all'], outside, notes)
    count = sum(len(each) for each in found.of_image.values())
    return Drawn(found.pairing._replace(pairs=pairs), encoding, faults, [],
                 f'drawn from {count} masks in folders of {len(found.classes)} classes')


def _names(folders: list[str], classes: Sequence[str] | None, ignore: list[str],
           notes: list[str]) -> list[str]:
    """The classes in their order, without those whose pixels do not count."""
    lost = [name for name in (*ignore, *(classes or ())) if name not in folders]
    if lost:
        raise InputError(f"no folder of masks is called '{lost[0]}'. There are "
                         + ', '.join(folders[:12]))
    silent = [name for name in folders if name in ignore or (
        does_not_count(name) and name not in (classes or ()))]
    if silent:
        notes.append(f'pixels of {", ".join(map(repr, silent))} do not count')
    if classes is not None:
        check_names(classes, '--classes')
    names = [name for name in classes or folders if name not in silent]
    left = sorted(set(folders) - set(names) - set(silent))
    if left:
        raise InputError(f"the folder '{left[0]}' is no class of --classes: add it there, or "
                         f"leave its pixels out by --ignore '{left[0]}'")
    if not names:
        raise InputError('no folder of masks is a class that counts')
    return names


def _drawn(masks: dict[str, Path], values: dict[str, int]) -> tuple[np.ndarray, int]:
    """Labels (H, W) uint8 of an image, and how many pixels several classes claim."""
    first, *others = masks
    claims = {name: _is_on(path) for name, path in masks.items()}
    size = claims[first].shape
    for name in others:
        if claims[name].shape != size:
            (height, width), (h, w) = claims[name].shape, size
            raise InputError(f'{masks[name]}: the mask is {width}x{height}, but that of '
                             f'another class, {masks[first]}, is {w}x{h}')
    labels = np.full(size, OUTSIDE, np.uint8)
    for name, on in claims.items():
        labels[on] = values.get(name, IGNORED)
    twice = sum(on.astype(np.uint8) for on in claims.values()) > 1
    labels[twice] = IGNORED
    return labels, int(twice.sum())


def _is_on(path: Path) -> np.ndarray:
    """The pixels (H, W) of the class in a mask of two values, 0 and another."""
    try:
        mask = read_mask(path)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None
    values, top = mask.values, int(mask.values.max())
    distinct = np.unique(values)
    expected = 'in the folder of a class a mask has two values, 0 and another'
    if mask.colours:
        raise InputError(f'{path}: it is coloured, but {expected}')
    if distinct[0] < 0 or len(distinct) == 2 and distinct[0]:
        raise InputError(f'{path}: it has {distinct[0]} and {distinct[1]}, but {expected}')
    lossy = path.suffix.lower() in _LOSSY
    if lossy or len(distinct) > 2:
        # Noise of JPEG, or soft borders, between black and white.
        between = (abs(values - 127.5) < 64).sum()
        known = 192 <= top <= 255 or lossy and top < 32
        if between > _MOST_BETWEEN * (values >= 128).sum() or not known:
            some = ', '.join(map(str, distinct[:6])) + ', ...' * (len(distinct) > 6)
            raise InputError(f'{path}: it has {some}, but {expected}')
        return values >= 128
    return values > 0
