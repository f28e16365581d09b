"""Own data: what is in a folder, and what is wrong with it."""
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.progress import track

from ..drawn_masks.annotated import (
    Drawn,
    draw_annotations,
    note_of_unlabelled,
    read_annotations,
)
from ..drawn_masks.several_masks import draw_class_masks, draw_objects
from ..images.inputs import DARK
from ..layouts.find_pairs import find_pairs
from ..layouts.pairs import Pairing
from ..layouts.several_masks import find_class_masks, find_object_masks
from ..masks.class_names import ClassNames, of_label_ids, read_class_names
from ..masks.encoding import IGNORE
from ..masks.mask_blur import Surroundings, nothing_seen
from ..masks.mask_values import find_encoding
from ..masks.palettes import object_fault, palette_fault
from ..masks.reading import CUT_OUT, LOSSY
from ..utils.errors import InputError, some
from .findings import notes_of_several
from .inspect_pairs import (
    Checked,
    Inspected,
    class_shares,
    inspect_pairs,
    median_frequency_weights,
)
from .splits import split


def check_dataset(root: str, images: str | None = None, masks: str | None = None,
                  classes: Sequence[str] | None = None,
                  ignore: Sequence[int | str] = (), val_share: float = 0.2,
                  seed: int = 0, group: str | None = None, blurred: bool = False,
                  unturned_masks: bool = False, outside: str | None = None,
                  drawn: Path | None = None, class_folders: bool = False,
                  instances: bool = False) -> Checked:
    """Reads a folder of images and masks and finds out what can be found out.

    Regions that a labelling tool keeps are drawn as masks first.

    Args:
        root (str): The folder; see :func:`find_pairs` for the layouts. Or a file of regions
            in it.
        images, masks (str, optional): Folders in it, where their names do not say. With
            ``masks`` no regions are read.
        classes (Sequence[str], optional): Names in the order of their values. Defaults to
            None: as many as there are values.
        ignore (Sequence[int or str]): Values of pixels that do not count, which are no
            classes; of coloured masks '#rrggbb', of regions names. Defaults to none.
        val_share (float): Of validation, where there is no split. Defaults to 0.2.
        seed (int): Of that split. Defaults to 0.
        group (str, optional): A regular expression; see
            :func:`~fcn_plugin.own_data.splits.split`. Defaults to None.
        blurred (bool): Whether pixels take the nearest of the frequent values, also where
            blur is not proven. Defaults to False.
        unturned_masks (bool): Whether masks lie on images as they are stored where EXIF
            data turn these and sizes leave it open. Defaults to False.
        outside (str, optional): What pixels in no region are; see
            :func:`~fcn_plugin.drawn_masks.annotated.draw_annotations`.
        drawn (Path, optional): Where masks of regions are drawn, which must outlive what is
            returned. Defaults to None: regions are not read.
        class_folders (bool): Whether masks have two values and lie in a folder of their
            class; ``drawn`` takes what they make together. Defaults to False.
        instances (bool): Whether masks number objects, or hold one each, and all are of one
            class; ``drawn`` takes masks of that. Defaults to False.

    Raises:
        NotADirectoryError: If there is no such folder.
        ValueError: If there are no two pairs that can be used, or ``ignore`` names a value
            that no mask has.
    """
    if not 0 < val_share < 1:
        raise InputError(f'--val-share must lie between 0 and 1, but is {val_share}')
    folder, drawing, proposed = Path(root), None, list[str]()
    if class_folders and instances:
        raise InputError('--class-folders and --instances were given; expected one of them')
    if class_folders and drawn is not None:
        drawing = draw_class_masks(find_class_masks(folder, images, masks), folder, drawn,
                                   classes, ignore, outside)
    elif instances and drawn is not None:
        drawing = draw_objects(find_object_masks(folder, images, masks), folder, drawn,
                               classes, ignore, outside)
    elif drawn is not None and masks is None:
        drawing = _drawing(folder, drawn, images, classes, ignore, outside, proposed)
        folder = folder.parent if folder.is_file() else folder
    pairing = drawing.pairing if drawing else find_pairs(folder, images, masks)
    if outside is not None and not drawing:
        raise InputError(f'--outside {outside} is of regions, but {root} is read as masks: '
                         '--ignore VALUE leaves pixels of these out')
    if blurred and drawing:
        raise InputError(f'--blurred is of the values of masks, but those of {root} are '
                         f'{drawing.source}: leave it out')
    found = list(track(inspect_pairs(pairing.pairs), 'reading', len(pairing.pairs),
                       transient=True))
    faults = _faults_of_names(pairing, folder) + (drawing.faults if drawing else [])
    notes = proposed + pairing.notes
    found = _turned(found, unturned_masks, notes)
    faults += some([item.fault for item in found if item.fault], 'pairs cannot be used')
    usable = [item for item in found if not item.fault]
    if len({item.digest for item in usable}) < 2:
        raise InputError(f'{root}: {len(usable)} pairs of an image and a mask can be used, '
                         'expected at least 2 different ones. ' + '; '.join(
                             _named(faults[:4], drawn)))
    usable, kind_faults = _of_one_kind(usable)
    faults += kind_faults
    counts: Counter = Counter()
    around = nothing_seen()
    for item in usable:
        counts.update(item.counts)
        for total, part in zip(around, item.around or ()):
            total.update(part)
    if drawing:
        encoding = drawing.encoding
    else:
        names, name_notes = read_class_names(folder)
        notes += name_notes
        names = names or of_label_ids([item.pair.mask for item in usable], counts)
        if names and names.kind == 'colours' and not usable[0].colours:
            names = _through_palette(names, usable)
        lossy = 2 * sum(map(_is_lossy, usable)) > len(usable)
        encoding = find_encoding(dict(counts), usable[0].colours, classes, ignore, names,
                                 around, lossy, blurred)
        disagree = [classes is None and palette_fault(
            (item.pair.mask, item.palette) for item in usable)]
        if encoding.label_map.get(IGNORE) == IGNORE and IGNORE not in ignore:
            disagree.append(object_fault([(item.pair.mask, item.counts) for item in usable]))
        encoding.faults.extend(filter(None, disagree))
        notes += notes_of_several(folder, usable, encoding)
    faults += encoding.faults
    notes += encoding.notes
    splits = split(usable, encoding, folder, val_share, seed, group, notes, faults)
    _note_kinds(usable, notes)
    shares = class_shares(splits['train'], encoding)
    absent = [name for name, n in zip(encoding.classes, shares.images) if not n]
    if absent:
        notes.append('classes in no training image: ' + ', '.join(absent))
    convert = encoding.colours or bool(set(counts) - set(encoding.label_map)) or any(
        item.turned or item.scale > 1 or not item.plain for item in usable)
    checked = Checked(folder, pairing, splits, encoding, median_frequency_weights(shares),
                      notes, faults, convert)
    return _with_drawing(checked, drawing, drawn) if drawing and drawn else checked


def _drawing(root: Path, folder: Path, images: str | None, classes: Sequence[str] | None,
             ignore: Sequence[int | str], outside: str | None, notes: list[str]
             ) -> Drawn | None:
    """Masks of the regions in a folder, if there are some that somebody may have drawn."""
    found, broken = read_annotations(root)
    if not found:
        if root.is_file():
            raise InputError(broken[0] if broken else (
                f'{root}: this is a file of none of the formats that are read; expected a '
                'folder (unpack it first), or regions as docs/annotations.md lists them'))
        if broken:
            try:
                find_pairs(root, images)
            except InputError as error:
                raise InputError(f'{error}. {broken[0]}') from None
        return None
    scores = [region.score for _, export in found for one in export.images
              for region in one.regions]
    if None not in scores and root.is_dir():  # or there are no regions
        with suppress(InputError):
            if find_pairs(root, images).pairs:
                if scores:
                    notes.append(f'{len(scores)} regions are left alone beside masks: all '
                                 'have scores, so that a network has proposed them')
                return None
    drawing = draw_annotations(root.parent if root.is_file() else root, found, folder, images,
                               classes, ignore, outside)
    return drawing._replace(faults=broken + drawing.faults)


def _with_drawing(checked: Checked, drawing: Drawn, folder: Path) -> Checked:
    """What was found of masks that were drawn; they are named as their images are."""
    notes = _named(checked.notes, folder)
    if drawing.unlabelled:
        notes.append('to be labelled: '
                     + note_of_unlabelled(drawing.unlabelled, checked.root))
    return checked._replace(convert=True, drawn=folder, source=drawing.source, notes=notes,
                            faults=_named(checked.faults, folder),
                            unlabelled=drawing.unlabelled)


def _named(lines: Sequence[str], folder: Path | None) -> list[str]:
    return [line.replace(f'{folder}{os.sep}', 'what is drawn for ') for line in lines]


def _through_palette(names: ClassNames, found: list[Inspected]) -> ClassNames:
    """Names of colours as names of values, where all masks have one palette, or are grey."""
    entries = {value: colour for item in found for value, colour in item.palette.items()}
    one = all(item.palette.items() <= entries.items() and bool(item.palette) == bool(entries)
              for item in found)
    used = sorted({value for item in found for value in item.counts if value is not None})
    greys = {value * 0x010101: value for value in used}
    if not one or not entries and not greys.keys() <= names.names.keys():
        return names
    values = {entries[value]: value for value in reversed(used)} if entries else greys
    # Colours that no mask has keep their places in the list under values that none has.
    renamed = {values.get(colour, 1000 + i): name
               for i, (colour, name) in enumerate(names.names.items())}
    return names._replace(names=renamed, kind='values')


def _turned(found: list[Inspected], unturned_masks: bool, notes: list[str]
            ) -> list[Inspected]:
    """The pairs, with what their sizes leave open: if masks are turned like images.

    An image that EXIF data turn by half, or mirror, is as large as before; so is a square
    one. Where masks of others tell, they are taken for the same; else masks are taken for
    drawn on what viewers show.
    """
    turning = [item for item in found if item.orientation != 1 and not item.fault]
    sure = [item for item in turning if not item.unsure]
    stored = [item for item in sure if item.turned]
    shown = [item for item in sure if not item.turned]
    unsure = [item for item in turning if item.unsure]
    if stored:
        notes.append(
            f'{len(stored)} images are turned by their EXIF data but their masks are not, '
            f'such as {stored[0].pair.mask}: --out DIR writes copies that are turned alike')
    if not unsure:
        return found
    one = unsure[0].pair.image
    if stored and shown and not unturned_masks:
        fault = ('its EXIF data turn it, and whether its mask is turned as well cannot be '
                 f'told from the sizes: masks of others are ({shown[0].pair.mask}) and are '
                 f'not ({stored[0].pair.mask}). Save the image upright, or give '
                 '--unturned-masks if the mask lies on the image as it is stored')
        return [item._replace(fault=f'{item.pair.image}: {fault}')
                if item.unsure and not item.fault else item for item in found]
    turned = unturned_masks or bool(stored)
    why = '--unturned-masks says so' if unturned_masks else (
        'those of others are' if stored else 'so are those of others' if shown else
        'if they lie on the images as they are stored: --unturned-masks')
    notes.append(
        f'{len(unsure)} images are turned or mirrored by their EXIF data without another '
        f'size, such as {one}. Their masks are taken for drawn on the images as they are '
        f'{"stored" if turned else "shown"}; {why}')
    return [item._replace(turned=turned) if item.unsure else item for item in found]


def _is_lossy(item: Inspected) -> bool:
    return item.pair.mask.suffix.lower() in LOSSY


def _faults_of_names(pairing: Pairing, root: Path) -> list[str]:
    def names(files):
        return [str(path.relative_to(root)) for path in files]
    faults = some(names(pairing.lone_images), 'images have no mask of their name')
    taken = {pair.mask.stem for pair in pairing.pairs}
    for lone, what in (
            ([file for file in pairing.lone_masks if file.stem not in taken],
             'masks have no image of their name'),
            ([file for file in pairing.lone_masks if file.stem in taken], 'masks are called '
             'like those that are taken; move away whichever are not the right ones')):
        faults += some(names(lone), what)
    if pairing.unclear:
        first = names(pairing.unclear[0])
        one, many = 'masks', 'images'
        if pairing.unclear[0][0] in pairing.lone_masks:
            one, many = many, one
        faults.append(
            f'several {one} would fit {len(pairing.unclear)} {many}, such as {first[0]}: '
            f'{", ".join(first[1:4])}. Name the folder of the right ones by --{one}, or move '
            'the others away' + ('; if each lies in the folder of a class, or is called '
                                 'NAME_CLASS.png, give --class-folders'
                                 if one == 'masks' else ''))
    elif faults and not pairing.pairs:
        faults.append('call a mask like its image, or NAME_mask.png, or name the folders by '
                      '--images and --masks; if masks lie in folders of their classes, or are '
                      'called NAME_CLASS.png, give --class-folders; if each folder has an '
                      'image and a mask of each object, give --instances')
    return faults


def _of_one_kind(found: list[Inspected]):
    """The pairs whose masks are of the more frequent of labels and colours."""
    coloured = [item for item in found if item.colours]
    # A black mask among coloured ones reads as grey 0.
    others = [item for item in found if not item.colours]
    if not coloured:
        return found, []
    if all(_is_grey_of(item, coloured) for item in others):
        return [item if item.colours else _as_colours(item) for item in found], []
    few, many = sorted((coloured, others), key=len)
    what = 'coloured, most are labels' if few is coloured else 'labels, most are coloured'
    return many, some([str(item.pair.mask) for item in few], f'masks are {what}')


def _as_colours(item: Inspected) -> Inspected:
    """A grey mask, in three channels, as one of colours."""
    def colours(counts):
        return Counter({None if v is None else v * 0x010101: n for v, n in counts.items()})
    around = item.around
    if around:
        pixels, inside, between = map(colours, around[:3])
        around = Surroundings(pixels, inside, between, Counter(
            number=around.steps['number'], sum=3 * around.steps['sum']))
    return item._replace(colours=True, counts=dict(colours(item.counts)), around=around)


def _is_grey_of(item: Inspected, coloured: list[Inspected]) -> bool:
    if not item.mask_mode.startswith('grey in'):
        return False
    known = {value for other in coloured for value in other.counts}
    return _is_lossy(item) or {v and v * 0x010101 for v in item.counts} <= known | {
        0, 0xFFFFFF}


def _note_kinds(found: list[Inspected], notes: list[str]) -> None:
    deep = [item for item in found if item.most]
    if deep:
        notes.append(f'{len(deep)} images have 16 bits or more a channel, such as '
                     f'{deep[0].pair.image}; they are read as 8 bits')
    real = [item for item in deep if item.image_mode.startswith('F')]
    for items, what, limit in (
            ([item for item in deep if item not in real and item.most < DARK << 8 and (
                item.most > 255 or item.image_mode != 'I')],
             'of 16 bits are nearly black as 8 bits', 'of 65535'),
            ([item for item in real if item.most > 255],
             'of real numbers have values above 255, which are cut off', 'of 255')):
        if items:
            notes.append(f'{len(items)} images {what}, such as {items[0].pair.image}, whose '
                         f'largest value is {items[0].most:g} {limit}: scale the values of '
                         'all by one factor first')
    for files, what in (
            ([f'{item.pair.image} ({item.pages})' for item in found if item.pages > 1],
             'images have several pages, of which the first is seen'),
            ([item.pair.image for item in found if item.unseen],
             'images have channels that are no colours, such as infrared or transparency, and '
             'are not seen (docs/faq.md has what trains on all channels)'),
            ([item.pair.mask for item in found if item.scale > 1],
             'masks are a half, a third or a quarter as large as their images (--out DIR '
             "writes copies of their images' size)"),
            ([item.pair.mask for item in found if item.mask_mode == CUT_OUT],
             'masks have their shapes in their transparency (transparent pixels are 0, others '
             '255)'),
            ([item.pair.mask for item in found if _is_lossy(item)],
             'masks are JPEG, which changes labels (save masks as PNG)'),
            ([item.pair.mask for item in found if len(item.counts) == 1],
             'masks are of a single value')):
        if files:
            notes.append(f'{len(files)} {what}, such as {files[0]}')
