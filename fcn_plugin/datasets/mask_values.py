"""What the pixels of masks are, and which class each value stands for."""
import re
from collections import Counter
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import matplotlib.colors
import numpy as np
from mmseg.registry import DATASETS
from PIL import Image

from ..utils.errors import InputError

IGNORE = 255
_BORDER = 0xE0E0C0  # what VOC paints its borders in
# More values than this are no classes but what blurred borders leave: values of a smaller
# share of the pixels than _RARE, or nearer to a frequent one than _BLUR.
_MOST_VALUES = 64
_RARE = 0.002
_BLUR = 24
_NAMELESS = 'no names are known: --classes NAME ..., in the order of the table, gives them'


class Mask(NamedTuple):
    """A mask as it is stored.

    Attributes:
        values (np.ndarray): (H, W) integers: values, or 0xRRGGBB of colours.
        colours (bool): Whether they are colours.
        plain (bool): Whether mmcv reads the file as labels: one channel of 8 bits.
        mode (str): What the file is, in words.
    """
    values: np.ndarray
    colours: bool
    plain: bool
    mode: str


def read_mask(path: Path) -> Mask:
    """Reads a mask of any kind: palette, grey of 1, 8 or 16 bits, RGB, RGBA.

    Args:
        path (Path): The file. Grey stored in three channels counts as grey; of RGBA, what
            is wholly transparent counts as black.

    Raises:
        ValueError: If the file is empty or cannot be read.
    """
    if path.stat().st_size == 0:
        raise InputError('the file is empty (0 bytes)')
    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode in ('PA', 'LA', 'CMYK', 'YCbCr', 'HSV', 'LAB'):
                mode = 'RGBA'
            pixels = np.asarray(image if mode == image.mode else image.convert(mode))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f'it cannot be read: {error}') from None
    if pixels.ndim == 2:
        if pixels.dtype.kind == 'f' and not (pixels == np.rint(pixels)).all():
            raise InputError('its pixels are fractions, not labels')
        pixels = pixels.astype(np.int64)
        kind = dict(P='palette', L='grey')
        kind['1'] = 'black and white'
        plain = mode in ('P', 'L', '1') or (0 <= pixels.min() and pixels.max() <= 255)
        return Mask(pixels, False, plain, kind.get(mode, f'grey of 16 bits or more ({mode})'))
    if pixels.shape[2] == 4:
        pixels = np.where(pixels[..., 3:] == 0, 0, pixels[..., :3])
    red, green, blue = (pixels[..., i].astype(np.int64) for i in range(3))
    if (red == green).all() and (green == blue).all():
        return Mask(red, False, False, f'grey in {len(mode)} channels')
    return Mask((red << 16) | (green << 8) | blue, True, False, mode)


def count_values(values: np.ndarray) -> Dict[int, int]:
    """How many pixels have each value."""
    if values.size and 0 <= values.min() and values.max() < 65536:
        counts = np.bincount(values.ravel())
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist()))


def read_class_names(root: Path) -> Optional[Tuple[str, Dict[int, str]]]:
    """Names that annotation programs leave beside masks.

    ``classes.txt`` (a name a line), ``labelmap.txt`` (CVAT: ``name:r,g,b::``) or
    ``_classes.csv`` (Roboflow: ``value, name``), in the folder or one below.

    Returns:
        tuple or None: The file, and the name of each value, colours as 0xRRGGBB.
    """
    for file in sorted([*root.glob('*'), *root.glob('*/*')]):
        if file.name not in ('classes.txt', 'labelmap.txt', '_classes.csv'):
            continue
        lines = [line.strip() for line in
                 file.read_text(encoding='utf-8', errors='replace').splitlines()
                 if line.strip() and not line.startswith('#')]
        if file.name == 'classes.txt':
            names = dict(enumerate(lines))
        elif file.name == 'labelmap.txt':
            found = [re.match(r'([^:]+):(\d+),(\d+),(\d+)', line) for line in lines]
            names = {_packed(m.groups()[1:]): m[1] for m in found if m}
        else:
            found = [re.match(r'(\d+)\s*,\s*(.+)', line) for line in lines]
            names = {int(m[1]): m[2] for m in found if m}
        if names:
            return str(file.relative_to(root)), names
    return None


class Encoding(NamedTuple):
    """Which class each value of the masks is.

    Attributes:
        label_map (dict[int, int]): Value (or 0xRRGGBB) to class, or to 255.
        classes (list[str]): Names.
        palette (list): RGB of each class, or empty: no colours are known.
        colours (bool): Whether the values are colours.
        notes (list[str]): What was assumed, and why.
        faults (list[str]): What cannot be right.
    """
    label_map: Dict[int, int]
    classes: List[str]
    palette: List[List[int]]
    colours: bool
    notes: List[str]
    faults: List[str]

    @property
    def identity(self) -> bool:
        """Whether values are class numbers as they are."""
        return not self.colours and all(v == label for v, label in self.label_map.items())


def find_encoding(counts: Dict[int, int], colours: bool,
                  classes: Optional[Sequence[str]] = None,
                  ignore: Sequence[int] = (),
                  names_of: Optional[Dict[int, str]] = None) -> Encoding:
    """Proposes a class for every value that occurs.

    Args:
        counts (dict[int, int]): Pixels of each value, over all masks.
        colours (bool): Whether the values are 0xRRGGBB.
        classes (Sequence[str], optional): Names of the classes, in the order of their
            values; what is known best. Defaults to None: found out.
        ignore (Sequence[int]): Values of pixels that do not count. Defaults to none but
            255, where it cannot be a class.
        names_of (dict[int, str], optional): From :func:`read_class_names`; used where it
            names every value and ``classes`` is None.
    """
    notes: List[str] = []
    kept = _without_blur(counts, notes, colours)
    wanted = set(kept) - set(ignore) - (set() if colours else {IGNORE})
    if classes is None and names_of and wanted <= set(names_of):
        label_map = {**dict.fromkeys(ignore, IGNORE),
                     **({IGNORE: IGNORE} if not colours and IGNORE in kept else {}),
                     **{value: i for i, value in enumerate(names_of)}}
        palette = [list(unpacked(value)) for value in names_of] if colours else []
        return Encoding(label_map, list(names_of.values()), palette, colours, notes, [])
    if colours:
        return _find_colours(kept, classes, ignore, notes)
    values = sorted(set(kept) - set(ignore))
    faults: List[str] = []
    map_ = {value: IGNORE for value in ignore}
    if values == [0, IGNORE] and len(classes or ()) in (0, 2):
        notes.append('masks of 0 and 255: 255 is the object, not ignored')
        names = list(classes or ('background', 'object'))
        return Encoding({**map_, 0: 0, IGNORE: 1}, names, [], False, notes, faults)
    if IGNORE in values and IGNORE not in ignore:
        values.remove(IGNORE)
        map_[IGNORE] = IGNORE
        notes.append('255 is taken for pixels that do not count')
    if not values:
        faults.append('the masks have no label but ignored ones')
        return Encoding(map_, list(classes or ['class 0']), [], False, notes, faults)
    labels = {value: value for value in values}
    count = len(classes) if classes else values[-1] + 1
    if values[0] < 0:
        faults.append(f'there are negative values, such as {values[0]}')
        labels = {value: IGNORE for value in values if value < 0}
    elif classes and values[-1] < count:
        pass
    elif classes and values[0] >= 1 and values[-1] == count:
        notes.append(f'labels count from 1 to {count}: 1 is taken off')
        labels = {value: value - 1 for value in values}
    elif classes and len(values) == count:
        notes.append('values in their order are the classes: '
                     + ', '.join(f'{v} {name}' for v, name in zip(values, classes)))
        labels = {value: i for i, value in enumerate(values)}
    elif classes:
        beyond = [value for value in values if value >= count]
        shown = ', '.join(f'{v} ({100 * kept[v] / sum(kept.values()):.2g} %)'
                          for v in beyond[:8])
        faults.append(
            f'values beyond the {count} classes: {shown}. Name all classes by --classes, or '
            f'leave these pixels out by --ignore {" ".join(map(str, beyond[:8]))}')
        labels = {value: value if value < count else IGNORE for value in values}
    elif values[0] == 1 and values == list(range(1, values[-1] + 1)) and len(values) > 1:
        notes.append(f'labels count from 1 to {values[-1]} and there is no 0: 1 is taken '
                     'off. (If 0 is a class that just does not occur, give --classes)')
        labels, count = {value: value - 1 for value in values}, values[-1]
    elif values[-1] >= 2 * len(values) and len(values) > 1:
        notes.append('values far apart are taken for one class each, in their order: '
                     + ', '.join(map(str, values))
                     + '. (If they are class numbers, give --classes)')
        labels, count = {value: i for i, value in enumerate(values)}, len(values)
    else:
        absent = sorted(set(range(count)) - set(values))
        if absent:
            notes.append('labels that never occur: ' + ', '.join(map(str, absent)))
    if not classes:
        notes.append(_NAMELESS)
    names = list(classes or _numbered(count))
    return Encoding({**map_, **labels}, names, [], False, notes, faults)


def _numbered(count: int) -> List[str]:
    if count == 2:
        return ['background', 'object']
    return [f'class {i}' for i in range(count)]


def _without_blur(counts: Dict[int, int], notes: List[str],
                  colours: bool) -> Dict[int, int]:
    """Without the many values that JPEG or a smooth resize leaves around the few meant."""
    if len(counts) <= _MOST_VALUES and (colours or not _is_blurred_binary(counts)):
        return counts
    total = sum(counts.values())
    meant: List[int] = []
    for value in sorted(counts, key=counts.get, reverse=True):
        if counts[value] <= _RARE * total or len(meant) > 255:
            break
        if all(_distance(value, other, colours) > _BLUR for other in meant):
            meant.append(value)
    if not meant:
        return counts
    notes.append(f'there are {len(counts)} values, but most are rare and near one of '
                 f'{len(meant)}: JPEG or a smooth resize has blurred the borders. Each pixel '
                 'takes the nearest of these')
    return {value: counts[value] for value in meant}


def _distance(one: int, other: int, colours: bool) -> float:
    if not colours:
        return abs(one - other)
    return sum((a - b) ** 2 for a, b in zip(unpacked(one), unpacked(other))) ** 0.5


def _is_blurred_binary(counts: Dict[int, int]) -> bool:
    """Mostly 0 and 255, with values between, of which some are just below 255.

    These last tell it from labels 0, 1, 2, ... and 255 for ignored pixels.
    """
    total = sum(counts.values())
    near = sum(n for v, n in counts.items() if v <= _BLUR or 255 - _BLUR <= v <= 255)
    return (len(counts) > 2 and near > 0.9 * total
            and counts.get(0, 0) + counts.get(255, 0) > 0.5 * total
            and any(255 - _BLUR <= v < 255 for v in counts))


# --- colours ------------------------------------------------------------------------


def _find_colours(counts: Dict[int, int], classes: Optional[Sequence[str]],
                  ignore: Sequence[int], notes: List[str]) -> Encoding:
    faults: List[str] = []
    map_ = {value: IGNORE for value in ignore}
    if _BORDER in counts and len(counts) > 2:
        map_[_BORDER] = IGNORE
        notes.append("VOC's border (224, 224, 192) is taken for pixels that do not count")
    # Black, mostly the background, is 0; the others by frequency, which is stable.
    found = sorted(set(counts) - set(map_), key=lambda c: (c != 0, -counts[c], c))
    known = _known_palette(found)
    if classes is None and known:
        name, names, palette = known
        notes.append(f'the colours are those of {name}, and so the names')
        place = {_packed(rgb): i for i, rgb in reversed(list(enumerate(palette)))}
        map_.update({colour: place[colour] for colour in found})
        return Encoding(map_, list(names), [list(c) for c in palette], True, notes, faults)
    if classes is not None and len(classes) != len(found):
        faults.append(f'{len(found)} colours for {len(classes)} classes: '
                      + ', '.join(f'#{c:06x}' for c in found[:12]))
    map_.update({colour: i for i, colour in enumerate(found)})
    if classes is None:
        notes.append(f'{_NAMELESS}; here they are called after their colours')
        if 0 in found and len(found) > 2:
            notes.append("black is taken for a class; if it stands for pixels that do not "
                         "count: --ignore '#000000'")
    names = list(classes or ()) if len(classes or ()) == len(found) else _colour_names(found)
    return Encoding(map_, names, [list(unpacked(c)) for c in found], True, notes, faults)


def unpacked(colour: int) -> Tuple[int, int, int]:
    """0xRRGGBB to RGB."""
    return colour >> 16, colour >> 8 & 255, colour & 255


def _packed(rgb: Sequence[int]) -> int:
    return int(rgb[0]) << 16 | int(rgb[1]) << 8 | int(rgb[2])


def _known_palette(found: Sequence[int]):
    """The data set of mmseg's with the fewest classes that has all the colours."""
    fits = []
    for kind in DATASETS.module_dict.values():
        meta = getattr(kind, 'METAINFO', {})
        palette = meta.get('palette')
        if palette and len(found) >= 4 and set(found) <= {_packed(c) for c in palette}:
            fits.append((len(palette), kind.__name__.removesuffix('Dataset'),
                         meta['classes'], palette))
    return min(fits, default=(None, ))[1:]


def _colour_names(found: Sequence[int]) -> List[str]:
    """What each colour is called, numbered where two are called the same."""
    table = {name: np.array(matplotlib.colors.to_rgb(value)) * 255
             for name, value in matplotlib.colors.CSS4_COLORS.items()}
    names: List[str] = []
    seen: Counter = Counter()
    for colour in found:
        if colour == 0:
            name = 'background'
        else:
            rgb = np.array(unpacked(colour))
            name = min(table, key=lambda n: float(((table[n] - rgb) ** 2).sum()))
        seen[name] += 1
        names.append(f'{name} {seen[name]}' if seen[name] > 1 else name)
    return names


def to_labels(values: np.ndarray, encoding: Encoding) -> np.ndarray:
    """Values of a mask to classes; a value that is not known to the nearest that is.

    Args:
        values (np.ndarray): (H, W), of :class:`Mask`.
        encoding (Encoding): From :func:`find_encoding`.

    Returns:
        np.ndarray: (H, W) uint8, 255 for pixels that do not count.
    """
    distinct, inverse = np.unique(values, return_inverse=True)
    known = np.array(sorted(encoding.label_map))
    labels = np.array([encoding.label_map[value] for value in known.tolist()])
    spread = np.stack([known >> 16, known >> 8 & 255, known & 255], 1) if (
        encoding.colours) else known[:, None]
    ours = np.stack([distinct >> 16, distinct >> 8 & 255, distinct & 255], 1) if (
        encoding.colours) else distinct[:, None]
    nearest = [int(((spread - value) ** 2).sum(1).argmin()) for value in ours]
    return labels[nearest][inverse].reshape(values.shape).astype(np.uint8)
