"""CVAT for images 1.1: all images in one XML file.

Its elements: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/
"""
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..utils.errors import InputError
from ..utils.files import write_text
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
    runs,
    score_of,
    size_of,
    turned,
)

_NO_AREA = ('polyline', 'points', 'cuboid', 'skeleton')


def is_export(root: ElementTree.Element) -> bool:
    """Whether the root of an XML file is CVAT's.

    Raises:
        ValueError: If it is CVAT's for videos.
    """
    if root.tag == 'annotations' and root.find('track') is not None:
        raise InputError("it is CVAT's for videos: export the task as 'CVAT for images 1.1'")
    return root.tag == 'annotations' and root.find('image') is not None


def read(root: ElementTree.Element, file: Path) -> Export:
    """The regions of all images. An image without any is to be labelled.

    Shapes of a higher z_order lie over others.
    """
    labels = [(label.findtext('name') or '', label.findtext('color') or '')
              for label in root.iterfind('meta//labels/label')
              if label.findtext('type') not in (*_NO_AREA, 'tag')]
    names = [name for name, _ in labels]
    gathered, images = [], []
    for element in root.iterfind('image'):
        found = Gathered(file, element.get('name', ''), None)
        try:
            found.size = size_of(element.get('height'), element.get('width'))
        except InputError as error:
            found.blame('width and height', error)
        for number, shape in enumerate(element, 1):
            try:
                _add(found, shape, names)
            except STRANGE as error:
                found.blame(f'{shape.tag} {number}', error)
        subset = (element.get('subset') or '').lower()
        gathered.append(found)
        images.append(found.annotated(
            labelled=bool(found.regions), split=subset if subset != 'default' else None))
    return export_of(gathered, images, names, {
        name: tuple(bytes.fromhex(colour[1:])) for name, colour in labels  # type: ignore
        if _is_colour(colour)})


def _is_colour(text: str) -> bool:
    return len(text) == 7 and text[0] == '#' and not set(text[1:].lower()) - set(
        '0123456789abcdef')


def _add(found: Gathered, shape: ElementTree.Element, names: Sequence[str]) -> None:
    def numbers(*keys: str) -> list[float]:
        return [float(shape.attrib[key]) for key in keys]
    if shape.tag in _NO_AREA:
        found.skipped[shape.tag] += 1
        return
    if shape.tag == 'tag':
        return
    label = shape.attrib['label']
    if names and label not in names:
        raise InputError(f"its label '{label}' is none of the labels of the file")
    bitmap: Bitmap | None = None
    outlines: tuple[np.ndarray, ...] = ()
    if shape.tag == 'polygon':
        outlines = (polygon([[float(v) for v in pair.split(',')]
                             for pair in shape.attrib['points'].split(';')]), )
    elif shape.tag == 'box':
        left, top, right, bottom = numbers('xtl', 'ytl', 'xbr', 'ybr')
        corners = box(left, top, right, bottom)
        outlines = (turned(corners, ((left + right) / 2, (top + bottom) / 2),
                           float(shape.get('rotation', 0))), )
    elif shape.tag == 'ellipse':
        x, y, rx, ry = numbers('cx', 'cy', 'rx', 'ry')
        outlines = (ellipse(x, y, rx, ry, float(shape.get('rotation', 0))), )
    elif shape.tag == 'mask':
        left, top, width, height = (int(v) for v in numbers('left', 'top', 'width', 'height'))
        lengths = [int(v) for v in shape.attrib['rle'].split(',')]
        bitmap = Bitmap(runs(lengths, *size_of(height, width)), left, top)
    else:
        raise InputError(f'a shape {shape.tag!r} is not known; expected polygon, mask, box '
                         'or ellipse')
    found.regions.append(Region(label, outlines, (), bitmap,
                                order=float(shape.get('z_order', 0)),
                                score=score_of(shape.get('score'))))


def files_of(images: Sequence[Annotated], folder: Path) -> list[Path]:
    """The file that :func:`write` writes."""
    return [folder / 'annotations.xml']


def write(images: Sequence[Annotated], folder: Path, classes: Sequence[str]) -> list[Path]:
    """Writes proposals for all images into one file. CVAT leaves the attribute ``score``
    of a polygon alone.

    Args, Returns:
        See :func:`fcn_plugin.annotations.labelme.write`.
    """
    def add(parent: Any, tag: str, text: str | None = None, **attributes: Any) -> Any:
        element = ElementTree.SubElement(
            parent, tag, {key: str(value) for key, value in attributes.items()})
        element.text = text
        return element
    root = ElementTree.Element('annotations')
    add(root, 'version', '1.1')
    labels = add(add(add(root, 'meta'), 'task'), 'labels')
    for name in classes:
        add(add(labels, 'label'), 'name', name)
    for place, image in enumerate(images):
        height, width = image.size  # type: ignore[misc]
        element = add(root, 'image', id=place, name=image.name, width=width, height=height)
        for region in image.regions:
            more = {} if region.score is None else dict(score=f'{region.score:.4f}')
            add(element, 'polygon', label=region.name, source='auto', occluded=0, z_order=0,
                points=';'.join(f'{x:.2f},{y:.2f}' for x, y in joined(region)), **more)
    file, = files_of(images, folder)
    ElementTree.indent(root)
    write_text(file, '<?xml version="1.0" encoding="utf-8"?>\n'
               + ElementTree.tostring(root, encoding='unicode') + '\n')
    return [file]
