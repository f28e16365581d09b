"""YOLO segmentation: a text file an image, and data.yaml with the names of the classes.

A line is a class's number and the points of a polygon as shares of the sides:
https://docs.ultralytics.com/datasets/segment/
"""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..utils.errors import InputError
from ..utils.files import decoded_text, write_text
from ..utils.names import every_file, parts_of, plain
from .regions import STRANGE, Annotated, Export, Gathered, Region, export_of, joined, polygon


def names_in(file: Path) -> list[str] | None:
    """The classes of a data.yaml, or of the classes.txt that Label Studio and others write.

    Returns:
        list[str]: By number, or None: it is no such file, or there are no labels beside it.

    Raises:
        ValueError: If it is a data.yaml with names that are none, or of points (pose).
    """
    if not any((file.parent / each).is_dir() for each in ('labels', *_SPLITS)):
        return None
    if file.name == 'classes.txt':
        names: Any = [name.strip() for name in decoded_text(file).split('\n') if name.strip()]
    else:
        content = _content(file)
        if 'names' not in content:
            return None
        if content.get('kpt_shape'):
            raise InputError(f'{file}: it is of boxes with points (kpt_shape), and a box says '
                             'of no pixel what it is: export polygons (segmentation)')
        names = content['names']
        if isinstance(names, dict):
            if sorted(names, key=str) != sorted(range(len(names)), key=str):
                raise InputError(f'{file}: names must be numbered from 0 on, but are '
                                 f'{list(names)!r:.60}')
            names = [names[i] for i in range(len(names))]
        # No repr of what it is: lists that name lists can be of any length when written out.
        if not isinstance(names, list) or not names or not all(
                isinstance(name, (str, int, float)) for name in names):
            raise InputError(f'{file}: names is no list of texts, one for each class')
    return [str(name) for name in names] if _texts(file) else None


_SPLITS = ('train', 'val', 'valid', 'test')


def _content(file: Path) -> dict:
    """What a data.yaml holds; nothing where it is another file."""
    if file.name == 'classes.txt':
        return {}
    try:
        content = yaml.safe_load(file.read_text(encoding='utf-8-sig'))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f'{file}: it is no YAML: {error}') from None
    return content if isinstance(content, dict) else {}


def _split_of(folder: tuple[str, ...], content: dict) -> str | None:
    """The split of a folder of images, as seen from data.yaml, which that says: by the last
    names of its paths, as these may be from another place or machine."""
    found: dict[int, set[str]] = {0: set()}
    path = content.get('path')
    for split in ('train', 'val', 'test'):
        entries = content.get(split)
        for entry in entries if isinstance(entries, list) else [entries]:
            # No repr of what else it may be, as above.
            said = parts_of(f'{path}/{entry}' if isinstance(path, str) else entry) if (
                isinstance(entry, str)) else ()
            for count in range(1, min(len(said), len(folder)) + 1):
                if said[-count:] == folder[:count]:
                    found.setdefault(count, set()).add(split)
    nearest = found[max(found)]
    return nearest.pop() if len(nearest) == 1 else None  # one folder may be of several


def _texts(file: Path) -> list[Path]:
    """The labels: texts below a folder called labels."""
    return sorted(path for path in every_file(file.parent) if path.suffix == '.txt'
                  and 'labels' in path.relative_to(file.parent).parts[:-1])


def read(names: list[str], file: Path) -> Export:
    """The regions of all images that have a text. An empty one says that there is nothing.
    Smaller regions lie over larger ones, as Ultralytics trains on them.

    Args:
        names (list[str]): From :func:`names_in`.
        file (Path): The file that they are from.
    """
    gathered, images, content = [], [], _content(file)
    for path in _texts(file):
        parts = list(path.relative_to(file.parent).with_suffix('').parts)
        # The last folder of that name, as the tool replaces it.
        parts[len(parts) - 1 - parts[::-1].index('labels')] = 'images'
        found = Gathered(path, file.parent.joinpath(*parts).as_posix(), None)
        for number, line in enumerate(path.read_text(
                encoding='utf-8-sig', errors='replace').splitlines(), 1):
            try:
                if line.strip():
                    found.regions.append(_region(line.split(), names))
            except STRANGE as error:
                found.blame(f'line {number}', error)
        gathered.append(found)
        images.append(found.annotated(shares=True, by_area=True, split=_split_of(
            tuple(map(plain, parts[:-1])), content)))
    return export_of(gathered, images, names)


def _region(words: list[str], names: list[str]) -> Region:
    try:
        number, points = int(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        raise InputError(f'{" ".join(words)!r:.60} is not a number of a class and points'
                         ) from None
    if not 0 <= number < len(names):
        raise InputError(f'class {number} is none of the {len(names)} names (0 to '
                         f'{len(names) - 1})')
    if len(points) == 4:
        raise InputError('it is a box, and a box says of no pixel what it is: export polygons '
                         '(segmentation)')
    if np.abs(points).max(initial=0) >= 2:  # 2 is a point of a pose that can be seen
        raise InputError('points are shares of the sides, 0 to 1, but one is '
                         f'{max(points, key=abs):g}')
    return Region(names[number], (polygon(points), ))


def files_of(images: Sequence[Annotated], folder: Path) -> list[Path]:
    """The files that :func:`write` writes."""
    return [*(folder / 'labels' / Path(image.name).with_suffix('.txt') for image in images),
            folder / 'data.yaml']


def write(images: Sequence[Annotated], folder: Path, classes: Sequence[str]) -> list[Path]:
    """Writes proposals, a text an image, and data.yaml. The format has no place for scores.

    Args, Returns:
        See :func:`fcn_plugin.annotations.labelme.write`.
    """
    *files, table = files_of(images, folder)
    for image, file in zip(images, files):
        height, width = image.size  # type: ignore[misc]
        write_text(file, ''.join(
            f'{classes.index(region.name)} '
            + ' '.join(f'{v:.6f}' for v in (joined(region) / (width, height)).ravel()) + '\n'
            for region in image.regions))
    # No path: Ultralytics takes '.' for the folder that it is started in, none for the file's.
    write_text(table, yaml.safe_dump(dict(
        train='images', val='images', names=dict(enumerate(classes))),
        allow_unicode=True, sort_keys=False))
    return [*files, table]
