"""labelme: a JSON file beside each image.

What it has, and what its own exporter fills, is in ``labelme/utils/shape.py`` of labelme 6.
"""
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.errors import InputError
from ..utils.files import write_text
from .files import decoded, png_mask
from .regions import (
    STRANGE,
    Annotated,
    Bitmap,
    Export,
    Gathered,
    Region,
    box,
    ellipse,
    export_of,
    joined,
    polygon,
    score_of,
    size_of,
)

_POLYGONS = ('polygon', 'oriented_rectangle', None, '')
_NO_AREA = ('line', 'linestrip', 'point', 'points')


def is_export(content: Any) -> bool:
    """Whether what a JSON file holds is labelme's."""
    return isinstance(content, dict) and isinstance(content.get('shapes'), list) and (
        'imagePath' in content or 'imageData' in content)


def read(content: dict, file: Path) -> Export:
    """The regions of one image. An image whose file has no shapes is labelled: it has
    nothing but background.

    Args:
        content (dict): For which :func:`is_export` holds.
        file (Path): Where it lies.
    """
    # As seen from the file; a path from the root of another machine's disk stays one.
    name = str(content.get('imagePath') or file.stem).replace('\\', '/')
    name = os.path.normpath(file.parent / name).replace(os.sep, '/')
    found = Gathered(file, name, None)
    try:
        if content.get('imageHeight') or content.get('imageWidth'):
            found.size = size_of(content.get('imageHeight'), content.get('imageWidth'))
    except InputError as error:
        found.blame('imageWidth and imageHeight', error)
    for number, shape in enumerate(content['shapes'], 1):
        try:
            _add(found, shape)
        except STRANGE as error:
            found.blame(f'shape {number}', error)
    return export_of([found], [found.annotated()])


def _add(found: Gathered, shape: dict) -> None:
    kind, label = shape.get('shape_type'), shape['label']
    if not isinstance(label, str):
        raise InputError(f'its label {label!r} is no text')
    if kind in _NO_AREA:
        found.skipped[kind] += 1
        return
    points = shape['points']
    bitmap: Bitmap | None = None
    outlines: tuple[np.ndarray, ...] = ()
    if kind == 'mask':
        (left, top), *_ = np.asarray(points, np.float64).astype(int).tolist()
        bitmap = Bitmap(png_mask(decoded(shape['mask'])), left, top)
    elif kind == 'rectangle' and len(points) == 2:
        outlines = (box(*points[0], *points[1]), )
    elif kind == 'circle':
        (x, y), edge = points
        radius = float(np.hypot(edge[0] - x, edge[1] - y))
        outlines = (ellipse(x, y, radius, radius), )
    elif kind in (*_POLYGONS, 'rectangle'):
        outlines = (polygon(points), )
    else:
        raise InputError(f'shape_type {kind!r} is not known; expected polygon, rectangle, '
                         'oriented_rectangle, circle or mask')
    found.regions.append(Region(label, outlines, (), bitmap,
                                score=score_of(shape.get('score'))))


def files_of(images: Sequence[Annotated], folder: Path) -> list[Path]:
    """The files that :func:`write` writes."""
    return [folder / Path(image.name).with_suffix('.json') for image in images]


def write(images: Sequence[Annotated], folder: Path, classes: Sequence[str]) -> list[Path]:
    """Writes proposals: a file an image, which names it as seen from there.

    Args:
        images (Sequence[Annotated]): From :func:`~fcn_plugin.inference.outlines.proposed`;
            ``source`` is the image.
        folder (Path): For the files.
        classes (Sequence[str]): Which labelme keeps no list of.

    Returns:
        list[Path]: The files.
    """
    files = files_of(images, folder)
    for image, file in zip(images, files):
        shapes = [dict(label=region.name, points=joined(region).round(3).tolist(),
                       group_id=None, description='', shape_type='polygon', flags={},
                       mask=None, **({} if region.score is None else
                                     dict(score=round(region.score, 4))))
                  for region in image.regions]
        height, width = image.size  # type: ignore[misc]
        where = Path(os.path.relpath(image.source.absolute(), file.parent.absolute()))
        write_text(file, json.dumps(dict(
            version='5.0.1', flags={}, shapes=shapes, imagePath=where.as_posix(),
            imageData=None, imageHeight=height, imageWidth=width),
            ensure_ascii=False, indent=2))
    return files
