"""Supervisely: a JSON file an image, in ``ann`` beside ``img``, and meta.json above.

https://developer.supervisely.com/getting-started/supervisely-annotation-format
"""
import zlib
from pathlib import Path
from typing import Any

from ..utils.errors import InputError
from .files import decoded, png_mask
from .regions import (
    STRANGE,
    Bitmap,
    Export,
    Gathered,
    Region,
    box,
    export_of,
    polygon,
    size_of,
)

_NO_AREA = ('line', 'point', 'graph', 'cuboid', 'cuboid_2d')
_MOST_BYTES = 2 ** 28


def is_export(content: Any) -> bool:
    """Whether what a JSON file holds is Supervisely's, of an image or of a project."""
    if not isinstance(content, dict):
        return False
    classes = content.get('classes')
    return isinstance(content.get('objects'), list) and isinstance(
        content.get('size'), dict) or isinstance(classes, list) and bool(classes) and all(
        isinstance(each, dict) and 'title' in each and 'shape' in each for each in classes)


def read(content: dict, file: Path) -> Export:
    """The regions of an image, or the classes of a project. An image without objects is to
    be labelled: the format has a file for it all the same."""
    if 'objects' not in content:
        titles = [str(each['title']) for each in content['classes']]
        return export_of([], [], titles)
    image = file.parent.parent / 'img' / file.stem
    found = Gathered(file, image.as_posix(), None)
    try:
        found.size = size_of(content['size'].get('height'), content['size'].get('width'))
    except InputError as error:
        found.blame('size', error)
    for number, each in enumerate(content['objects'], 1):
        try:
            _add(found, each)
        except STRANGE as error:
            found.blame(f'object {number}', error)
    rings = [ring for region in found.regions for ring in (*region.outlines, *region.holes)]
    # What its window draws has fractions; what its server and its library write has none.
    if all((ring == ring.round()).all() for ring in rings):
        found.regions = [region._replace(through_pixels=True) for region in found.regions]
    return export_of([found], [found.annotated(labelled=bool(content['objects']))])


def _add(found: Gathered, each: dict) -> None:
    kind, name = each.get('geometryType'), str(each['classTitle'])
    if kind in _NO_AREA:
        found.skipped[kind] += 1
        return
    if kind == 'bitmap':
        left, top = (int(v) for v in each['bitmap']['origin'])
        try:
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(decoded(each['bitmap']['data']), _MOST_BYTES)
        except zlib.error as error:
            raise InputError(f'its bitmap is damaged: {error}') from None
        found.regions.append(Region(name, bitmap=Bitmap(png_mask(data), left, top)))
    elif kind == 'polygon':
        points = each['points']
        found.regions.append(Region(name, (polygon(points['exterior']), ), tuple(
            polygon(hole) for hole in points.get('interior') or ())))
    elif kind == 'rectangle':
        (left, top), (right, bottom) = each['points']['exterior']
        found.regions.append(Region(name, (box(left, top, right, bottom), )))
    else:
        raise InputError(f'geometryType {kind!r} is not known; expected polygon, bitmap or '
                         'rectangle')
