"""Label Studio's JSON: a list of tasks, as
https://labelstud.io/guide/task_format says; polygons, strokes of brushes and bitmasks.
"""
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import quoteattr

import numpy as np

from ..utils.errors import InputError
from ..utils.files import write_text
from ..utils.paths import IMAGE_SUFFIXES
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
    turned,
)

_LOCAL = '/data/local-files/?d='
#: What is said of an image or of a region, and is none itself.
_NO_REGION = ('labels', 'choices', 'taxonomy', 'relation', 'textarea', 'rating', 'number',
              'datetime', 'pairwise', 'ranker')


def is_export(content: Any) -> bool:
    """Whether what a JSON file holds is Label Studio's ('JSON', not 'JSON-MIN')."""
    return isinstance(content, list) and bool(content) and all(
        isinstance(task, dict) and isinstance(task.get('data'), dict)
        and ('annotations' in task or 'predictions' in task) for task in content)


def read(content: list, file: Path, proposals: bool = False) -> Export:
    """The regions of all tasks. A task without annotations is to be labelled; one that
    somebody submitted without regions is all background.

    Args:
        content (list): For which :func:`is_export` holds.
        file (Path): Where it lies.
        proposals (bool): Read the predictions in place of the annotations. Defaults to
            False.
    """
    gathered, images = [], []
    for number, task in enumerate(content, 1):
        found = Gathered(file, f'task {task.get("id", number)}', None)
        done: list[Any] = []
        try:
            done = [each for each in task.get(
                'predictions' if proposals else 'annotations') or ()
                if not each.get('was_cancelled')]
            # Of several people's, the one that is marked as the truth, else the first.
            done.sort(key=lambda each: not each.get('ground_truth'))
            results = done[0]['result'] if done else []
            found.name = _name(task['data'], results)
            for result in results:
                _add(found, result, results)
        except STRANGE as error:
            found.blame('its regions', error)
        gathered.append(found)
        images.append(found.annotated(labelled=bool(done)))
    return export_of(gathered, images)


def _name(data: dict, results: Sequence[dict]) -> str:
    """The path of the image of a task that its regions are of."""
    names: dict[str, list[str]] = {}
    for key, entry in data.items():
        for text in entry if isinstance(entry, list) else [entry]:
            path = unquote(text.partition('?d=')[2] or text.partition('?')[0]).replace(
                '\\', '/') if isinstance(text, str) else ''
            if path.lower().endswith(IMAGE_SUFFIXES):
                names.setdefault(key, []).append(path)
    if not names:
        raise InputError('its data names no image')
    every = list(dict.fromkeys(path for paths in names.values() for path in paths))
    if len(every) == 1:
        return every[0]
    tags = {(each.get('to_name'), each.get('item_index') or 0) for each in results
            if 'original_width' in each}
    if len(tags) > 1:
        raise InputError('it has regions of several images, which cannot be told apart here: '
                         'make a task of each image')
    tag, page = tags.pop() if tags else ('image', None)
    # A tag is called as its entry of the data is, or that is 'image': the tool's examples.
    key = next(key for key in (tag, 'image', *names) if key in names)
    paths = names[key]
    if len(names) > 1 and key not in (tag, 'image') or len(paths) > 1 and page is None:
        raise InputError(f'its data names several images ({", ".join(every):.80}), and which '
                         'of them is labelled cannot be told: name one alone, or call its '
                         "entry 'image'")
    return paths[page or 0]


def _add(found: Gathered, result: dict, results: Sequence[dict]) -> None:
    kind, value = result.get('type', ''), result.get('value')
    shape = kind.removesuffix('labels')
    if shape == 'keypoint' or shape == 'vector' and not value.get('closed'):
        found.skipped[kind] += 1
        return
    if kind in _NO_REGION:
        return
    if result.get('image_rotation'):
        raise InputError(f'the image was turned by {result["image_rotation"]} degrees in the '
                         'tool, which is not read: save it upright and label that')
    size = size_of(result['original_height'], result['original_width'])
    if found.size not in (None, size):
        raise InputError(f'regions say {size[1]}x{size[0]} and '
                         f'{found.size[1]}x{found.size[0]} of one image')
    found.size = size
    # Shapes and labels may be controls of their own, with one id.
    labels = next((names for each in (result, *results) if each.get('id') == result.get('id')
                   for key, names in each.get('value', {}).items()
                   if key.endswith('labels') and names), None)
    if not labels:
        raise InputError('a region has no label: give it one, or delete it')
    height, width = size
    scale = np.array([width, height]) / 100
    bitmap: Bitmap | None = None
    outlines: tuple[np.ndarray, ...] = ()
    if shape == 'polygon':
        outlines = (polygon(value['points']) * scale, )
    elif shape == 'brush':
        bitmap = Bitmap(_brushed(value['rle'], height, width))
    elif shape == 'bitmask':
        pixels = png_mask(decoded(value['imageDataURL'].partition(',')[2]))
        if pixels.shape != size:
            raise InputError(f'its bitmask is {pixels.shape[1]}x{pixels.shape[0]}, but the '
                             f'image is {width}x{height}')
        bitmap = Bitmap(pixels)
    elif shape == 'rectangle':
        x, y = value['x'] * scale[0], value['y'] * scale[1]
        corners = box(x, y, x + value['width'] * scale[0], y + value['height'] * scale[1])
        outlines = (turned(corners, (x, y), value.get('rotation', 0)), )
    elif shape == 'ellipse':
        outlines = (ellipse(value['x'] * scale[0], value['y'] * scale[1],
                            value['radiusX'] * scale[0], value['radiusY'] * scale[1],
                            value.get('rotation', 0)), )
    else:
        raise InputError(f'a region of type {kind!r} is not read: draw it by polygonlabels, '
                         'brushlabels, bitmasklabels, rectanglelabels or ellipselabels')
    found.regions.append(Region(str(labels[0]), outlines, (), bitmap,
                                score=score_of(result.get('score'))))


def _brushed(data: Sequence[int], height: int, width: int) -> np.ndarray:
    """Strokes of a brush: RGBA in the packing of @thi.ng/rle-pack, of which alpha counts.

    A head of 32 bits (how many values), 5 (bits a value, less 1) and 4 times 4 (bits of a
    length, less 1); then blocks: a bit for 'all the same', 2 for which of the 4, the
    length less 1, and one value or as many.
    """
    try:
        bits = np.unpackbits(np.asarray(data, np.uint8))
    except (TypeError, ValueError, OverflowError):
        raise InputError('its brush (RLE) is no list of bytes') from None
    place = 0

    def take(count: int, size: int = 1) -> np.ndarray:
        nonlocal place
        end = place + count * size
        if end > len(bits):
            raise InputError('its brush (RLE) is cut off')
        found = bits[place:end].reshape(count, size)
        place = end
        return found @ (1 << np.arange(size, dtype=np.int64)[::-1])
    total, word = int(take(1, 32)[0]), int(take(1, 5)[0]) + 1
    if total != 4 * height * width:
        raise InputError(f'its brush (RLE) has {total} values, expected 4 for each of '
                         f'{width}x{height} pixels')
    sizes = take(4, 4) + 1
    values, i = np.zeros(total, np.uint8), 0
    while i < total:
        same, which = take(1)[0], take(1, 2)[0]
        length = int(take(1, int(sizes[which]))[0]) + 1
        if i + length > total:
            raise InputError(f'its brush (RLE) has more than the {total} values it says')
        values[i:i + length] = take(1 if same else length, word)
        i += length
    return values.reshape(height, width, 4)[..., 3] > 0


def files_of(images: Sequence[Annotated], folder: Path) -> list[Path]:
    """The files that :func:`write` writes."""
    return [folder / 'tasks.json', folder / 'label_config.xml']


def write(images: Sequence[Annotated], folder: Path, classes: Sequence[str]) -> list[Path]:
    """Writes proposals as predictions of tasks, and the labelling interface that shows them.

    Images are named as Label Studio's local storage does, below its document root. That is the
    folder above the one that has all images: no storage may be the root itself.

    Args, Returns:
        See :func:`fcn_plugin.annotations.labelme.write`.
    """
    tasks = []
    for image in images:
        height, width = image.size  # type: ignore[misc]
        results = []
        for number, region in enumerate(image.regions):
            points = (joined(region) * 100 / (width, height)).round(4).tolist()
            results.append(dict(
                id=f'region{number}', type='polygonlabels', from_name='label',
                to_name='image', original_width=width, original_height=height,
                image_rotation=0, value=dict(points=points, closed=True,
                                             polygonlabels=[region.name])))
            if region.score is not None:
                results[-1]['score'] = round(region.score, 4)
        scores = [region.score for region in image.regions if region.score is not None]
        whole = dict(score=round(sum(scores) / len(scores), 4)) if scores else {}
        top = image.source.absolute().parents[image.name.count('/')].name
        tasks.append(dict(data=dict(image=_LOCAL + quote(f'{top}/{image.name}')), predictions=[
            dict(model_version='fcn', result=results, **whole)]))
    file, config = files_of(images, folder)
    write_text(file, json.dumps(tasks, ensure_ascii=False))
    labels = '\n'.join(f'    <Label value={quoteattr(name)}/>' for name in classes)
    write_text(config, '<View>\n  <Image name="image" value="$image"/>\n'
               '  <PolygonLabels name="label" toName="image">\n'
               f'{labels}\n  </PolygonLabels>\n</View>\n')
    return [file, config]
