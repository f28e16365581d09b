"""Regions of labelling tools: what is noted of them, and of which images they are."""
import json

import numpy as np
from PIL import Image

from fcn_plugin.own_data.check_dataset import check_dataset
from fcn_plugin.own_data.findings import labels_of


def save(path, size, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(
        path)


def labelme(file, image, *shapes):
    """A file of labelme: shapes of kind, corners and what else they have."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dict(imagePath=image, shapes=[
        dict(label='a', shape_type=kind, points=points, **more)
        for kind, points, more in shapes])))


SQUARE = 'polygon', [[0, 0], [8, 0], [8, 8], [0, 8]], {}


def checked(root, **options):
    return check_dataset(str(root / 'data'), drawn=root / 'drawn', **options)


def test_what_is_noted(tmp_path):
    data = tmp_path / 'data'
    save(data / 'small.png', (8, 8))
    save(data / 'large.png', (24, 24), 1)
    labelme(data / 'small.JSON', 'small.png', SQUARE[:2] + (dict(score=0.), ))
    labelme(data / 'large.json', 'large.png', ('rectangle', [[0, 0], [8, 8]], {}),
            ('linestrip', [[0, 0], [8, 8]], {}), ('point', [[1, 1]], {}),
            ('linestrip', [[0, 0], [8, 8]], {}))
    for name in ('small', 'large'):
        Image.new('L', (8, 8)).save(data / f'{name}_mask.png')
    notes = '\n'.join(checked(tmp_path).notes)
    for note in ('regions cover 20.0 % of all pixels; the rest is ',  # 128 of 64 and 576
                 'shapes without an area are left out: linestrip (2), point (1)',
                 '2 regions are boxes, and all in a box is taken for its class',
                 '1 regions have scores: a network has proposed them',
                 '2 masks, such as ', ', are not read beside regions: --masks DIR'):
        assert note in notes, note


def test_regions_are_of_one_image_each_whatever_its_suffix(tmp_path):
    data = tmp_path / 'data'
    for i, name in enumerate(('1.png', '1.jpg', '2.png')):
        save(data / name, (8, 8), i)
        left = 2 * i
        labelme(data / f'{i}.json', name, ('polygon', [
            [left, 0], [left + 2, 0], [left + 2, 8], [left, 8]], {}))
    found = checked(tmp_path)
    items = [item for part in found.splits.values() for item in part]
    columns = {item.pair.image.name: labels_of(item, found.encoding)[0].nonzero()[0].tolist()
               for item in items}
    assert columns == {'1.png': [0, 1], '1.jpg': [2, 3], '2.png': [4, 5]}


def test_images_of_the_folder_that_is_named_alone(tmp_path):
    data = tmp_path / 'data'
    for i, place in enumerate(('photos/1.png', 'photos/2.png', 'others/1.png')):
        save(data / place, (8, 8), i)
    for name in '12':
        labelme(data / f'regions/{name}.json', f'{name}.png', SQUARE)
    found = checked(tmp_path, images='photos')
    assert sorted(item.pair.image.relative_to(data).as_posix() for part in
                  found.splits.values() for item in part) == ['photos/1.png', 'photos/2.png']
    assert not found.faults


def test_what_the_export_says_of_a_split_counts_more_than_folders(tmp_path):
    data = tmp_path / 'data'
    shape, images = '<polygon label="a" points="0,0;8,0;8,8"/>', ''
    for i, subset in enumerate(('Train', 'Val', 'Train', 'Val')):
        save(data / f'train/{i}.png', (8, 8), i)
        images += (f'<image name="{i}.png" subset="{subset}" width="8" height="8">{shape}'
                   '</image>')
    (data / 'annotations.xml').write_text(f'<annotations>{images}</annotations>')
    found = checked(tmp_path)
    assert {split: sorted(item.pair.image.stem for item in part)
            for split, part in found.splits.items()} == dict(train=['0', '2'], val=['1', '3'])
