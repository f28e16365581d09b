"""What was found in own data, as text and as a picture."""
from collections import Counter
from pathlib import Path

import numpy as np
from prettytable import PrettyTable

from ..images.exif import turn
from ..images.reading import read_image
from ..inference.predict import spread
from ..layouts.several_masks import may_be_classes
from ..masks.colours import as_written
from ..masks.encoding import Encoding, to_labels
from ..masks.reading import read_mask
from ..utils.errors import first_of
from ..visualization import class_shares as class_shares_of
from ..visualization import comparison, comparison_row, default_palette, merge_shares
from .inspect_pairs import Checked, Inspected, class_shares, may_number_objects


def notes_of_several(root: Path, found: list[Inspected], encoding: Encoding) -> list[str]:
    """What looks like masks of several classes, or of objects."""
    names = may_be_classes(root, [item.pair.mask for item in found])
    if names and len(encoding.classes) < 3:
        shown = ', '.join(first_of(names, 6))
        return [f'masks lie in the folders {shown}, and are of one class all the same: if '
                'each folder is a class, give --class-folders']
    if may_number_objects(found):
        return [f'values count up from 1 in each mask, to {len(encoding.classes) - 1} at '
                'most, as the numbers of objects do: if they are no classes, give --instances']
    return []


def report(checked: Checked, written: bool = False) -> str:
    """The findings as text.

    Args:
        checked (Checked): From :func:`check_dataset`.
        written (bool): Whether masks are converted without being asked for. Defaults to
            False: the text says how.
    """
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
        f'images  {shown}', 'masks   ' + (
            checked.source or ', '.join(f'{m} ({n})' for m, n in modes))]
    table = PrettyTable(['class', 'name', 'colour' if encoding.colours else 'value',
                         *(f'% of {name}' for name in splits),
                         *(f'images of {name}' for name in splits), 'weight'])
    table.align, table.align['name'] = 'r', 'l'
    shares = {name: class_shares(items, encoding) for name, items in splits.items()}
    for i, name in enumerate(encoding.classes):
        values = [as_written(v, encoding.colours) for v, label in encoding.label_map.items()
                  if label == i]
        table.add_row([
            i, name, ' '.join(values) or '-',
            *(f'{100 * s.pixels[i] / max(1, s.pixels.sum()):.2f}' for s in shares.values()),
            *(s.images[i] for s in shares.values()), checked.weights[i]])
    lines.append(str(table))
    lines += [f'note    {note}' for note in checked.notes]
    lines += [f'FAULT   {fault}' for fault in checked.faults]
    if checked.source and not written:
        lines.append('note    with --out DIR the masks are written there, and nothing beside '
                     'the images')
    elif checked.convert and not written:
        lines.append('note    the masks cannot be read as labels as they are; with --out DIR '
                     'converted copies are written there')
    return '\n'.join(lines)


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
        labels = labels_of(item, encoding)
        pictures.append(comparison_row(read_image(item.pair.image), labels, None, palette,
                                       background=background))
        captions.append(item.pair.image.name)
        present.append(class_shares_of(labels, len(encoding.classes)))
    return comparison(pictures, ['image', 'mask'], captions, encoding.classes, palette,
                      merge_shares(present), background)


def labels_of(item: Inspected, encoding: Encoding) -> np.ndarray:
    """A pair's classes at the size of its image, (H, W) uint8."""
    mask = read_mask(item.pair.mask)
    values = mask.values
    if encoding.colours and not mask.colours:  # wholly grey among coloured ones
        values = values * 0x010101
    labels = to_labels(turn(values, item.orientation if item.turned else 1), encoding)
    return labels.repeat(item.scale, 0).repeat(item.scale, 1)
