"""Which pairs train and which validate: what must not lie on both sides stays together."""
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np

from ..masks.encoding import IGNORE, Encoding
from ..utils.errors import InputError, first_of, some
from .inspect_pairs import Inspected, class_shares
from .series import find_series, note_of_series


def split(found: Sequence[Inspected], encoding: Encoding, root: Path, val_share: float,
          seed: int, group: str | None, notes: list[str], faults: list[str]
          ) -> dict[str, list[Inspected]]:
    """By folders and lists where there are some, else by seed.

    Args:
        found (Sequence[Inspected]): The pairs that can be used.
        encoding (Encoding): Of their masks.
        root (Path): The folder of the data.
        val_share (float): Of validation, where there is no split, between 0 and 1.
        seed (int): Of that split.
        group (str, optional): A regular expression that matches each image's path in
            ``root``, without suffix and with '/', from its start on. Images whose match, or
            whose first part in parentheses, is the same stay on one side.
        notes, faults (list[str]): What is found is added.

    Returns:
        dict[str, list[Inspected]]: 'train', 'val' and perhaps 'test'.

    Raises:
        ValueError: If fewer than two different images train, or ``group`` is no regular
            expression, matches not all, or makes one group of all that would be split.
    """
    grouped = _grouped(found, root, group)
    splits = {name: [item for item in found if (item.pair.split or '') == name]
              for name in dict.fromkeys(item.pair.split or '' for item in found)}
    alone = splits.pop('', [])
    for name in sorted({'val', 'test'} & splits.keys()):
        labels = {encoding.label_map.get(v) for item in splits[name] for v in item.counts}
        if not encoding.faults and len(labels - {IGNORE}) < 2 <= len(splits):
            notes.append(f"{len(splits.pop(name))} pairs of '{name}' are left out: their "
                         'masks have one class at most throughout and judge nothing')
    if splits and alone:
        become = 'left out' if 'train' in splits else 'trained on'
        notes.append(f'{len(alone)} pairs are in no split and {become}, such as '
                     f'{alone[0].pair.image}')
    pool = splits.pop('train', alone)
    if not pool:  # no training split: whatever is not for testing
        pool = splits.pop('val', []) or splits.pop('test', [])
    if 'val' in splits:
        splits = dict(train=pool, **splits)
    else:
        if len({item.digest for item in pool}) < 2:
            raise InputError(f'{len(pool)} training pairs, expected at least 2 different '
                             'ones: one of them validates')
        new = make_split(pool, encoding, val_share, seed, grouped)
        chosen = ''
        if grouped:
            of_pool, of_val = ({grouped[item.pair.image] for item in items}
                               for items in (pool, new['val']))
            first = ', '.join(first_of(sorted(of_val), 3))
            chosen = f', {len(of_val)} of {len(of_pool)} groups ({first})'
        elif series := find_series([_name_in(root, item) for item in pool],
                                   np.stack([item.look for item in pool])):
            notes.append(note_of_series(series))
        notes.append(f'there is no validation split: {len(new["val"])} of {len(pool)} '
                     f'pairs are chosen for it, by seed {seed}{chosen}')
        splits = dict(new, **splits)
    _find_apart(splits, grouped, notes, faults)
    return splits


def _find_apart(splits: dict[str, list[Inspected]], grouped: dict[Path, str],
                notes: list[str], faults: list[str]) -> None:
    """Images, and groups, that are in two splits; and images that one split has twice."""
    name_of = {item.pair.image: name for name, items in splits.items() for item in items}
    placed = [item for items in splits.values() for item in items]

    def where(same: list[Inspected]) -> list[str]:
        return sorted({name_of[item.pair.image] for item in same})

    apart, twice = list[str](), list[str]()
    for same in doubles(placed):
        names = ' = '.join(str(item.pair.image) for item in same[:3])
        if len(where(same)) > 1:
            apart.append(f'{names} ({" and ".join(where(same))})')
        else:
            twice.append(names)
    notes += some(twice, 'images are there more than once')
    faults += some(apart, 'images are in two splits, which makes results too good')
    groups = _by(placed, lambda item: grouped[item.pair.image]) if grouped else {}
    faults += some([f"'{name}' ({' and '.join(where(same))})"
                    for name, same in groups.items() if len(where(same)) > 1],
                   'groups of --group are in two splits, which makes results too good')


def _grouped(found: Sequence[Inspected], root: Path, pattern: str | None) -> dict[Path, str]:
    """The group of each image, by its path; none without a pattern."""
    if pattern is None:
        return {}
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise InputError(f'--group {pattern}: expected a regular expression, but it has '
                         f'{error}') from None
    matches = {item.pair.image: expression.match(_name_in(root, item)) for item in found}
    lone = [item for item in found if not matches[item.pair.image]]
    if lone:
        raise InputError(
            f'--group {pattern} does not match {len(lone)} of {len(found)} images, such as '
            f"'{_name_in(root, lone[0])}'; expected a regular expression for the path of each "
            'image in the folder, without suffix, from its start on')
    return {image: (match[1] or '') if expression.groups else match[0]
            for image, match in matches.items() if match}


def _name_in(root: Path, item: Inspected) -> str:
    """An image's path in a folder, without suffix and with '/'."""
    return item.pair.image.relative_to(root).with_suffix('').as_posix()


def _by(found: Sequence[Inspected], key: Callable[[Inspected], Hashable]
        ) -> dict[Hashable, list[Inspected]]:
    groups = defaultdict(list)
    for item in found:
        groups[key(item)].append(item)
    return dict(groups)


def doubles(found: Sequence[Inspected]) -> list[list[Inspected]]:
    """Groups of pairs whose images are the same to the pixel."""
    return [same for same in _by(found, lambda item: item.digest).values() if len(same) > 1]


def make_split(found: Sequence[Inspected], encoding: Encoding, share: float = 0.2,
               seed: int = 0, grouped: dict[Path, str] | None = None
               ) -> dict[str, list[Inspected]]:
    """Splits pairs into 'train' and 'val', the same way for the same names and seed.

    Images of one group, and those that are the same to the pixel, stay on one side. Training
    has each class, and validation each that it can spare, as far as its images go: what it
    lacks is not judged.

    Args:
        found (Sequence[Inspected]): At least two different images.
        encoding (Encoding): Of their masks.
        share (float): Of validation, between 0 and 1. Defaults to 0.2.
        seed (int): Another one makes another split. Defaults to 0.
        grouped (dict[Path, str], optional): The group of each image. Defaults to None: each
            is one of its own.

    Raises:
        ValueError: If all images are of one group.
    """

    def order(part):  # by name, so that new images do not shuffle the old ones
        name = min(groups.get(item.pair.image, item.pair.image.name) for item in part)
        return hashlib.sha1(f'{seed} {name}'.encode()).hexdigest()

    groups = grouped or {}
    wanted = max(1, round(share * len(found)))
    parts = sorted(_together(found, groups), key=order)
    if len(parts) < 2:
        raise InputError('--group makes one group of all images that would be split, expected '
                         'two at least: match less of their names')
    taken = _nearest(list(map(len, parts)), wanted, exact=bool(groups))
    count = len(taken)
    rest = sorted(set(range(len(parts))) - set(taken))
    parts = [parts[i] for i in taken + rest]
    sizes = np.array(list(map(len, parts)))
    most = max(sizes[:count].sum(), 2 * wanted) if groups else len(found)
    has = np.array([class_shares(part, encoding).images > 0 for part in parts], int)
    for new in range(count, len(parts)):
        val, train = has[:count].sum(0), has[count:].sum(0)
        untrained, judges = (val > 0) & (train == 0), has[new][val == 0].any()
        room = most - sizes[:count].sum()
        for old in range(count if judges or untrained.any() else 0):
            gain = has[new] - has[old]  # of validation, where training loses no class by it
            if sizes[new] - sizes[old] <= room and (train - gain >= (train > 0)).all() and (
                    has[old][untrained].any() or (
                        judges and (val + gain >= (val > 0)).all())):
                parts[old], parts[new] = parts[new], parts[old]
                has[[old, new]], sizes[[old, new]] = has[[new, old]], sizes[[new, old]]
                break
    return {name: sorted((item for part in half for item in part),
                         key=lambda item: item.pair.image)
            for name, half in (('train', parts[count:]), ('val', parts[:count]))}


def _nearest(sizes: Sequence[int], wanted: int, exact: bool) -> list[int]:
    """Indices of the first parts, one at least and not all, that have as many as wanted.

    With ``exact`` one is passed over where the sum would be no nearer with it.
    """
    taken, total = list[int](), 0
    for i, size in enumerate(sizes):
        if total < wanted and (not exact or abs(total + size - wanted) < wanted - total):
            taken.append(i)
            total += size
    return (taken or [int(np.argmin(sizes))])[:len(sizes) - 1]


def _together(found: Sequence[Inspected], grouped: dict[Path, str]) -> list[list[Inspected]]:
    """What must stay on one side: images of one group, doubles, and the groups of doubles."""
    first: dict[Hashable, Hashable] = {}

    def top(key: Hashable) -> Hashable:
        while first.setdefault(key, key) != key:
            key = first[key]
        return key

    for item in found:
        if item.pair.image in grouped:
            first[top(item.digest)] = top(('group', grouped[item.pair.image]))
    return list(_by(found, lambda item: top(item.digest)).values())
