"""Several masks an image, of classes or of objects, drawn as one."""
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from ..annotations.drawing import IGNORED, OUTSIDE
from ..layouts.pairs import Pair
from ..layouts.several_masks import OBJECT, SeveralMasks
from ..masks.class_names import check_names, does_not_count
from ..masks.colours import as_written
from ..masks.reading import LOSSY, Mask, read_mask
from ..utils.errors import InputError
from .annotated import BACKGROUND, Drawn, encoding_of_names, save_drawn

_MOST_BETWEEN = 0.25  # pixels of a soft border for each that is on


def draw_class_masks(found: SeveralMasks, root: Path, folder: Path,
                     classes: Sequence[str] | None = None,
                     ignore: Sequence[int | str] = (), outside: str | None = None) -> Drawn:
    """Draws a mask for each image that has one in the folder of a class.

    Pixels that masks of several classes claim do not count.

    Args:
        found (SeveralMasks): Masks of two values, 0 and another.
        root (Path): The data set.
        folder (Path): For what is drawn.
        classes (Sequence[str], optional): Names of the folders in the order of the classes.
            Defaults to None: that of the alphabet.
        ignore (Sequence[str]): Classes whose pixels do not count.
        outside (str, optional): What pixels in no mask are, as for regions.

    Raises:
        ValueError: If ``classes`` lacks a folder, or nothing can be drawn.
    """
    notes = found.pairing.notes
    names = _names(found.classes, classes, list(map(str, ignore)), notes)
    values = {name: i for i, name in enumerate(names, 1)}
    shared: list[int] = []

    def labels_of(masks: Sequence[tuple[str, Path]]) -> np.ndarray:
        labels, twice = _labels([(name, path, _is_on(path)) for name, path in masks], values)
        shared.append(twice)
        return labels

    drawn = _drawn(found, root, folder, labels_of, names, outside)
    if any(shared):
        notes.append(f'{sum(shared)} pixels of {np.count_nonzero(shared)} images are in masks '
                     'of several classes and do not count')
    return drawn


def draw_objects(found: SeveralMasks, root: Path, folder: Path,
                 classes: Sequence[str] | None = None, ignore: Sequence[int | str] = (),
                 outside: str | None = None) -> Drawn:
    """Draws a mask for each image whose masks number objects: all are of one class.

    Args:
        found (SeveralMasks): Masks, 0 or black where there is no object.
        root, folder: As for :func:`draw_class_masks`.
        classes (Sequence[str], optional): The name of the class, perhaps behind that of the
            background. Defaults to None: 'background' and 'object'.
        ignore (Sequence[int or str]): Values of pixels that do not count, colours as
            '#rrggbb'.
        outside (str, optional): What pixels of no object are, 'background' or 'ignore'.
            Defaults to None: background.

    Raises:
        ValueError: If there are other than one or two ``classes``, no mask has a value of
            ``ignore``, or nothing can be drawn.
    """
    names = list(classes or [OBJECT])
    check_names(names, '--classes')
    if len(names) > 2:
        raise InputError(f'--instances makes one class of all objects, but --classes has '
                         f'{len(names)} names; expected one, or the background and one')
    wanted, seen = set(map(str, ignore)), set()

    def labels_of(masks: Sequence[tuple[str, Path]]) -> np.ndarray:
        claims = []
        for name, path in masks:
            if path.suffix.lower() in LOSSY:
                raise InputError(f'{path}: JPEG changes the numbers of objects: save it '
                                 'as PNG')
            mask = _read(path)
            written = {as_written(value, mask.colours): value
                       for value in np.unique(mask.values).tolist()}
            silent = wanted & set(written)
            seen.update(silent)
            lies = np.isin(mask.values, [written[value] for value in silent])
            claims += [(name, path, (mask.values != 0) & ~lies), ('', path, lies)]
        return _labels(claims, {OBJECT: 1}, first=True)[0]

    drawn = _drawn(found, root, folder, labels_of, names[-1:], outside or 'background')
    if wanted - seen:
        raise InputError(f'--ignore {min(wanted - seen)}: no mask has that value')
    if len(names) == 2 and outside != 'ignore':
        encoding = drawn.encoding._replace(classes=names)
        drawn = drawn._replace(encoding=encoding)
    return drawn


def _drawn(found: SeveralMasks, root: Path, folder: Path,
           labels_of: Callable[[Sequence[tuple[str, Path]]], np.ndarray], names: list[str],
           outside: str | None) -> Drawn:
    """Draws by ``labels_of``, from classes and masks of an image to its labels."""
    faults, pairs, pixels = list[str](), list[Pair](), Counter[str]()
    for pair in track(found.pairing.pairs, 'drawing masks', transient=True):
        try:
            labels = labels_of(found.of_image[pair.image])
        except InputError as error:
            faults.append(str(error))
            continue
        pairs.append(pair._replace(mask=save_drawn(
            labels, pair.image.relative_to(root), folder, pixels)))
    if not pairs:
        raise InputError(f'{root}: no mask can be used. ' + '; '.join(faults[:4]))
    encoding = encoding_of_names(names, {}, pixels['inside'] / pixels['all'], outside,
                                 found.pairing.notes)
    count = sum(map(len, found.of_image.values()))
    what = 'of objects' if found.classes == [OBJECT] else (
        f'of {len(found.classes)} class{"es" * (len(found.classes) > 1)}')
    return Drawn(found.pairing._replace(pairs=pairs), encoding, faults, [],
                 f'drawn from {count} masks {what}')


def _names(folders: list[str], classes: Sequence[str] | None, ignore: list[str],
           notes: list[str]) -> list[str]:
    """The classes in their order, without those whose pixels do not count."""
    lost = [name for name in (*ignore, *(classes or ())) if name not in folders
            and name.lower() not in BACKGROUND]
    if lost:
        raise InputError(f"no class of masks is called '{lost[0]}'. There are "
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
        raise InputError('no class of masks counts')
    return names


def _labels(claims: Sequence[tuple[str, Path, np.ndarray]], values: dict[str, int],
            first: bool = False) -> tuple[np.ndarray, int]:
    """Labels (H, W) uint8 of an image, and how many pixels several classes claim, which do
    not count; or are, with ``first``, the first one's."""
    _, one, on = claims[0]
    size = on.shape
    labels, twice = np.full(size, OUTSIDE, np.uint8), np.zeros(size, bool)
    for name, path, on in claims:
        if on.shape != size:
            raise InputError(f'{path}: the mask is {on.shape[1]}x{on.shape[0]}, but another '
                             f'one of the same image, {one}, is {size[1]}x{size[0]}')
        value = values.get(name, IGNORED)
        twice |= on & (labels != OUTSIDE) & (labels != value)
        labels[on & (labels == OUTSIDE)] = value
    if not first:
        labels[twice] = IGNORED
    return labels, int(twice.sum())


def _read(path: Path) -> Mask:
    try:
        return read_mask(path)
    except InputError as error:
        raise InputError(f'{path}: {error}') from None


def _is_on(path: Path) -> np.ndarray:
    """The pixels (H, W) of the class in a mask of two values, 0 and another."""
    mask = _read(path)
    values, top = mask.values, int(mask.values.max())
    distinct = np.unique(values)
    expected = 'in the folder of a class a mask has two values, 0 and another'
    lossy = path.suffix.lower() in LOSSY
    if mask.colours and (lossy or len(distinct) > 2):  # red on black is as good as white
        raise InputError(f'{path}: it is coloured, but {expected}')
    if distinct[0] < 0 or len(distinct) == 2 and distinct[0]:
        some = ' and '.join(as_written(int(value), mask.colours) for value in distinct[:2])
        raise InputError(f'{path}: it has {some}, but {expected}')
    if lossy or len(distinct) > 2:
        # Noise of JPEG, or soft borders, between black and white.
        between = (abs(values - 127.5) < 64).sum()
        known = 192 <= top <= 255 or lossy and top < 32
        if between > _MOST_BETWEEN * (values >= 128).sum() or not known:
            some = ', '.join(map(str, distinct[:6])) + ', ...' * (len(distinct) > 6)
            raise InputError(f'{path}: it has {some}, but {expected}')
        return values >= 128
    return values > 0
