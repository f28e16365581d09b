"""Own data: what is in a folder, what is wrong with it, and a config that trains on it."""
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from prettytable import PrettyTable
from rich.progress import track

from ..inference.predict import save_picture, spread
from ..masks.class_names import ClassNames, read_class_names
from ..masks.mask_blur import Surroundings, nothing_seen
from ..masks.mask_values import Encoding, find_encoding, read_mask, to_labels
from ..utils.errors import InputError
from ..utils.files import move_into, staging_folder
from ..utils.paths import config_path, shown, tool_command
from ..visualization import class_shares as class_shares_of
from ..visualization import (
    comparison,
    comparison_row,
    default_palette,
    merge_shares,
    save_label_png,
)
from .find_pairs import Pairing, find_pairs
from .inspect_pairs import (
    Inspected,
    class_shares,
    common_size,
    doubles,
    inspect_pairs,
    make_split,
    median_frequency_weights,
    turn,
)

#: The config that an own one inherits: small, and with weights that need no download.
_SMALL = 'fcn-8s_efficientnet-lite0_1xb8-20k_camvid-360x480.py'
_LONGEST_SIDE, _LARGEST_CROP = 1024, 512


class Checked(NamedTuple):
    """What is known of a data set.

    Attributes:
        root (Path): The folder.
        pairing (Pairing): Its files.
        splits (dict[str, list[Inspected]]): The pairs that can be used, by 'train',
            'val' and perhaps 'test'.
        encoding (Encoding): Values to classes.
        weights (list[float]): Suggested class weights.
        notes (list[str]): What was assumed or is worth knowing.
        faults (list[str]): What is wrong.
        convert (bool): Whether masks must be written anew before training.
    """
    root: Path
    pairing: Pairing
    splits: dict[str, list[Inspected]]
    encoding: Encoding
    weights: list[float]
    notes: list[str]
    faults: list[str]
    convert: bool


def check_dataset(root: str, images: str | None = None, masks: str | None = None,
                  classes: Sequence[str] | None = None,
                  ignore: Sequence[int | str] = (), val_share: float = 0.2,
                  seed: int = 0, blurred: bool = False,
                  unturned_masks: bool = False) -> Checked:
    """Reads a folder of images and masks and finds out what can be found out.

    Args:
        root (str): The folder; see :func:`find_pairs` for the layouts.
        images, masks (str, optional): Folders in it, where their names do not say.
        classes (Sequence[str], optional): Names in the order of their values. Defaults to
            None: as many as there are values.
        ignore (Sequence[int or str]): Values of pixels that do not count, which are no
            classes; of coloured masks '#rrggbb'. Defaults to none.
        val_share (float): Of validation, where there is no split. Defaults to 0.2.
        seed (int): Of that split. Defaults to 0.
        blurred (bool): Whether pixels take the nearest of the frequent values, also where
            blur is not proven. Defaults to False.
        unturned_masks (bool): Whether masks lie on images as they are stored where EXIF
            data turn these and sizes leave it open. Defaults to False.

    Raises:
        NotADirectoryError: If there is no such folder.
        ValueError: If there are no two pairs that can be used, or ``ignore`` names a value
            that no mask has.
    """
    if not 0 < val_share < 1:
        raise InputError(f'--val-share must lie between 0 and 1, but is {val_share}')
    folder = Path(root)
    pairing = find_pairs(folder, images, masks)
    found = list(track(inspect_pairs(pairing.pairs), 'reading', len(pairing.pairs),
                       transient=True))
    faults, notes = _faults_of_names(pairing, folder), list(pairing.notes)
    found = _turned(found, unturned_masks, notes)
    faults += _some([item.fault for item in found if item.fault], 'pairs cannot be used')
    usable = [item for item in found if not item.fault]
    if len({item.digest for item in usable}) < 2:
        raise InputError(f'{root}: {len(usable)} pairs of an image and a mask can be used, '
                         'expected at least 2 different ones. ' + '; '.join(faults[:4]))
    usable, kind_faults = _of_one_kind(usable)
    faults += kind_faults
    counts: Counter = Counter()
    around = nothing_seen()
    for item in usable:
        counts.update(item.counts)
        for total, part in zip(around, item.around or ()):
            total.update(part)
    names, name_notes = read_class_names(folder)
    notes += name_notes
    if names and names.kind == 'colours' and not usable[0].colours:
        names = _through_palette(names, usable)
    lossy = 2 * sum(map(_is_lossy, usable)) > len(usable)
    encoding = find_encoding(dict(counts), usable[0].colours, classes, ignore, names, around,
                             lossy, blurred)
    faults += encoding.faults
    notes += encoding.notes
    splits = _split(usable, val_share, seed, notes, faults)
    _note_kinds(usable, notes)
    shares = class_shares(splits['train'], encoding)
    absent = [name for name, n in zip(encoding.classes, shares.images) if not n]
    if absent:
        notes.append('classes in no training image: ' + ', '.join(absent))
    convert = encoding.colours or bool(set(counts) - set(encoding.label_map)) or any(
        item.turned or not item.plain for item in usable)
    return Checked(folder, pairing, splits, encoding, median_frequency_weights(shares), notes,
                   faults, convert)


def _through_palette(names: ClassNames, found: list[Inspected]) -> ClassNames:
    """Names of colours as names of values, where all masks have one palette."""
    palettes = set()
    for item in found:
        with Image.open(item.pair.mask) as mask:
            palettes.add(bytes((mask.getpalette() or ()) if mask.mode == 'P' else ()))
    entries = palettes.pop()
    if palettes or not entries:
        return names
    used = sorted({value for item in found for value in item.counts if value is not None})
    values = {int.from_bytes(entries[3 * v:3 * v + 3], 'big'): v for v in reversed(used)}
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
    return item.pair.mask.suffix.lower() in ('.jpg', '.jpeg')


def _some(lines: list[str], what: str, most: int = 5) -> list[str]:
    """The first few of many, and how many there are."""
    if not lines:
        return []
    more = [f'... and {len(lines) - most} more'] if len(lines) > most else []
    return [f'{len(lines)} {what}: ' + '; '.join(lines[:most] + more)]


def _faults_of_names(pairing: Pairing, root: Path) -> list[str]:
    def names(files):
        return [str(path.relative_to(root)) for path in files]
    faults = _some(names(pairing.lone_images), 'images have no mask of their name')
    faults += _some(names(pairing.lone_masks), 'masks have no image of their name')
    if pairing.unclear:
        first = names(pairing.unclear[0])
        faults.append(
            f'several masks would fit {len(pairing.unclear)} images, such as {first[0]}: '
            f'{", ".join(first[1:4])}. Name the folder of the right ones by --masks, or move '
            'the others away')
    elif faults and not pairing.pairs:
        faults.append('call a mask like its image, or NAME_mask.png, or name the folders by '
                      '--images and --masks')
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
    return many, _some([str(item.pair.mask) for item in few], f'masks are {what}')


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
    if item.mask_mode not in ('grey in 3 channels', 'grey in 4 channels'):
        return False
    known = {value for other in coloured for value in other.counts}
    return _is_lossy(item) or {v and v * 0x010101 for v in item.counts} <= known | {
        0, 0xFFFFFF}


def _split(found: list[Inspected], val_share: float, seed: int, notes: list[str],
           faults: list[str]) -> dict[str, list[Inspected]]:
    """By folders and lists where there are some, else by seed."""
    given: dict[str, list[Inspected]] = {}
    for item in found:
        given.setdefault(item.pair.split or '', []).append(item)
    splits = {name: items for name, items in given.items() if name}
    alone = given.get('', [])
    if splits and alone:
        notes.append(f'{len(alone)} pairs are in no split and left out, such as '
                     f'{alone[0].pair.image}')
    pool = splits.pop('train', []) if splits else alone
    if not pool:  # no training split: whatever is not for testing
        pool = splits.pop('val', []) or splits.pop('test', [])
    if 'val' in splits:
        splits = dict(train=pool, **splits)
    else:
        if len({item.digest for item in pool}) < 2:
            raise InputError(f'{len(pool)} training pairs, expected at least 2 different '
                             'ones: one of them validates')
        new = make_split(pool, val_share, seed)
        notes.append(f'there is no validation split: {len(new["val"])} of {len(pool)} '
                     f'pairs are chosen for it, by seed {seed}')
        splits = dict(new, **splits)
    lines = []
    for group in doubles([item for items in splits.values() for item in items]):
        where = {name for name, items in splits.items() for item in group if item in items}
        names = ' = '.join(str(item.pair.image) for item in group[:3])
        if len(where) > 1:
            lines.append(f'{names} ({" and ".join(sorted(where))})')
        else:
            notes.append(f'the same image more than once: {names}')
    faults += _some(lines, 'images are in two splits, which makes results too good')
    return splits


def _note_kinds(found: list[Inspected], notes: list[str]) -> None:
    deep = [item for item in found if item.image_mode.startswith(('I', 'F'))]
    if deep:
        notes.append(f'{len(deep)} images have 16 bits or more a channel, such as '
                     f'{deep[0].pair.image}; they are read as 8 bits')
    lossy = [item for item in found if _is_lossy(item)]
    if lossy:
        notes.append(f'{len(lossy)} masks are JPEG, which changes labels: save masks as PNG')
    uniform = [item for item in found if len(item.counts) == 1]
    if uniform:
        notes.append(f'{len(uniform)} masks are of a single value, such as '
                     f'{uniform[0].pair.mask}')


# --- what is printed ------------------------------------------------------------------


def report(checked: Checked) -> str:
    """The findings as text."""
    splits, encoding = checked.splits, checked.encoding
    usable = [item for items in splits.values() for item in items]
    sizes = Counter(item.size for item in usable).most_common()
    shown = ', '.join(f'{w}x{h} ({n})' for (h, w), n in sizes[:3])
    if len(sizes) > 3:
        shown += f' and {len(sizes) - 3} other sizes'
    modes = Counter(item.mask_mode for item in usable).most_common()
    lines = [
        f'{checked.root}: {len(usable)} pairs to use, '
        + ', '.join(f'{len(items)} {name}' for name, items in splits.items()),
        f'images  {shown}', 'masks   ' + ', '.join(f'{m} ({n})' for m, n in modes)
    ]
    table = PrettyTable(['class', 'name', 'colour' if encoding.colours else 'value',
                         *(f'% of {name}' for name in splits),
                         *(f'images of {name}' for name in splits), 'weight'])
    table.align, table.align['name'] = 'r', 'l'
    shares = {name: class_shares(items, encoding) for name, items in splits.items()}
    for i, name in enumerate(encoding.classes):
        values = [f'#{v:06x}' if encoding.colours else str(v)
                  for v, label in encoding.label_map.items() if label == i]
        table.add_row([
            i, name, ' '.join(values) or '-',
            *(f'{100 * s.pixels[i] / max(1, s.pixels.sum()):.2f}' for s in shares.values()),
            *(s.images[i] for s in shares.values()), checked.weights[i]])
    lines.append(str(table))
    lines += [f'note    {note}' for note in checked.notes]
    lines += [f'FAULT   {fault}' for fault in checked.faults]
    if checked.convert:
        lines.append('note    the masks cannot be read as labels as they are; with --out DIR '
                     'converted copies are written there')
    return '\n'.join(lines)


# --- what is written --------------------------------------------------------------------


def write_config(checked: Checked, out: str, base: str | None = None,
                 class_weights: bool = False, overwrite: bool = False) -> Path:
    """Writes ``config.py``, a list a split, a picture and, where needed, converted masks.

    Args:
        checked (Checked): From :func:`check_dataset`.
        out (str): The folder.
        base (str, optional): Which of configs/fcn is inherited. Defaults to None: FCN-8s
            on EfficientNet-Lite0.
        class_weights (bool): Whether the loss weighs classes. Defaults to False.
        overwrite (bool): Whether files of a former call may be replaced. Defaults to
            False.

    Returns:
        Path: The config.

    Raises:
        FileExistsError: If there is a config already and it may not be replaced.
        ValueError: If there are faults of labels, which would train the wrong thing.
    """
    folder = Path(out).resolve()
    if (folder / 'config.py').exists() and not overwrite:
        raise FileExistsError(f'there is {folder / "config.py"} already: give --overwrite, '
                              'or another --out')
    if checked.encoding.faults:
        raise InputError('no config is written, as it would train the wrong thing: '
                         + '; '.join(checked.encoding.faults))
    parent = config_path(f'fcn/{(base or _SMALL).removesuffix(".py")}.py')
    text = _config_text(checked, folder, parent, class_weights)
    root = checked.root.resolve()
    with staging_folder(folder) as staging:
        (staging / 'config.py').write_text(text, encoding='utf-8')
        for name, items in checked.splits.items():
            lines = []
            for item in items:
                # As they are found: links in the folder may lead anywhere.
                image, mask = (file.relative_to(checked.root) for file in item.pair[:2])
                if checked.convert:
                    mask = Path(os.path.relpath(folder / _copy_of(mask), root))
                lines.append(f'{image.as_posix()}\t{mask.as_posix()}')
            (staging / f'{name}.txt').write_text('\n'.join(lines) + '\n', encoding='utf-8')
        if checked.convert:
            _convert(checked, staging)
        save_picture(staging / 'overview.png', draw(checked))
        move_into(staging, folder)
    return folder / 'config.py'


def _copy_of(mask: Path) -> Path:
    """Where a mask's converted copy lies; both paths are relative."""
    return Path('masks', mask).with_suffix('.png')


def _convert(checked: Checked, folder: Path) -> None:
    encoding = checked.encoding
    palette = encoding.palette or default_palette(len(encoding.classes)).tolist()
    items = [item for items in checked.splits.values() for item in items]
    for item in track(items, 'converting masks', transient=True):
        file = folder / _copy_of(item.pair.mask.relative_to(checked.root))
        file.parent.mkdir(parents=True, exist_ok=True)
        save_label_png(file, _labels(item, encoding), palette)


def _labels(item: Inspected, encoding: Encoding) -> np.ndarray:
    """A pair's classes, (H, W) uint8."""
    mask = read_mask(item.pair.mask)
    values = mask.values
    if encoding.colours and not mask.colours:  # wholly grey among coloured ones
        values = values * 0x010101
    return to_labels(turn(values, item.orientation if item.turned else 1), encoding)


def draw(checked: Checked, rows: int = 6) -> np.ndarray:
    """A picture of training images and what their masks are taken for.

    First those with the most of the rarest classes, then others, evenly spread.

    Args:
        checked (Checked): From :func:`check_dataset`.
        rows (int): Most images. Defaults to 6.

    Returns:
        np.ndarray: RGB uint8.
    """
    encoding, train = checked.encoding, checked.splits['train']
    shares = [class_shares([item], encoding).pixels for item in train]
    chosen: list[int] = []
    for label in np.argsort(np.sum(shares, axis=0), kind='stable'):
        best = max(range(len(train)), key=lambda i: shares[i][label])
        if shares[best][label] and best not in chosen and len(chosen) < rows:
            chosen.append(best)
    rest = [i for i in range(len(train)) if i not in chosen]
    chosen += [rest[i] for i in spread(len(rest), rows - len(chosen))]
    palette = encoding.palette or default_palette(len(encoding.classes)).tolist()
    background = 0 if encoding.classes[0] == 'background' else None
    pictures, captions, present = [], [], []
    for item in (train[i] for i in chosen):
        with Image.open(item.pair.image) as file:
            pixels = np.asarray(ImageOps.exif_transpose(file).convert('RGB'))
        labels = _labels(item, encoding)
        pictures.append(comparison_row(pixels, labels, None, palette, background=background))
        captions.append(item.pair.image.name)
        present.append(class_shares_of(labels, len(encoding.classes)))
    return comparison(pictures, ['image', 'mask'], captions, encoding.classes, palette,
                      merge_shares(present), background)


def _config_text(checked: Checked, folder: Path, parent: Path, class_weights: bool) -> str:
    encoding, train = checked.encoding, checked.splits['train']
    height, width = common_size(train)
    long, short = max(height, width), min(height, width)
    large = long > _LONGEST_SIDE
    if large:
        short, long = max(32, round(short * _LONGEST_SIDE / long)), _LONGEST_SIDE
    sides = (short, long) if height <= width else (long, short)
    crop = tuple(max(32, min(_LARGEST_CROP, side // 32 * 32)) for side in sides)
    batch = min(4, len(train))
    max_iters = min(20000, max(400, 30 * len(train) // batch))
    palette = encoding.palette or default_palette(len(encoding.classes)).tolist()
    test = 'test' if 'test' in checked.splits else 'val'
    resize = large * (
        f"\n    dict(type='Resize', scale=({long}, {short}), keep_ratio=True),"
        '\n    # after Resize: the truth keeps its own size')
    data_map = '' if encoding.identity or checked.convert else (
        f'\n    label_map={sorted(encoding.label_map.items())},  # value in a mask, class')
    hint = '' if class_weights else '# '
    weights = _wrapped(checked.weights).replace('\n', f'\n{hint}')
    data_root = _seen_from(folder, checked.root.resolve())
    # Quotes around the path that mmengine puts into the text.
    here, around = '{{ fileDirname }}', f'{folder}/{data_root}'
    quote = next((mark for mark in ("'", '"') if mark not in around), '\'\'\'')
    if Path(data_root).is_absolute():
        data_root = repr(data_root)
    else:
        data_root = f'{quote}{here}/{data_root}{quote}'
    return f'''# Written by tools/misc/check_dataset.py. Train, look, predict:
#   python tools/train.py {shown(folder / "config.py")}
_base_ = {_seen_from(folder, parent.resolve())!r}
work_dir = {f"work_dirs/{folder.name}"!r}
lists = {quote}{here}{quote}  # this file's folder
data_root = {data_root}
classes = {_wrapped(encoding.classes)}
palette = {_wrapped(palette)}
batch_size = {batch}
lr = 5e-4
max_iters = {max_iters}
crop_size = {crop}  # height, width

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=({long}, {short}), ratio_range=(0.5, 2.0),
         keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),{resize}
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')
]
data = dict(
    type='ListDataset', data_root=data_root,{data_map}
    metainfo=dict(classes=classes, palette=palette))
train_dataloader = dict(
    batch_size=batch_size, num_workers=2,
    dataset=dict(_delete_=True, **data, ann_file=f'{{lists}}/train.txt',
                 pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1, num_workers=2,
    dataset=dict(_delete_=True, **data, ann_file=f'{{lists}}/val.txt',
                 pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1, num_workers=2,
    dataset=dict(_delete_=True, **data, ann_file=f'{{lists}}/{test}.txt',
                 pipeline=test_pipeline))

model = dict(decode_head=dict(num_classes=len(classes)), test_cfg=dict(rescale=True))
# Rare classes count more, which helps them and costs frequent ones a little:
{hint}model['decode_head']['loss_decode'] = dict(
{hint}    class_weight={weights})
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=lr, weight_decay=0.01),
    # the head is new, the backbone is not
    paramwise_cfg=dict(_delete_=True, custom_keys=dict(decode_head=dict(lr_mult=10))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=50, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters // 4)
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=max_iters // 4))
randomness = dict(seed=0)
'''


def _seen_from(folder: Path, path: Path) -> str:
    """Relative, so that both may be moved together, or as it is where they lie far apart."""
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return path.as_posix() if relative.startswith('../../../') else relative


def _wrapped(values: Sequence) -> str:
    """A tuple or list over as many lines as it needs."""
    values = list(values)
    open_, close = ('(', ',)' if len(values) == 1 else ')') if all(
        isinstance(value, str) for value in values) else ('[', ']')
    lines, line = [], ''
    for i, value in enumerate(values):
        # Two braces would be taken for one of mmengine's variables.
        piece = repr(value).replace('{{', '{\\x7b') + (', ' if i < len(values) - 1 else '')
        if len(line) + len(piece) > 84:
            lines.append(line.rstrip())
            line = ''
        line += piece
    lines.append(line)
    return open_ + '\n    '.join(lines) + close


def check_and_write(root: str, out: str | None = None, base: str | None = None,
                    class_weights: bool = False, overwrite: bool = False,
                    **options) -> bool:
    """What ``tools/misc/check_dataset.py`` does: checks, reports and writes.

    Returns:
        bool: Whether nothing is wrong with the data.
    """
    checked = check_dataset(root, **options)
    print(report(checked))
    if out is None:
        print('\nNothing was written. A config, lists of the splits and what else is needed: '
              '--out DIR')
    else:
        config = shown(write_config(checked, out, base, class_weights, overwrite))
        left = ', without what is faulty' if checked.faults else ''
        print(f'\nwritten to {Path(config).parent}{os.sep}{left}: look at overview.png; '
              'next\n'
              f'  {tool_command("train.py", config)}\n'
              'then, with the checkpoint that it names\n  '
              + tool_command('predict.py', '--config', config, '--weight-path', 'CHECKPOINT',
                             '--img-path', 'YOUR.jpg'))
    return not checked.faults
