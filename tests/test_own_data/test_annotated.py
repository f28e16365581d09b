"""Exports of labelling tools: read as drawn, trained on, predicted, and read again.

Each is written here by the tool's own library or by its published schema.
"""
import base64
import io
import json
import re
import sys
import zlib
from collections import Counter
from glob import glob
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import pytest
from label_studio_brush import brushed
from matplotlib.path import Path as Outline
from mmengine.config import Config
from PIL import Image
from test_own_data_chain import CHECK, NETWORK, TINY, read
from tiny_runs import ROOT, forget_runs, run_tool, succeed

from fcn_plugin.annotations.regions import Annotated
from fcn_plugin.cli.command import main
from fcn_plugin.deployment.onnxruntime_web import WASM
from fcn_plugin.drawn_masks.annotated import (
    _names,
    _split,
    draw_annotations,
    encoding_of_names,
    read_annotations,
)
from fcn_plugin.own_data.check_dataset import check_dataset
from fcn_plugin.utils.errors import InputError

SIZE = 48, 64  # H, W
CLASSES = ['road', 'Baum', '道路']
#: Of each image: the class and the corners of each region, the lower ones first.
NAMES = ['a/1', 'a/2', 'b/1', 'Größe 道']


def regions(number):
    """Three regions that overlap; no centre of a pixel lies on a side."""
    x, y = 3.2 * number, 2.3 * number
    return [('road', [(2.1 + x, 3.2), (40.3, 3.2 + y), (44.7, 40.1), (4.3, 38.8)]),
            ('Baum', [(10.1, 6.2), (30.2, 6.2), (30.2, 16.3), (20.1, 16.3), (20.1, 26.4),
                      (10.1, 26.4)]),
            ('道路', [(24.2, 20.1), (61.9, 30.2 - y), (50.3, 46.9)])]


def shape_of(corners, size=SIZE):
    y, x = np.indices(size) + 0.5
    return Outline(corners).contains_points(np.stack([x.ravel(), y.ravel()], 1)).reshape(size)


def truth(number, order=(0, 1, 2)):
    """Labels: background, then the classes in their order."""
    labels = np.zeros(SIZE, np.uint8)
    for place in order:
        labels[shape_of(regions(number)[place][1])] = place + 1
    return labels


def save_images(root, names=NAMES, suffix='.png', size=SIZE):
    for name in names:
        file = root / f'{name}{suffix}'
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(list(str(file).encode())).integers(
            0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(file)


def dump(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, ensure_ascii=False), encoding='utf-8')


def png(mask, **options):
    data = io.BytesIO()
    Image.fromarray(mask).save(data, 'PNG', **options)
    return data.getvalue()


# --- writers: a folder for each ------------------------------------------------------


def labelme(root, kind='polygon'):
    """Names are in no list: the alphabet orders them."""
    save_images(root)
    for number, name in enumerate(NAMES):
        shapes = [dict(label=label, points=points, shape_type='polygon', flags={},
                       group_id=None) for label, points in regions(number)]
        if kind == 'mask':
            for shape in shapes:
                mask = shape_of(shape['points'])
                rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
                part = mask[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
                shape.update(shape_type='mask', mask=base64.b64encode(png(part)).decode(),
                             points=[[int(columns[0]), int(rows[0])],
                                     [int(columns[-1]), int(rows[-1])]])
        dump(root / f'{name}.json', dict(
            version='5.5.0', flags={}, shapes=shapes, imagePath=f'{name.split("/")[-1]}.png',
            imageData=None, imageHeight=SIZE[0], imageWidth=SIZE[1]))
    (root / 'classes.txt').write_text('\n'.join(CLASSES), encoding='utf-8')


def coco(root, kind='polygon'):
    save_images(root / 'images')
    categories = [dict(id=3 * i + 2, name=name, supercategory='things')
                  for i, name in enumerate(CLASSES)]
    images, annotations = [], []
    for number, name in enumerate(NAMES):
        images.append(dict(id=number + 7, file_name=f'{name}.png', height=SIZE[0],
                           width=SIZE[1]))
        for place, (_, points) in enumerate(regions(number)):
            mask = shape_of(points)
            shape = [np.ravel(points).tolist()]
            if kind != 'polygon':
                column = mask.T.ravel().astype(int)
                edges = np.flatnonzero(np.diff(np.concatenate([[0], column, [2]])))
                shape = dict(size=list(SIZE), counts=np.diff(
                    np.concatenate([[0], edges])).tolist())
            if kind == 'compressed':
                masks = pytest.importorskip('pycocotools.mask')
                shape = masks.encode(np.asfortranarray(mask.astype(np.uint8)))
                shape = dict(size=list(SIZE), counts=shape['counts'].decode())
            annotations.append(dict(id=len(annotations) + 1, image_id=number + 7, iscrowd=0,
                                    category_id=3 * place + 2, segmentation=shape))
    # Two files, in one of which each image is.
    for file, part in (('instances_a.json', images[:2]), ('instances_b.json', images[2:])):
        ids = {image['id'] for image in part}
        dump(root / 'annotations' / file, dict(
            images=part, categories=categories,
            annotations=[each for each in annotations if each['image_id'] in ids]))


def roboflow(root):
    """COCO with a category that groups the others, a file a split, beside its images."""
    for split, names in (('train', NAMES[:3]), ('valid', NAMES[3:])):
        save_images(root / split, [name.replace('/', '_') for name in names])
        dump(root / split / '_annotations.coco.json', dict(
            categories=[dict(id=0, name='my-project', supercategory='none'),
                        *(dict(id=i, name=name, supercategory='my-project')
                          for i, name in enumerate(CLASSES, 1))],
            images=[dict(id=i, file_name=f'{name.replace("/", "_")}.png', height=SIZE[0],
                         width=SIZE[1]) for i, name in enumerate(names)],
            annotations=[dict(id=10 * i + place, image_id=i, category_id=place + 1, iscrowd=0,
                              segmentation=[np.ravel(points).tolist()])
                         for i, name in enumerate(names)
                         for place, (_, points) in enumerate(regions(NAMES.index(name)))]))


def cvat(root, kind='polygon'):
    save_images(root / 'images')
    lines = ['<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>',
             '<meta><task><labels>', *(
                 f'<label><name>{name}</name><color>#{40 * i:02x}10ff</color></label>'
                 for i, name in enumerate(CLASSES, 1)), '</labels></task></meta>']
    for number, name in enumerate(NAMES):
        lines.append(f'<image id="{number}" name={quoteattr(name + ".png")} '
                     f'width="{SIZE[1]}" height="{SIZE[0]}">')
        for z, (label, points) in reversed(list(enumerate(regions(number)))):
            if kind == 'polygon':
                corners = ';'.join(f'{x:.2f},{y:.2f}' for x, y in points)
                lines.append(f'<polygon label="{label}" source="manual" occluded="0" '
                             f'points="{corners}" z_order="{z}"/>')
            else:
                mask = shape_of(points)[2:, 1:]
                counts = np.diff(np.flatnonzero(np.diff(np.concatenate(
                    [[1], 1 - mask.ravel(), [2]]))), prepend=0)
                if mask[0, 0]:
                    counts = [0, *counts]
                lines.append(f'<mask label="{label}" occluded="0" z_order="{z}" left="1" '
                             f'rle="{", ".join(map(str, counts))}" top="2" '
                             f'width="{mask.shape[1]}" height="{mask.shape[0]}"/>')
        lines.append('</image>')
    (root / 'annotations.xml').write_text('\n'.join([*lines, '</annotations>']),
                                          encoding='utf-8')


def label_studio(root, kind='polygon'):
    save_images(root)
    tasks = []
    for number, name in enumerate(NAMES):
        results = []
        for place, (label, points) in enumerate(regions(number)):
            value = dict(points=(np.array(points) * 100 / SIZE[::-1]).tolist(),
                         polygonlabels=[label], closed=True)
            if kind == 'brush':
                value = dict(format='rle', rle=brushed(shape_of(points)), brushlabels=[label])
            results.append(dict(
                id=f'r{place}', type=f'{kind}labels', from_name='label', to_name='image',
                original_width=SIZE[1], original_height=SIZE[0], image_rotation=0,
                value=value))
        tasks.append(dict(id=number + 1, data=dict(image=f'/data/local-files/?d={name}.png'),
                          annotations=[dict(id=1, was_cancelled=True, result=[]),
                                       dict(id=2, was_cancelled=False, result=results)]))
    dump(root / 'project-1.json', tasks)
    (root / 'classes.txt').write_text('\n'.join(CLASSES), encoding='utf-8')


def yolo(root):
    save_images(root / 'images/train', NAMES[:3])
    save_images(root / 'images/val', NAMES[3:])
    for number, name in enumerate(NAMES):
        file = root / 'labels' / ('train' if number < 3 else 'val') / f'{name}.txt'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('\n'.join(' '.join([str(CLASSES.index(label)), *(
            f'{v:.7f}' for v in (np.array(points) / SIZE[::-1]).ravel())])
            for label, points in regions(number)) + '\n')
    if not (root / 'data.yaml').exists():
        (root / 'data.yaml').write_text(
            'path: .\ntrain: images/train\nval: images/val\nnc: 3\n'
            'names: [road, Baum, 道路]\n', encoding='utf-8')


def roboflow_yolo(root):
    """A folder a split, with images and labels each."""
    yolo(root)
    for split, other in (('train', 'train'), ('val', 'valid')):
        for kind in ('images', 'labels'):
            (root / other).mkdir(exist_ok=True)
            (root / kind / split).rename(root / other / kind)
    for kind in ('images', 'labels'):
        (root / kind).rmdir()


def supervisely(root, kind='polygon'):
    dump(root / 'meta.json', dict(tags=[], classes=[
        dict(title=name, shape=kind, color=f'#{60 * i:02x}00ff')
        for i, name in enumerate(CLASSES, 1)]))
    for number, name in enumerate(NAMES):
        folder, _, stem = name.rpartition('/')
        folder = root / (folder or 'c')
        save_images(folder / 'img', [stem])
        objects = []
        for label, points in regions(number):
            each = dict(classTitle=label, geometryType=kind, tags=[],
                        points=dict(exterior=points, interior=[]))
            if kind == 'bitmap':
                mask = shape_of(points)[1:, 2:].astype(np.uint8)
                image = Image.fromarray(mask)
                image.putpalette([0, 0, 0, 255, 255, 255])
                data = io.BytesIO()
                image.save(data, 'PNG', transparency=0, bits=1)
                each['bitmap'] = dict(origin=[2, 1], data=base64.b64encode(
                    zlib.compress(data.getvalue())).decode())
                del each['points']
            objects.append(each)
        dump(folder / 'ann' / f'{stem}.png.json', dict(
            description='', tags=[], size=dict(height=SIZE[0], width=SIZE[1]),
            objects=objects))


FORMATS = {
    'labelme': labelme, 'labelme masks': lambda root: labelme(root, 'mask'), 'COCO': coco,
    'COCO runs': lambda root: coco(root, 'runs'),
    'COCO compressed': lambda root: coco(root, 'compressed'), 'Roboflow COCO': roboflow,
    'CVAT': cvat, 'CVAT masks': lambda root: cvat(root, 'mask'),
    'Label Studio': label_studio,
    'Label Studio brush': lambda root: label_studio(root, 'brush'), 'YOLO': yolo,
    'Roboflow YOLO': roboflow_yolo,
    'Supervisely': supervisely,
    'Supervisely bitmaps': lambda root: supervisely(root, 'bitmap'),
}


def check(root, out, *options):
    return succeed(CHECK, root, '--out', out, '--base', NETWORK, *options)


def labels_in(out):
    """By the image's path: what training reads."""
    config = Config.fromfile(out / 'config.py')
    found = {path: item['gt_seg_map'] for split in ('train', 'val')
             for path, item in read(config, split)}
    return config, found


def in_order_of(name, number):
    """COCO lays smaller regions over larger ones."""
    if 'COCO' not in name and 'YOLO' not in name:
        return 0, 1, 2
    return sorted(range(3), key=lambda place: -shape_of(regions(number)[place][1]).sum())


@pytest.mark.parametrize('name', FORMATS)
def test_training_reads_what_the_tool_shows(tmp_path, name):
    root, out = tmp_path / "the tool's 道", tmp_path / 'out'
    FORMATS[name](root)
    before = {file: file.read_bytes() for file in root.rglob('*') if file.is_file()}
    said = check(root, out)
    tool, = (tool for tool in ('labelme', 'COCO', 'CVAT', 'Label Studio', 'YOLO',
                               'Supervisely') if tool in name)
    assert f'masks   drawn from 12 regions of {tool} (' in said
    config, found = labels_in(out)
    assert list(config.classes) == ['background', *CLASSES]
    assert len(found) == len(NAMES)
    for path, labels in found.items():
        stem = path.removesuffix('.png').replace('/img/', '/').replace('images/', '')
        for folder in ('train/', 'valid/', 'val/', 'c/'):
            stem = stem.removeprefix(folder)
        number = [each.replace('/', '_') for each in NAMES].index(stem.replace('/', '_'))
        expected = truth(number, in_order_of(name, number))
        assert (labels == expected).all(), f'{path}: {(labels != expected).sum()} pixels'
    assert {file: file.read_bytes() for file in root.rglob('*') if file.is_file()} == before


def test_an_export_with_splits_keeps_them(tmp_path):
    for write in (roboflow, yolo):
        write(tmp_path / write.__name__)
        check(tmp_path / write.__name__, tmp_path / 'out', '--overwrite')
        assert [len((tmp_path / 'out' / f'{split}.txt').read_text().splitlines())
                for split in ('train', 'val')] == [3, 1]


def test_a_file_by_itself_and_colours_of_the_tool(tmp_path):
    cvat(tmp_path / 'data')
    check(tmp_path / 'data/annotations.xml', tmp_path / 'out')
    config, found = labels_in(tmp_path / 'out')
    assert config.palette[1] == [0x28, 0x10, 0xff] and len(found) == 4


def test_a_palette_has_a_colour_of_its_own_for_each_class():
    """Those that the tool gives no colour would all be black."""
    for colours, expected in ((dict(a=(1, 2, 3), b=(4, 5, 6)), [
            [0, 0, 0], [1, 2, 3], [4, 5, 6]]), (dict(a=(1, 2, 3)), []), ({}, [])):
        assert encoding_of_names(['a', 'b'], colours, 0.5, None, []).palette == expected


def test_drawn_masks_hold_254_classes(tmp_path):
    """Of 256 values one is what lies outside, and one what does not count."""
    names = [f'{i}' for i in range(255)]
    assert _names(tmp_path, [], names[1:], None, [], []) == names[1:]
    with pytest.raises(InputError, match='255 classes, expected 1 to 254'):
        _names(tmp_path, [], names, None, [], [])


@pytest.mark.parametrize('file, split', [
    ('instances_train.json', 'train'), ('annotations/val1.json', 'val'), ('x.json', None),
    ('part 2/train_3.json', 'train')])
def test_a_split_that_the_name_of_the_export_says(file, split):
    root = Path('/data')
    record = Annotated('a.png', None, (), root / file)
    assert _split(root, root / 'images/a.png', [record]) == split
    assert _split(root, root / 'test/a.png', [record]) == 'test'
    assert _split(root, root / 'test/a.png', [record._replace(split='Train')]) == 'train'


def test_nothing_is_written_without_out(tmp_path):
    labelme(tmp_path / 'data')
    before = sorted(tmp_path.rglob('*'))
    assert 'with --out DIR the masks are written there' in succeed(CHECK, tmp_path / 'data')
    assert sorted(tmp_path.rglob('*')) == before


# --- what is in an image -------------------------------------------------------------


def one_coco(root, annotations, categories=('a', 'b'), count=4, **image):
    """The same regions in each of some images."""
    save_images(root, [f'{i}' for i in range(count)])
    dump(root / 'coco.json', dict(
        images=[dict(dict(id=i, file_name=f'{i}.png', height=SIZE[0], width=SIZE[1]), **image)
                for i in range(count)],
        categories=[dict(id=i, name=name) for i, name in enumerate(categories)],
        annotations=[dict(each, id=10 * i + place, image_id=i) for i in range(count)
                     for place, each in enumerate(annotations)]))


def rectangle(left, top, right, bottom, **more):
    return dict(dict(category_id=0, iscrowd=0, segmentation=[
        [left, top, right, top, right, bottom, left, bottom]]), **more)


def test_strokes_that_label_studio_writes_to_coco(tmp_path):
    """It traces them by OpenCV, through the centres of pixels; polygons lie between these.
    Strokes lay half a pixel up and to the left, and lacked the last row and column."""
    stroke, expected = np.zeros(SIZE, np.uint8), np.zeros(SIZE, int)
    for place in range(8):
        cv2.circle(stroke, (12 + place, 14 + place // 2), 8, 1, -1)
    expected[stroke > 0], expected[30:40, 40:60] = 1, 2
    stroke[14, 14] = 0  # a hole, which is lost
    (contour, ), _ = cv2.findContours(stroke, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    one_coco(tmp_path / 'data', [
        dict(category_id=0, iscrowd=0, segmentation=[contour.ravel().tolist()]),
        rectangle(40, 30, 60, 40, category_id=1)])
    for contributor, right in (('Label Studio Converter', True), ('someone', False)):
        file = tmp_path / 'data/coco.json'
        dump(file, dict(json.loads(file.read_text()), info=dict(contributor=contributor)))
        said = check(tmp_path / 'data', tmp_path / contributor)
        assert ('4 brush strokes of coco.json lack their holes' in said) == right
        for labels in labels_in(tmp_path / contributor)[1].values():
            assert (labels == expected).all() == right
            assert ((labels == 2) == (expected == 2)).all()


def test_crowds_and_names_of_nothing_do_not_count(tmp_path):
    one_coco(tmp_path / 'data', [
        rectangle(0, 0, 10, 10, category_id=1), rectangle(5, 0, 30, 10, iscrowd=1),
        rectangle(40, 0, 50, 10, category_id=2)], ('b', 'a', 'Ignore'), flickr_url='http://x')
    said = check(tmp_path / 'data', tmp_path / 'out')
    assert "pixels of 'Ignore' do not count" in said
    assert "4 regions are COCO's crowds, whose pixels do not count" in said
    config, found = labels_in(tmp_path / 'out')
    row = found['0.png'][5]
    assert list(config.classes) == ['background', 'b', 'a']
    assert row[:10].tolist() == [2] * 10 and set(row[10:30]) == {255} == set(row[40:50])
    assert set(row[30:40]) == {0}


def test_what_lies_in_no_region(tmp_path):
    """Background; ignored where regions cover nearly all; or as is said."""
    cases = [(30, [], 0, ['background', 'a', 'b']), (63, [], 255, ['a', 'b']),
             (63, ['--outside', 'background'], 0, ['background', 'a', 'b']),
             (30, ['--outside', 'ignore'], 255, ['a', 'b'])]
    for right, options, outside, classes in cases:
        one_coco(tmp_path / 'data', [rectangle(0, 0, right, 48), rectangle(0, 0, 5, 5,
                                                                           category_id=1)])
        said = check(tmp_path / 'data', tmp_path / 'out', '--overwrite', *options)
        assert f'regions cover {100 * right / 64:.1f} %' in said
        config, found = labels_in(tmp_path / 'out')
        assert list(config.classes) == classes
        assert set(found['1.png'][:, 63]) == {outside}
    for right in (30, 63):  # a class of that name is what lies outside, however little
        one_coco(tmp_path / 'data', [rectangle(0, 0, right, 48, category_id=1)], (
            'x', 'background'))
        check(tmp_path / 'data', tmp_path / 'out', '--overwrite')
        config, found = labels_in(tmp_path / 'out')
        assert list(config.classes) == ['background', 'x'] and not found['0.png'].any()


def test_regions_are_not_blurred(tmp_path):
    one_coco(tmp_path, [rectangle(0, 0, 30, 48)])
    with pytest.raises(ValueError, match='--blurred is of the values of masks, but those of '
                                         '.* are drawn from .* regions of COCO'):
        check_dataset(str(tmp_path), drawn=tmp_path / 'drawn', blurred=True)


def test_classes_and_ignore_say_what_is_trained(tmp_path):
    labelme(tmp_path / 'data')
    check(tmp_path / 'data', tmp_path / 'out', '--classes', '道路', 'road', '--ignore', 'Baum')
    config, found = labels_in(tmp_path / 'out')
    assert list(config.classes) == ['background', '道路', 'road']
    expected = np.array([0, 2, 255, 1])[truth(0)]
    assert (found['a/1.png'] == expected).all()
    # names of values are of masks: their order says nothing of regions
    (tmp_path / 'data/classes.txt').write_text('5: Baum\n9: road\n7: moon\n4: 道路\n')
    check(tmp_path / 'data', tmp_path / 'out', '--overwrite')
    config, _ = labels_in(tmp_path / 'out')
    assert list(config.classes) == ['background', 'Baum', 'road', '道路']
    done = run_tool(CHECK, tmp_path / 'data', '--classes', 'road')
    assert done.code == 2 and "regions of 'Baum' (4 of them) are of no class" in done.err
    done = run_tool(CHECK, tmp_path / 'data', '--ignore', 'moon')
    assert done.code == 2 and '--ignore moon: no region is of that class' in done.err


def test_images_without_labels_are_kept_apart(tmp_path):
    labelme(tmp_path / 'data')
    save_images(tmp_path / 'data', ['new 1', 'new 2'])
    said = check(tmp_path / 'data', tmp_path / 'out')
    assert 'to be labelled: 2 images have no labels yet and are not trained: new 1.png' in said
    assert len(labels_in(tmp_path / 'out')[1]) == 4


def test_an_image_that_the_tool_says_is_empty_is_background(tmp_path):
    yolo(tmp_path / 'data')
    (tmp_path / 'data/labels/train/a/1.txt').write_text('')
    check(tmp_path / 'data', tmp_path / 'out')
    assert not labels_in(tmp_path / 'out')[1]['images/train/a/1.png'].any()


def test_regions_of_several_files_lie_on_one_image(tmp_path):
    one_coco(tmp_path / 'data', [rectangle(0, 0, 10, 10)])
    one_coco(tmp_path / 'data/more', [rectangle(20, 0, 30, 10, category_id=1)])
    for file in (tmp_path / 'data/more').glob('*.png'):
        file.unlink()
    said = check(tmp_path / 'data', tmp_path / 'out')
    assert '4 images have regions in several files, or several times in one, such as' in said
    assert Counter(labels_in(tmp_path / 'out')[1]['2.png'][5].tolist()) == {
        0: 44, 1: 10, 2: 10}


@pytest.mark.parametrize('drawn_on', ['stored', 'shown', 'shown by Label Studio'])
def test_regions_lie_on_turned_images_as_their_sizes_say(tmp_path, drawn_on):
    """A camera's image of 48x64 that is shown as 64x48; tools say which they drew on. Label
    Studio says the former, and stretches what was drawn on the latter to it."""
    stored = drawn_on == 'stored'
    corner, size = (20, 10), dict(height=48 if stored else 64, width=64 if stored else 48)
    if drawn_on == 'shown by Label Studio':
        corner, size = (20 / 48 * 64, 10 / 64 * 48), dict(height=48, width=64)
    one_coco(tmp_path / 'data', [rectangle(0, 0, *corner)], **size)
    if drawn_on == 'shown by Label Studio':
        file = tmp_path / 'data/coco.json'
        dump(file, dict(json.loads(file.read_text()), info=dict(contributor='Label Studio')))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    for i in range(4):
        file = tmp_path / f'data/{i}.png'
        Image.open(file).save(file, exif=exif)
    check(tmp_path / 'data', tmp_path / 'out')
    labels = labels_in(tmp_path / 'out')[1]['0.png']
    expected = np.zeros((64, 48), int)
    if stored:  # its upper left corner is shown at the upper right
        expected[:20, 38:] = 1
    else:
        expected[:10, :20] = 1
    assert (labels == expected).all()


def test_masks_are_read_in_place_of_regions_where_that_is_said(tmp_path):
    labelme(tmp_path / 'data/images')
    for name in NAMES:
        file = tmp_path / f'data/masks/{name}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.arange(48 * 64).reshape(SIZE).astype(np.uint8) % 2).save(file)
    said = succeed(CHECK, tmp_path / 'data')
    assert '4 masks, such as' in said and 'drawn from 12 regions' in said
    assert 'drawn from' not in succeed(CHECK, tmp_path / 'data', '--masks', 'masks',
                                       '--images', 'images')


# --- what is wrong -------------------------------------------------------------------


def test_an_export_without_regions_leaves_masks_to_be_read(tmp_path):
    save_images(tmp_path / 'data/images', ['0', '1', '2'])
    for number in range(3):
        file = tmp_path / f'data/masks/{number}.png'
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(truth(number)).save(file)
    dump(tmp_path / 'data/test.json', dict(
        images=[dict(id=1, file_name='0.png')], annotations=[], categories=[]))
    said = check(tmp_path / 'data', tmp_path / 'out')
    assert '3 pairs' in said and 'no image has regions' not in said


def spoil(change):
    """A change to the first file of labelme's."""
    def write(root):
        labelme(root)
        file = root / 'a/1.json'
        content = json.loads(file.read_text(encoding='utf-8'))
        change(content)
        dump(file, content)
    return write


def text_of(write, file, old, new):
    def spoiled(root):
        write(root)
        text = (root / file).read_text(encoding='utf-8')
        assert old in text
        (root / file).write_text(text.replace(old, new, 1), encoding='utf-8')
    return spoiled


def points(*corners):
    return spoil(lambda content: content['shapes'][0].update(points=corners))


FAULTS = {  # what is left out, in one line, while the others are used
    'broken JSON': (lambda root: (labelme(root), (root / 'a/1.json').write_text('{'))[0],
                    ['a/1.json: it is no JSON']),
    'two points': (points((0, 0), (1, 1)), [
        'a/1.png, shape 1: a polygon of 2 points has no area']),
    'no numbers': (points('ab', 'cd', 'ef'), ['shape 1: expected points of x and y']),
    'another size': (spoil(lambda c: c.update(imageWidth=65)), [
        'a/1.png: the image is 64x48, but', 'a/1.json says that it is 65x48']),
    'no size': (spoil(lambda c: c.update(imageWidth=-1)), ['-1 x 48 is no size']),
    'no label': (spoil(lambda c: c['shapes'][0].update(label=None)), ['label None']),
    'an unknown shape': (spoil(lambda c: c['shapes'][1].update(shape_type='star')),
                         ["shape 2: shape_type 'star' is not known"]),
    'no mask': (spoil(lambda c: c['shapes'][0].update(shape_type='mask', mask='!')),
                ['shape 1: its mask is not base64']),
    'an image that is not there': (
        lambda root: (labelme(root), (root / 'a/1.png').unlink())[0],
        ["1 images are not in", "a/1.png' ("]),
    'a class that is in no list': (
        text_of(supervisely, 'a/ann/1.png.json', '"road"', '"moon"'),
        ["img/1.png: 'moon' is none of the classes (road, Baum, 道路)"]),
    'a label that is in no list': (text_of(cvat, 'annotations.xml', 'label="road"',
                                           'label="moon"'), ["its label 'moon' is none"]),
    'a category that is none': (text_of(coco, 'annotations/instances_a.json',
                                        '"category_id": 2', '"category_id": 9'),
                                ['annotation 1: its category_id 9 is none']),
    'a class beyond the names': (text_of(yolo, 'labels/train/a/1.txt', '0 ', '7 '),
                                 ['line 1: class 7 is none of the 3 names']),
    'a box of YOLO': (lambda root: (yolo(root), (root / 'labels/train/a/1.txt').write_text(
        '0 0.5 0.5 0.1 0.1'))[0], ['line 1: it is a box']),
    'pixels for shares, small': (lambda root: (yolo(root), (
        root / 'labels/train/a/1.txt').write_text('0 0 0 5 0 5 5'))[0], ['but one is 5']),
    'pixels for shares': (lambda root: (yolo(root), (
        root / 'labels/train/a/1.txt').write_text('0 5 5 50 5 50 40'))[0],
        ['points are shares of the sides, 0 to 1, but one is 50']),
    'a turned image of Label Studio': (text_of(
        label_studio, 'project-1.json', '"image_rotation": 0', '"image_rotation": 90'),
        ['turned by 90 degrees']),
    'damaged bitmap': (lambda root: text_of(
        lambda r: supervisely(r, 'bitmap'), 'a/ann/1.png.json', '"data": "eJ',
        '"data": "AAAA')(root), ['its bitmap is damaged']),
    'runs of another number': (text_of(
        lambda root: coco(root, 'runs'), 'annotations/instances_a.json', '"counts": [',
        '"counts": [99999999999999999999, '), ['runs (RLE)']),
    'a box of COCO': (lambda root: (one_coco(root, [dict(
        category_id=0, bbox=[0, 0, 5, 5], segmentation=[])], count=1), one_coco(
            root / 'more', [rectangle(0, 0, 5, 5)]))[0], ['it has a box and no segmentation']),
    'several images of one name': (
        lambda root: (one_coco(root / 'x', [rectangle(0, 0, 9, 9)]), save_images(
            root / 'y', ['0']), (root / 'x/coco.json').rename(root / 'coco.json'))[0],
        ["several images fit '0.png': x/0.png, y/0.png"]),
}


@pytest.mark.parametrize('name', FAULTS)
def test_what_is_wrong_is_one_line_and_the_rest_is_used(tmp_path, name):
    write, words = FAULTS[name]
    write(tmp_path / 'data')
    done = run_tool(CHECK, tmp_path / 'data', '--out', tmp_path / 'out', '--base', NETWORK)
    assert done.code == 1, done
    faults = [line for line in done.out.splitlines() if line.startswith('FAULT')]
    assert len(faults) >= 1 and all(word in faults[0] for word in words), faults
    assert len(labels_in(tmp_path / 'out')[1]) >= 3
    forget_runs()


def test_negative_coordinates_are_cut_off_and_strays_are_said(tmp_path):
    one_coco(tmp_path / 'data', [rectangle(-20, -5, 10, 10),
                                 rectangle(-20, -5, -1, -1, category_id=1)])
    assert "4 regions lie outside of their images, such as 'b' in" in check(
        tmp_path / 'data', tmp_path / 'out')
    assert labels_in(tmp_path / 'out')[1]['0.png'].sum() == 100


REFUSED = {
    'a broken file by itself': (lambda root: dump(root / 'x.json', {}) or (
        root / 'x.json').write_text('['), 'x.json', 'x.json: it is no JSON'),
    'a file of none of the formats': (lambda root: dump(root / 'x.json', {}), 'x.json',
                                      'of none of the formats'),
    'XML with entities': (text_of(cvat, 'annotations.xml', '<annotations>',
                                  '<!DOCTYPE a [<!ENTITY b "c">]><annotations>'),
                          'annotations.xml', 'it has a DOCTYPE'),
    'two images of one id': (lambda root: text_of(
        coco, 'annotations/instances_a.json', '"id": 8', '"id": 7')(root),
        'annotations/instances_a.json', 'two of the images have one id'),
    "CVAT's for videos": (lambda root: (save_images(root, ['1', '2']), (
        root / 'a.xml').write_text('<annotations><track/></annotations>'))[0], '',
        "a.xml: it is CVAT's for videos"),
    'no image at all': (lambda root: (coco(root), [
        file.unlink() for file in root.rglob('*.png')])[0], '', 'images are not in'),
    'names that are no list': (lambda root: ((root / 'labels').mkdir(parents=True), (
        root / 'data.yaml').write_text('names: 5'))[0], 'data.yaml', 'names is no list of'),
    'YAML that unfolds to billions': (lambda root: ((root / 'labels').mkdir(parents=True), (
        root / 'data.yaml').write_text('a0: &a0 [x, x]\n' + ''.join(
            f'a{i}: &a{i} [*a{i - 1}, *a{i - 1}, *a{i - 1}]\n' for i in range(1, 40))
            + 'names: *a39\n'))[0], 'data.yaml', 'names is no list of'),
}


@pytest.mark.parametrize('name', REFUSED)
def test_what_cannot_be_read_at_all_is_an_error_of_one_line(tmp_path, name):
    write, file, words = REFUSED[name]
    write(tmp_path / 'data')
    done = run_tool(CHECK, tmp_path / 'data' / file)
    assert done.code == 2 and words in done.err, done
    assert len(done.err.strip().splitlines()) == 1
    forget_runs()


# --- onward --------------------------------------------------------------------------


# Of every format masks are drawn, which is tested above: one in a folder, one in splits.
@pytest.mark.parametrize('name', [
    'labelme', pytest.param('Roboflow COCO', marks=pytest.mark.slow)])
def test_trains_on_them(tmp_path, name):
    FORMATS[name](tmp_path / 'data')
    check(tmp_path / 'data', tmp_path / 'out')
    tiny = tmp_path / 'tiny.py'
    tiny.write_text(TINY.format(base=str(tmp_path / 'out/config.py')), encoding='utf-8')
    succeed('train.py', tiny, '--work-dir', tmp_path / 'work')
    best, = (tmp_path / 'work').glob('best_*.pth')
    new = tmp_path / 'new'
    save_images(new, ['a', 'b'])
    succeed('predict.py', '--config', tiny, '--weight-path', best, '--img-path', new,
            '--out-dir', new, '--format', 'labelme', '--tolerance', '0')
    labels = tmp_path / 'labels'
    succeed('predict.py', '--config', tiny, '--weight-path', best, '--img-path', new,
            '--out-dir', labels)
    # Beside the images the proposals are read as labels: somebody has corrected them.
    found = draw_annotations(new, read_annotations(new)[0], tmp_path / 'masks',
                             classes=CLASSES, outside='background')
    assert len(found.pairing.pairs) == 2 and not found.faults
    assert 'regions have scores: a network has proposed them' in found.pairing.notes[-1]
    for pair in found.pairing.pairs:
        drawn = np.asarray(Image.open(pair.mask))
        predicted = np.asarray(Image.open(labels / f'{pair.image.stem}_labels.png'))
        assert (drawn == predicted).all()


def test_paths_of_other_machines(tmp_path):
    """Backslashes, absolute paths and other folders than here; Path says nothing of them."""
    assert Path('a\\b').name == 'a\\b'  # not on Windows
    labelme(tmp_path / 'data')
    for number, name in enumerate(NAMES):
        file = tmp_path / f'data/{name}.json'
        content = json.loads(file.read_text(encoding='utf-8'))
        content['imagePath'] = f'C:\\photos\\{name}.png'.replace('/', '\\')
        dump(file, content)
    check(tmp_path / 'data', tmp_path / 'out')
    assert (labels_in(tmp_path / 'out')[1]['b/1.png'] == truth(2)).all()


@pytest.mark.parametrize('write, pattern', [(coco, '*.json'), (yolo, 'labels/**/*.txt')])
def test_addresses_of_label_studio(tmp_path, write, pattern):
    """Its COCO and YOLO name images of a local storage by addresses, YOLO without folders.
    A file that is called like an address is itself."""
    root = tmp_path / 'data'
    write(root)
    before = quote('Größe 道')
    for file in sorted(root.glob(f'**/{pattern}')):
        if write is yolo:
            file.rename(file.with_name(f'{quote(file.stem)}.txt'))
            continue
        content = json.loads(file.read_text(encoding='utf-8'))
        for image in content['images']:
            image['file_name'] = f'/data/local-files/?d={quote(image["file_name"])}'
        dump(file, content)
    check(root, tmp_path / 'out')
    found = labels_in(tmp_path / 'out')[1]
    path, = (path for path in found if 'Größe' in path)
    assert len(found) == len(NAMES)
    assert (found[path] == truth(3, in_order_of(write.__name__.upper(), 3))).all()
    image, = root.rglob('Größe 道.png')
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save(image.with_name(f'{before}.png'))
    check(root, tmp_path / 'out', '--overwrite')
    named = [path for path in labels_in(tmp_path / 'out')[1] if before in path]
    assert len(named) == (write is yolo)


def test_a_name_like_an_address_in_a_folder_of_another_name(tmp_path):
    save_images(tmp_path / 'pictures', ['plus+%20', 'other'])
    for name in ('plus+%20', 'other'):
        file = tmp_path / f'labels/{name}.txt'
        file.parent.mkdir(exist_ok=True)
        file.write_text('0 0 0 0 0.5 0.5 0.5\n', encoding='utf-8')
    (tmp_path / 'classes.txt').write_text('cat\n', encoding='utf-8')
    found = draw_annotations(tmp_path, read_annotations(tmp_path)[0], tmp_path / 'masks')
    assert not found.faults and len(found.pairing.pairs) == 2


@pytest.mark.usefixtures('timed_once')
def test_the_page_from_labelme_to_a_phone(tmp_path, monkeypatch, capsys):
    """To the letter, but for the numbers of iterations and of images in each, and the files
    of onnxruntime-web."""
    pytest.importorskip('onnx', reason="the extra 'export' is not installed")
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    monkeypatch.chdir(tmp_path)
    labelme(tmp_path / 'photos')
    save_images(tmp_path / 'photos', ['to be labelled'])
    save_images(tmp_path / 'new', ['1', '道'])
    runtime = tmp_path / 'dist'
    runtime.mkdir()
    for name in WASM.values():
        (runtime / name).write_text(name)
    page = (ROOT / 'docs/annotations.md').read_text(encoding='utf-8')
    section = re.search(r'^## From labelme to a phone$(.+?)^## ', page, re.S | re.M)[1]
    commands = [line for block in re.findall(r'```bash\n(.+?)```', section, re.S)
                for line in block.splitlines()]
    assert [line.split()[:2] for line in commands] == [
        ['fcn', name] for name in ('check-data', 'train', 'export', 'predict', 'suggest')]
    more = dict(train=['--cfg-options', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2',
                       'default_hooks.checkpoint.interval=2', 'train_dataloader.batch_size=2',
                       'train_dataloader.num_workers=0',
                       'train_dataloader.persistent_workers=False'],
                export=['--onnxruntime-web', str(runtime)])
    for line in commands:
        words = [name for word in line.split()[1:]
                 for name in (sorted(glob(word)) if '*' in word else [word])]
        monkeypatch.setattr(sys, 'argv', ['fcn', *words, *more.get(words[0], [])])
        forget_runs()
        main()
    capsys.readouterr()
    assert (tmp_path / 'photos-fcn/masks/a/1.png.png').exists()
    assert 'Baum' in (tmp_path / 'photos.html').read_text(encoding='utf-8')
    written = json.loads((tmp_path / 'new/道.json').read_text(encoding='utf-8'))
    assert written['imagePath'] == '道.png'
    chosen, = (tmp_path / 'work_dirs/suggest').glob('*.txt')
    assert 'to be labelled.png' in chosen.read_text(encoding='utf-8')
