"""The built-in shapes: arguments, then what is drawn, then what it depends on."""
import os
import runpy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from torch.utils.data import DataLoader

from fcn_plugin.datasets import ShapesDataset
from fcn_plugin.datasets import shapes_drawing as shapes
from fcn_plugin.datasets.shapes import SPLITS
from fcn_plugin.datasets.shapes_drawing import SHAPES, render_shapes
from fcn_plugin.datasets.voc_layout import write_voc

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'dataset_converters' / 'shapes2voc.py'
LABELS = {shape.name: label for label, shape in enumerate(SHAPES, 1)}


@pytest.fixture(autouse=True)
def mmseg_scope():
    init_default_scope('mmseg')


@pytest.fixture(scope='module')
def many():
    """Images and labels enough for statistics."""
    dataset = ShapesDataset(400)
    return [dataset.draw(index) for index in range(400)]


@pytest.fixture
def alone(monkeypatch):
    """Draws a single object of a class."""
    monkeypatch.setattr(shapes, 'AREA_PER_OBJECT', 1e9)
    monkeypatch.setattr(shapes, 'MIN_OBJECTS', 1)

    def draw(name, seed=0, border=2):
        shares = [float(shape.name == name) for shape in SHAPES]
        monkeypatch.setattr(shapes, '_SHARES', np.cumsum(shares))
        return render_shapes(np.random.default_rng(seed), 128, 128, border)

    return draw


def seeds_of_whole(alone, name, number):
    """Seeds of objects that the image does not cut."""
    rim = np.ones((128, 128), bool)
    rim[5:-5, 5:-5] = False
    whole = [seed for seed in range(100) if not alone(name, seed, 0)[1][rim].any()]
    return whole[:number]


# Bad arguments


@pytest.mark.parametrize('name, value', [
    ('length', 0), ('length', -1), ('length', 2.5), ('length', True), ('length', '9'),
    ('split', 'trainval'), ('split', None), ('seed', -1), ('seed', 1.5),
    ('seed', None), ('image_size', 31), ('image_size', (160, 96)),
    ('image_size', (96, 128, 160)), ('image_size', (96., 128)), ('image_size', None),
    ('image_size', '96'), ('image_size', ((96, 128), (16, 128))),
    ('image_size', ((96, 128), 128)), ('border', -1), ('border', shapes.THICKNESS[0]),
    ('border', '2'),
    ('border', float('nan')),
])  # yapf: disable
def test_bad_argument_is_named(name, value):
    with pytest.raises(ValueError) as error:
        ShapesDataset(**{'length': 4, name: value})
    assert f'{name}={value!r}' in str(error.value)
    assert 'expected' in str(error.value)


def test_unknown_class():
    with pytest.raises(ValueError, match='hexagon'):
        ShapesDataset(4, metainfo=dict(classes=('background', 'hexagon')))


# Shapes and values


def test_meta_information():
    meta = DATASETS.build(dict(type='ShapesDataset', length=3)).metainfo
    assert len(meta['classes']) == len(meta['palette']) == 9
    assert meta['classes'][0] == 'background'
    assert len(set(map(tuple, meta['palette']))) == 9


@pytest.mark.parametrize('size, height, width', [
    (64, (64, 64), (64, 64)),
    ((64, 80), (64, 80), (64, 80)),
    ([[64, 66], [100, 103]], (64, 66), (100, 103)),
])
def test_sizes(size, height, width):
    dataset = ShapesDataset(60, image_size=size)
    drawn = np.array([dataset.draw(index)[1].shape for index in range(60)])
    assert (drawn.min(0) == (height[0], width[0])).all()
    assert (drawn.max(0) == (height[1], width[1])).all()


@pytest.mark.parametrize('height, width', [(32, 32), (33, 400), (513, 257)])
def test_any_size_from_32(height, width):
    for seed in range(4):
        image, labels = render_shapes(np.random.default_rng(seed), height, width)
        assert image.shape == (height, width, 3) and image.dtype == np.uint8
        assert labels.shape == (height, width) and labels.dtype == np.uint8
        objects = (labels > 0) & (labels < 255)
        assert 0.02 < objects.mean() < 0.6


def test_classes_are_equally_frequent(many):
    pixels = sum(np.bincount(labels.ravel(), minlength=256) for _, labels in many)
    assert pixels[9:255].sum() == 0
    share = pixels[1:9] / pixels[1:9].mean()
    assert share.min() > 0.8 and share.max() < 1.2, share
    assert 0.5 < pixels[0] / pixels.sum() < 0.8
    assert pixels[255] / pixels.sum() < 0.15
    for label in range(1, 9):
        assert np.mean([(labels == label).any() for _, labels in many]) > 0.25


@pytest.mark.parametrize('name', LABELS)
def test_border_is_a_band_on_the_outline(alone, name):
    for seed in seeds_of_whole(alone, name, 5):
        image, plain = alone(name, seed, border=0)
        assert set(np.unique(plain)) == {0, LABELS[name]}
        inside = (plain > 0).astype(np.uint8)
        # To the nearest pixel on the other side of the outline, 1 for neighbours.
        across = cv2.distanceTransform(inside, cv2.DIST_L2, 5)
        across += cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
        for border in (1, 2, 4):
            same_image, labels = alone(name, seed, border)
            band = labels == 255
            assert (same_image == image).all()
            assert (labels == plain)[~band].all()
            # Farthest off where two sides make 60 degrees.
            assert across[band].max() <= border + 1.5
            assert np.mean(across[band] <= border / 2 + 1) > 0.9
            assert band[across <= border / 2 - 0.5].all()


def test_border_width(alone):
    for name in ('square', 'striped disc'):
        seed, = seeds_of_whole(alone, name, 1)
        counts = {b: (alone(name, seed, b)[1] == 255).sum() for b in (1, 2, 4)}
        plain = (alone(name, seed, 0)[1] > 0).astype(np.uint8)
        contours, _ = cv2.findContours(plain, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        (_, _), (a, b), _ = cv2.minAreaRect(contours[0])
        length = 2 * (a + b) if name == 'square' else np.pi * (a + b) / 2
        for border, count in counts.items():
            assert count / length == pytest.approx(border, rel=0.15)


@pytest.mark.parametrize('name', ['bar', 'ring', 'frame', 'cross'])
def test_thin_parts(alone, name):
    low, high = shapes.THICKNESS
    # The largest circle that fits where two bars meet is wider than they are.
    high *= dict(cross=2**0.5, frame=1.18).get(name, 1)
    for seed in seeds_of_whole(alone, name, 10):
        inside = (alone(name, seed, 0)[1] > 0).astype(np.uint8)
        thickness = 2 * cv2.distanceTransform(inside, cv2.DIST_L2, 5).max()
        assert low - 1 <= thickness <= high + 2


def test_discs_share_the_outline_and_differ_in_texture(alone):

    def coherence(image, disc):
        """1 where all edges run one way, 0 where they run two ways equally."""
        smooth = cv2.GaussianBlur(image, (0, 0), 1).astype(float)
        y, x = np.gradient(smooth, axis=(0, 1))
        core = cv2.erode(disc.astype(np.uint8), np.ones((5, 5))) > 0
        xx, yy, xy = (x * x)[core].sum(), (y * y)[core].sum(), (x * y)[core].sum()
        return np.hypot(xx - yy, 2 * xy) / (xx + yy)

    for seed in range(10):
        striped, striped_labels = alone('striped disc', seed)
        checked, checked_labels = alone('checked disc', seed)
        disc = striped_labels == LABELS['striped disc']
        assert (disc == (checked_labels == LABELS['checked disc'])).all()
        assert ((striped_labels == 255) == (checked_labels == 255)).all()
        assert coherence(striped, disc) > 0.6 > 0.4 > coherence(checked, disc)


def test_colour_says_nothing_about_the_class(many):
    means = [[] for _ in SHAPES]
    for image, labels in many:
        for label in range(1, 9):
            pixels = image[labels == label]
            if len(pixels) > 50:
                means[label - 1].append(pixels.mean(0))
    centre = np.concatenate(means).mean(0)
    for colours in means:
        error = np.std(colours, 0) / len(colours)**0.5
        assert (np.abs(np.mean(colours, 0) - centre) < 4 * error).all()
        # and every class takes many colours
        assert (np.std(colours, 0) > 30).all()


def test_objects_stand_out(alone):
    for name in LABELS:
        image, labels = alone(name, 1)
        inside, outside = image[labels == LABELS[name]], image[labels == 0]
        assert np.linalg.norm(inside.mean(0) - outside.mean(0)) > 20


def test_pipeline():
    pipeline = [
        dict(type='RandomCrop', crop_size=(64, 72), cat_max_ratio=0.95),
        dict(type='RandomFlip', prob=1.),
        dict(type='PackSegInputs')
    ]
    dataset = ShapesDataset(3, 'val', pipeline=pipeline)
    item = dataset[2]
    assert item['inputs'].shape == (3, 64, 72) and item['inputs'].dtype == torch.uint8
    sample = item['data_samples']
    assert sample.gt_sem_seg.data.shape == (1, 64, 72)
    assert sample.img_path == 'shapes/val/000002.png'
    assert sample.img_shape == (64, 72)
    assert sample.ori_shape == dataset.draw(2)[1].shape
    assert sample.flip and sample.reduce_zero_label is False


def test_what_the_pipeline_is_given():
    item = ShapesDataset(3)[1]
    assert item['seg_fields'] == ['gt_seg_map'] and item['label_map'] is None
    assert item['img'].shape[:2] == item['gt_seg_map'].shape == item['img_shape']


def test_subset_of_the_classes():
    dataset = ShapesDataset(5, metainfo=dict(classes=('cross', 'background')))
    assert dataset.metainfo['palette'] == [list(SHAPES[3].colour), [0, 0, 0]]
    for index in range(5):
        full, labels = dataset.draw(index)[1], dataset[index]['gt_seg_map']
        assert labels.dtype == np.uint8
        assert ((labels == 0) == (full == LABELS['cross'])).all()
        assert ((labels == 1) == (full == 0)).all()
        assert set(np.unique(labels)) <= {0, 1, 255}


# States


def _equal(a, b):
    return all(x.shape == y.shape and (x == y).all() for x, y in zip(a, b))


def test_depends_on_seed_split_and_index_alone():
    dataset = ShapesDataset(5)
    first = [dataset.draw(index) for index in range(5)]
    np.random.seed(1)
    torch.manual_seed(1)
    cv2.setRNGSeed(1)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    other = ShapesDataset(100, lazy_init=True)
    for index in (3, 0, 4, 2, 1):
        assert _equal(other.draw(index), first[index])
    after = np.random.get_state()[1], torch.get_rng_state()
    assert _equal(before, after)


def test_no_image_twice():
    seen = set()
    for seed in (0, 1, 2**32, 2**40 + 1):
        for split in SPLITS:
            dataset = ShapesDataset(5, split, seed, image_size=64)
            seen |= {dataset.draw(index)[0].tobytes() for index in range(5)}
    assert len(seen) == 4 * 3 * 5


def test_workers_draw_the_same():
    dataset = ShapesDataset(6, image_size=64)
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    for index, item in enumerate(loader):
        drawn = item['img'].numpy(), item['gt_seg_map'].numpy()
        assert _equal(drawn, dataset.draw(index))


@pytest.mark.parametrize('serialize', [True, False])
def test_indices_keep_their_images(serialize):
    dataset = ShapesDataset(9, indices=[7, 2], serialize_data=serialize)
    assert len(dataset) == 2
    assert dataset[0]['img_path'] == 'shapes/train/000007.png'
    assert (dataset[0]['img'] == dataset.draw(7)[0]).all()
    assert (dataset.get_subset([1])[0]['img'] == dataset.draw(2)[0]).all()
    assert len(ShapesDataset(9, indices=4)) == 4 and len(ShapesDataset(9)) == 9


# The converter


def _tool(monkeypatch, capsys, *args):
    """Exit code and stderr of the converter, run in this process."""
    monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
    try:
        runpy.run_path(str(TOOL), run_name='__main__')
    except SystemExit as exit_:
        return exit_.code, capsys.readouterr().err
    return 0, capsys.readouterr().err


def test_written_labels_are_read_back(forked_python, tmp_path):
    out = tmp_path / 'new' / 'shapes'
    # Another process: what it draws must not depend on that either.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    options = ['--train', '3', '--val', '2', '--seed', '5', '--image-size', '64', '90']
    subprocess.run([forked_python, TOOL, out, *options],
                   check=True,
                   stdout=subprocess.DEVNULL,
                   cwd=tmp_path,
                   env={
                       **os.environ, 'PYTHONPATH': path
                   })
    for split, length in dict(train=3, val=2).items():
        memory = ShapesDataset(length, split, seed=5, image_size=(64, 90))
        disk = BaseSegDataset(
            ann_file=f'ImageSets/Segmentation/{split}.txt',
            data_root=str(out),
            data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
            metainfo=dict(classes=str(out / 'classes.txt')),
            pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')])
        assert len(disk) == length
        assert tuple(disk.metainfo['classes']) == memory.metainfo['classes']
        for index in range(length):
            written, drawn = disk[index], memory[index]
            assert (written['gt_seg_map'] == drawn['gt_seg_map']).all()
            error = np.abs(written['img'].astype(int) - drawn['img'])
            assert error.mean() < 10
    assert len(list((out / 'JPEGImages').iterdir())) == 5


def test_converter_overwrites_only_when_told(tmp_path, monkeypatch, capsys):
    args = tmp_path, '--train', 1, '--val', 1, '--image-size', 40, 40
    (tmp_path / 'mine.txt').write_text('precious')
    code, error = _tool(monkeypatch, capsys, *args)
    assert code == 2 and error.count('\n') == 1
    assert str(tmp_path) in error and '--overwrite' in error
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']
    assert _tool(monkeypatch, capsys, *args, '--overwrite')[0] == 0
    assert (tmp_path / 'mine.txt').read_text() == 'precious'
    lists = tmp_path / 'ImageSets' / 'Segmentation'
    assert (lists / 'val.txt').read_text() == 'val_000000\n'


@pytest.mark.parametrize('args, words', [
    (('--train', 0), 'length=0'),
    (('--seed', -1), 'seed=-1'),
    (('--image-size', 90, 64), 'image_size='),
    (('--border', 9), 'border=9'),
])
def test_converter_names_what_is_wrong(tmp_path, monkeypatch, capsys, args, words):
    code, error = _tool(monkeypatch, capsys, tmp_path / 'out', *args)
    assert code == 2 and error.count('\n') == 1 and words in error
    assert not (tmp_path / 'out').exists()
    with pytest.raises(ValueError):
        _tool(monkeypatch, capsys, tmp_path / 'out', *args, '--debug')


def test_write_into_a_file(tmp_path):
    path = tmp_path / 'file'
    path.touch()
    with pytest.raises(NotADirectoryError, match='file'):
        write_voc(path, dict(val=ShapesDataset(1)))


def test_jpegs_have_the_colours_of_the_images(tmp_path):
    shapes = ShapesDataset(1)
    write_voc(tmp_path / 'out', dict(val=shapes))
    image, = (tmp_path / 'out/JPEGImages').iterdir()
    far = [np.abs(cv2.imread(str(image)) - shapes[0]['img'][..., order].astype(float)).mean()
           for order in ([0, 1, 2], [2, 1, 0])]
    assert far[0] < 8 < far[1]


def test_jpegs_are_of_the_quality_that_is_asked_for(tmp_path):
    sizes = []
    for quality in (95, 30):
        write_voc(tmp_path / str(quality), dict(val=ShapesDataset(1)), quality=quality)
        image, = (tmp_path / str(quality) / 'JPEGImages').iterdir()
        sizes.append(image.stat().st_size)
    assert sizes[1] < sizes[0] / 2
