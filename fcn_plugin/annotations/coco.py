"""COCO's JSON: all images in one file, as https://cocodataset.org/#format-data says."""
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.errors import InputError
from ..utils.files import write_text
from .drawing import pixels_of, scaled
from .regions import (
    STRANGE,
    Annotated,
    Bitmap,
    Export,
    Gathered,
    Region,
    export_of,
    joined,
    polygon,
    runs,
    score_of,
    size_of,
)


def is_export(content: Any) -> bool:
    """Whether what a JSON file holds is COCO's, with regions or boxes (not panoptic)."""
    return isinstance(content, dict) and all(
        isinstance(content.get(key), list) for key in ('images', 'annotations', 'categories')
    ) and not any(isinstance(each, dict) and 'segments_info' in each
                 for each in content['annotations'][:1])


def read(content: dict, file: Path) -> Export:
    """The regions of all images. An image without any is to be labelled.

    Smaller regions lie over larger ones, and all over crowds, whose pixels do not count.
    Crowds are those of COCO's own images. Elsewhere iscrowd says little: Datumaro, by which
    CVAT exports, writes it of every mask, and supervision of each with holes or parts.
    """
    try:
        names = {each['id']: str(each['name']) for each in sorted(
            content['categories'], key=lambda each: each['id'])}
        found = {each['id']: Gathered(file, str(each[  # LVIS has addresses alone
            'coco_url' if 'coco_url' in each and 'file_name' not in each else 'file_name'
        ]), None) for each in content['images']}
        # Roboflow's files begin with a category of the project's name, which groups others.
        groups = {each.get('supercategory') for each in content['categories']
                  if each.get('supercategory') != each['name']}
    except KeyError as error:
        raise InputError(f'{file}: an image or a category has no {error}, expected id, '
                         'file_name and name') from None
    except TypeError as error:
        raise InputError(f'{file}: an image or a category has not the form that the format '
                         f'promises ({error})') from None
    for kind, kept in (('images', found), ('categories', names)):
        if len(kept) < len(content[kind]):
            raise InputError(f'{file}: two of the {kind} have one id: which of them a region '
                             'is of cannot be told')
    # Label Studio gives no size of images without regions.
    sizes = {each['id']: (each.get('height'), each.get('width')) for each in content['images']}
    own = {each['id'] for each in content['images'] if each.get('coco_url')
           or each.get('flickr_url')}
    used = set()
    for each in content['annotations']:
        key = each.get('image_id') if isinstance(each, dict) else None
        image = found.get(key) if isinstance(key, (int, str, float)) else None
        if image is None:
            raise InputError(f'{file}: an annotation is of no image of the file: '
                             f'{each!r:.80}')
        try:
            image.size = size_of(*sizes[key])
            if each['category_id'] not in names:
                raise InputError(f'its category_id {each["category_id"]!r} is none of the '
                                 'categories')
            used.add(each['category_id'])
            image.regions.append(_region(each, names, image)._replace(
                score=score_of(each.get('score')),
                counts=not (each.get('iscrowd') and key in own)))
        except STRANGE as error:
            image.blame(f'annotation {each.get("id")}', error)
    classes = [name for key, name in names.items() if key in used or name not in groups]
    images = [one.annotated(by_area=True, labelled=bool(one.regions))
              for one in found.values()]
    info = content.get('info')
    contributor = info.get('contributor') if isinstance(info, dict) else None
    notes = []
    if contributor == 'Label Studio':
        images = list(map(_in_shares, images))
    elif contributor == 'Label Studio Converter':  # "Brush labels to COCO"
        images = [one._replace(regions=tuple(map(_of_stroke, one.regions))) for one in images]
        strokes = sum(region.through_pixels for one in images for region in one.regions)
        if strokes:
            notes.append(f'{strokes} brush strokes of {file.name} lack their holes and '
                         'specks, as Label Studio writes them to COCO: export its JSON')
    return export_of(list(found.values()), images, classes)._replace(notes=notes)


def _of_stroke(region: Region) -> Region:
    """A region whose outline leads from pixel to pixel, as Label Studio traces strokes:
    through the centres of the outermost ones, in eight directions. Polygons of whole numbers
    have other slopes, or lie along the sides of pixels and have no diagonals."""
    if region.bitmap is not None:
        return region
    ring = np.concatenate(region.outlines)
    across, down = np.abs(np.diff(ring, axis=0, append=ring[:1])).T
    diagonal = across == down
    traced = (ring == ring.round()).all() and (diagonal & (across > 0)).any() and (
        diagonal | (across == 0) | (down == 0)).all()
    return region._replace(through_pixels=bool(traced))


def _in_shares(image: Annotated) -> Annotated:
    """An image of Label Studio's, which multiplies shares of the sides of an image as it is
    shown by the sides that it has as it is stored, before EXIF data turn it."""
    if image.size is None or any(region.bitmap for region in image.regions):
        return image
    height, width = image.size
    return image._replace(shares=True, regions=tuple(
        scaled(region, 1 / height, 1 / width) for region in image.regions))


def _region(each: dict, names: dict, image: Gathered) -> Region:
    name, shape = names[each['category_id']], each.get('segmentation')
    if not shape:
        raise InputError('it has a box and no segmentation, and a box says of no pixel what '
                         'it is: export polygons or masks')
    if isinstance(shape, list):
        outlines = tuple(map(polygon, shape if isinstance(shape[0], list) else [shape]))
        return Region(name, outlines)
    height, width = size_of(*shape['size'])
    if image.size and (height, width) != image.size:
        raise InputError(f'its mask is {width}x{height}, but the image is '
                         f'{image.size[1]}x{image.size[0]}')
    lengths = shape['counts']
    if isinstance(lengths, str):
        lengths = _lengths(lengths)
    # Column by column.
    return Region(name, bitmap=Bitmap(runs(lengths, width, height).T))


def _lengths(text: str) -> list[int]:
    """COCO's compressed runs: each number in digits of 5 bits, the lowest first, as
    characters from '0' on with 32 added where more follow; from the fourth on it is the
    difference to the last but one (``maskApi.c`` of pycocotools)."""
    found: list[int] = []
    number = shift = 0
    for char in text:
        digit = ord(char) - 48
        if not 0 <= digit < 64 or shift > 60:
            raise InputError('its compressed runs (RLE) are damaged')
        number |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            number -= 1 << shift
        found.append(number + (found[-2] if len(found) > 2 else 0))
        number = shift = 0
    if shift:
        raise InputError('its compressed runs (RLE) are cut off')
    return found


def files_of(images: Sequence[Annotated], folder: Path) -> list[Path]:
    """The file that :func:`write` writes."""
    return [folder / 'annotations.json']


def write(images: Sequence[Annotated], folder: Path, classes: Sequence[str]) -> list[Path]:
    """Writes proposals for all images into one file, with a score each. Areas and boxes are
    of the pixels, as COCO's own.

    Args, Returns:
        See :func:`fcn_plugin.annotations.labelme.write`.
    """
    number, annotations = 0, []
    for place, image in enumerate(images, 1):
        for region in image.regions:
            number += 1
            points = joined(region).round(3)
            pixels, left, top = pixels_of(
                Region(region.name, (points, )), *image.size)  # type: ignore[misc]
            annotations.append(dict(
                id=number, image_id=place, category_id=classes.index(region.name) + 1,
                segmentation=[points.ravel().tolist()], area=int(pixels.sum()),
                bbox=[left, top, *pixels.shape[::-1]], iscrowd=0))
            if region.score is not None:
                annotations[-1]['score'] = round(region.score, 4)
    file, = files_of(images, folder)
    write_text(file, json.dumps(dict(
        images=[dict(id=i, file_name=image.name, height=image.size[0], width=image.size[1])
                for i, image in enumerate(images, 1)],
        annotations=annotations,
        categories=[dict(id=i, name=name) for i, name in enumerate(classes, 1)]),
        ensure_ascii=False))
    return [file]
