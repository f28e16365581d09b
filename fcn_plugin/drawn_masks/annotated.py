"""Images with the regions that a labelling tool keeps: found, drawn as masks, and paired."""
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from rich.progress import track

from ..annotations.drawing import IGNORED, OUTSIDE, draw
from ..annotations.formats import read_files
from ..annotations.regions import Annotated, Export
from ..images.exif import EXCHANGING_SIDES, orientation_of
from ..layouts.find_pairs import lies_in, sort_out
from ..layouts.lists import files_below, splits_of_lists
from ..layouts.matching import match, merged
from ..layouts.pairs import Pair, Pairing
from ..layouts.roles import split_of
from ..masks.class_names import check_names, does_not_count, read_class_names
from ..masks.encoding import Encoding
from ..utils.errors import InputError

_SUFFIXES = ('.json', '.xml', '.yaml', '.yml')
_MOST_CLASSES = 254  # masks are drawn in 8 bits, and two values are taken
#: Where regions cover less of all pixels, the rest of an image is background.
COVERED = 0.95
#: Names of what is in no region, where that is a class.
BACKGROUND = ('background', '_background_')


class Drawn(NamedTuple):
    """Masks that were drawn from regions.

    Attributes:
        pairing (Pairing): Images and their masks.
        encoding (Encoding): Of the masks: 0 is in no region, 1, 2, ... are the classes.
        faults (list[str]): What cannot be used, and why.
        unlabelled (list[Path]): Images that are to be labelled.
        source (str): What the masks were drawn from, in words.
    """
    pairing: Pairing
    encoding: Encoding
    faults: list[str]
    unlabelled: list[Path]
    source: str


def read_annotations(root: Path) -> tuple[list[tuple[str, Export]], list[str]]:
    """What labelling tools have left in a folder, or what one file of theirs holds.

    Returns:
        tuple: Pairs of the format's name and what was read; files that are broken.
    """
    files: Iterable[Path] = [root] if root.is_file() else sorted(
        path for path in files_below(root) if path.is_file()
        and (path.suffix.lower() in _SUFFIXES or path.name == 'classes.txt'))
    found, broken = read_files(files)
    return (found if any(export.images for _, export in found) else []), broken


def draw_annotations(root: Path, found: Sequence[tuple[str, Export]], folder: Path,
                     images: str | None = None, classes: Sequence[str] | None = None,
                     ignore: Sequence[int | str] = (), outside: str | None = None) -> Drawn:
    """Draws a mask for each image that has regions.

    Args:
        root (Path): The folder of images, in which those below count too.
        found (list): From :func:`read_annotations`.
        folder (Path): For the masks.
        images (str, optional): The folder in ``root`` that images are looked for in.
            Defaults to None: all.
        classes (Sequence[str], optional): Names in order. Defaults to None: the formats'
            own list, a file of names, or all names in the order of the alphabet.
        ignore (Sequence[str]): Names of classes whose pixels do not count.
        outside (str, optional): What pixels in no region are: 'background' or 'ignore'.
            Defaults to None: background, unless regions cover :data:`COVERED` of all.

    Raises:
        ValueError: If no image has regions, or ``classes`` lacks the name of one.
    """
    notes, faults = list[str](), list[str]()
    ignore = list(map(str, ignore))
    found, listed = _of_listed_classes(found)
    roles = sort_out(root, images, None, [])
    lies = lies_in(root, images or '.')
    files = [path for path in roles['image'] + roles['mask'] if lies(path)]
    matched, unlabelled = match(root, files, roles['image'], [
        one for _, export in found for one in export.images], notes, faults)
    if roles['mask'] and not set(roles['mask']) & set(matched):
        notes.append(f'{len(roles["mask"])} masks, such as {roles["mask"][0]}, are not read '
                     'beside regions: --masks DIR reads them in place of these')
    names = _names(root, found, listed, classes, ignore, notes)
    values = {name: i for i, name in enumerate(names, 1)}
    masks: dict[Path, Path] = {}
    pixels: Counter = Counter()
    strays = []
    for path, records in track(matched.items(), 'drawing regions', transient=True):
        image = merged(records)
        size, image = _size(path, image)
        if image.fault or size is None:
            faults.append(image.fault or '')
            continue
        labels, stray = draw(image, size, values)
        strays += [f"'{name}' in {path}" for name in stray]
        masks[path] = save_drawn(labels, path.relative_to(root), folder, pixels)
    if not masks:
        raise InputError(f'{root}: no image has regions that can be used. '
                         + '; '.join(faults[:4]))
    if strays:
        notes.append(f'{len(strays)} regions lie outside of their images, such as {strays[0]}')
    colours = {name: colour for _, export in found for name, colour in export.colours.items()}
    encoding = encoding_of_names(names, colours, pixels['inside'] / pixels['all'], outside,
                                 notes)
    where = {record.source: record for records in matched.values() for record in records}
    pairs = [Pair(path, mask, _split(root, path, matched[path]))
             for path, mask in sorted(masks.items())]
    notes += _notes_of_shapes(found) + [note for _, export in found for note in export.notes]
    regions = [region for path in masks for one in matched[path] for region in one.regions]
    proposed = sum(region.score is not None for region in regions)
    if proposed:
        notes.append(f'{proposed} regions have scores: a network has proposed them. Train on '
                     'them once somebody has looked at them')
    crowds = sum(not region.counts for region in regions)
    if crowds:
        notes.append(f"{crowds} regions are COCO's crowds, whose pixels do not count")
    kinds = ' and '.join(dict.fromkeys(name for name, export in found if export.images))
    source = f'drawn from {len(regions)} regions of {kinds} ({len(where)} files)'
    return Drawn(Pairing(splits_of_lists(root, pairs, notes), [], [], notes, []), encoding,
                 faults, unlabelled, source)


def save_drawn(labels: np.ndarray, image: Path, folder: Path, pixels: Counter) -> Path:
    """Saves drawn labels, (H, W) uint8, by the path of their image in the data set, and counts
    ``all`` pixels and those ``inside`` of regions."""
    file = folder / f'{image}.png'
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels).save(file)
    pixels.update(all=labels.size, inside=int((labels != OUTSIDE).sum()))
    return file


# --- images --------------------------------------------------------------------------


def _size(path: Path, image: Annotated) -> tuple[tuple[int, int] | None, Annotated]:
    """The size at which regions are drawn: that of the image as it is stored, where they
    were drawn on that, else as it is shown."""
    if image.fault:
        return None, image
    try:
        with Image.open(path) as file:
            width, height = file.size
            turn = orientation_of(file)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return None, image._replace(fault=f'{path}: it cannot be read: {error}')
    shown = (width, height) if turn in EXCHANGING_SIDES else (height, width)
    if image.size in (None, shown, (height, width)):
        return (image.size if image.size and not image.shares else shown), image
    return None, image._replace(fault=(
        f'{path}: the image is {shown[1]}x{shown[0]}, but {image.source} says that it is '
        f'{image.size[1]}x{image.size[0]}'))


def _split(root: Path, path: Path, records: Sequence[Annotated]) -> str | None:
    """By the export itself, the image's folder, or the names of the export and its folders."""
    sources = [re.sub(r'\d+', '', part) for one in records if root in one.source.parents
               for part in one.source.relative_to(root).with_suffix('').parts]
    return (split_of(one.split or '' for one in records)
            or split_of(path.relative_to(root).parts[:-1]) or split_of(sources))


# --- classes -------------------------------------------------------------------------


def _of_listed_classes(found: Sequence[tuple[str, Export]]
                       ) -> tuple[list[tuple[str, Export]], list[str]]:
    """Marks images whose regions have names that the format's list lacks."""
    lists: dict[str, dict[str, None]] = defaultdict(dict)
    for name, export in found:
        lists[name].update(dict.fromkeys(export.classes))
    checked = []
    for name, export in found:
        images = []
        for one in export.images:
            unknown = [r.name for r in one.regions if r.name not in lists[name]]
            if lists[name] and unknown and not one.fault:
                one = one._replace(fault=f"{one.source}: {one.name}: '{unknown[0]}' is none "
                                   f'of the classes ({", ".join(list(lists[name])[:8])})')
            images.append(one)
        checked.append((name, export._replace(images=images)))
    return checked, list(dict.fromkeys(name for names in lists.values() for name in names))


def _names(root: Path, found: Sequence[tuple[str, Export]], listed: Sequence[str],
           classes: Sequence[str] | None, ignore: Sequence[str], notes: list[str]
           ) -> list[str]:
    """The classes in their order, without those whose pixels do not count."""
    used = Counter(region.name for _, export in found for one in export.images
                   for region in one.regions)
    lost = [name for name in ignore if name not in used and name not in listed]
    if lost:
        raise InputError(f'--ignore {lost[0]}: no region is of that class. There are '
                         + ', '.join(sorted({*used, *listed})[:12]))
    silent = [name for name in {**dict.fromkeys(listed), **used}
              if name in ignore or (does_not_count(name) and name not in (classes or ()))]
    if silent:
        notes.append(f'pixels of {", ".join(map(repr, silent))} do not count')
    if classes is not None:
        check_names(classes, '--classes')
        names, source = list(classes), '--classes'
    elif listed:
        names, source = [*listed], 'the classes'
    else:
        file, of_file = read_class_names(root)
        notes += of_file
        names = list(file.names.values()) if file and file.kind == 'order' else sorted(used)
        source = file.file if file else ''
    names = [name for name in names if name not in silent]
    unknown = sorted(set(used) - set(names) - set(silent))
    if unknown and (classes is not None or not listed):
        raise InputError(f"regions of '{unknown[0]}' ({used[unknown[0]]} of them) are of no "
                         f'class of {source}: add it there, or leave its pixels out by '
                         f"--ignore '{unknown[0]}'")
    if not 0 < len(names) <= _MOST_CLASSES:
        raise InputError(f'{root}: {len(names)} classes, expected 1 to {_MOST_CLASSES}')
    return names


def encoding_of_names(names: list[str], colours: Mapping[str, Sequence[int]], covered: float,
                      outside: str | None, notes: list[str]) -> Encoding:
    """Classes of the values 1, 2, ... that masks are drawn with.

    Args:
        names (list[str]): In the order of the values.
        colours (Mapping): RGB of classes, as far as they are known.
        covered (float): Which share of all pixels is drawn, 0 to 1.
        outside (str, optional): As for :func:`draw_annotations`.
        notes (list[str]): Take what was assumed.
    """
    known = next((name for name in names if name.lower() in BACKGROUND), None)
    ignored = outside == 'ignore' or outside is None and (
        known is None and covered >= COVERED)
    what = 'does not count' if ignored else f"is '{known or 'background'}'"
    other = 'background' if ignored else 'ignore'
    notes.append(f'regions cover {100 * covered:.1f} % of all pixels; the rest {what} '
                 f'(--outside {other}: otherwise)')
    classes = list(names)
    if not ignored and known is None:
        classes.insert(0, 'background')
    elif known is not None:
        classes.insert(0, classes.pop(classes.index(known)))
    label_map = {value: classes.index(name) for value, name in enumerate(names, 1)}
    label_map.update({OUTSIDE: IGNORED if ignored else 0, IGNORED: IGNORED})
    palette = [list(colours.get(name, (0, 0, 0))) for name in classes]
    if len({tuple(colour) for colour in palette}) < len(palette):
        palette = []
    return Encoding(label_map, classes, palette, False, [], [])


def _notes_of_shapes(found: Sequence[tuple[str, Export]]) -> list[str]:
    skipped = sum((export.skipped for _, export in found), Counter())
    filled = sum(export.filled for _, export in found)
    notes = []
    if skipped:
        kinds = ', '.join(f'{kind} ({n})' for kind, n in skipped.most_common())
        notes.append(f'shapes without an area are left out: {kinds}')
    if filled:
        notes.append(f'{filled} regions are boxes, and all in a box is taken for its class')
    return notes


def note_of_unlabelled(images: Sequence[Path], root: Path) -> str:
    """The line of a report on images to be labelled."""
    shown = ', '.join(path.relative_to(root).as_posix() for path in images[:3])
    more = ', ...' if len(images) > 3 else ''
    return f'{len(images)} images have no labels yet and are not trained: {shown}{more}'
