"""Masks from folders and from data sets' configs, without images."""
import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

from fcn_plugin.datasets.shapes import ShapesDataset
from fcn_plugin.masks.label_maps import (
    label_map_of,
    label_maps_of_dataset,
    label_maps_of_folder,
    read_labels,
)
from fcn_plugin.masks.reading import read_mask
from fcn_plugin.visualization import save_label_png

LABELS = np.random.default_rng(0).choice([0, 1, 20, 255], (6, 9)).astype(np.uint8)


@pytest.mark.parametrize('kind', ['palette', 'grey', '16 bits', '1 bit'])
def test_read(tmp_path, kind):
    path, labels = tmp_path / 'a.png', LABELS
    if kind == 'palette':
        save_label_png(path, labels, [(128, 0, 0)] * 21)
    else:
        labels = {'grey': labels, '16 bits': labels.astype(np.uint16) * 100,
                  '1 bit': labels > 1}[kind]
        Image.fromarray(labels).save(path)
    np.testing.assert_array_equal(read_labels(path), labels)


@pytest.mark.parametrize('name, words', [
    ('colour.png', 'mode RGB, expected palette indices or one channel'),
    ('text.png', 'is no mask: it is no picture')])
def test_no_mask(tmp_path, name, words):
    (tmp_path / 'text.png').write_text('not an image')
    Image.fromarray(np.full((4, 5, 3), (9, 0, 0), np.uint8)).save(tmp_path / 'colour.png')
    with pytest.raises(ValueError, match=f'{name} .*{words}'):
        read_labels(tmp_path / name)


def test_folder(tmp_path):
    for name, value in (('b', 1), ('a', 0)):
        Image.fromarray(np.full((3, 4), value, np.uint8)).save(tmp_path / f'{name}.png')
    (tmp_path / 'notes.txt').touch()
    (tmp_path / '._a.png').write_bytes(b'what macOS keeps beside a.png')
    maps = label_maps_of_folder(tmp_path)
    assert len(maps) == 2
    assert [(name, labels.max()) for name, labels in maps] == [
        (str(tmp_path / 'a.png'), 0), (str(tmp_path / 'b.png'), 1)]


def test_folder_without_masks(tmp_path):
    with pytest.raises(FileNotFoundError, match='holds no mask'):
        label_maps_of_folder(tmp_path)


@pytest.fixture
def voc(tmp_path):
    """A data set's config; its images are no images."""
    for folder in ('JPEGImages', 'SegmentationClass'):
        (tmp_path / folder).mkdir()
    for name, height in (('a', 6), ('b', 5)):
        (tmp_path / 'JPEGImages' / f'{name}.jpg').touch()
        save_label_png(tmp_path / 'SegmentationClass' / f'{name}.png', LABELS[:height],
                    [(128, 0, 0)] * 21)
    (tmp_path / 'val.txt').write_text('b\na\n')
    return dict(
        type='PascalVOCDataset', data_root=str(tmp_path), ann_file='val.txt',
        data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
        pipeline=[dict(type='LoadImageFromFile'),
                  dict(type='Resize', scale=(224, 224), keep_ratio=False),
                  dict(type='LoadAnnotations'), dict(type='PackSegInputs')])


@pytest.mark.parametrize('wrapper', [None, 'ConcatDataset', 'RepeatDataset'])
def test_data_set(voc, wrapper):
    config = {
        None: voc,
        'ConcatDataset': dict(type='ConcatDataset', datasets=[voc, voc]),
        'RepeatDataset': dict(type='RepeatDataset', dataset=voc, times=2),
    }[wrapper]
    config = Config(dict(it=config)).it
    before = config.to_dict()
    maps, classes = label_maps_of_dataset(config)
    assert config.to_dict() == before
    assert classes == 21 and len(maps) == (2 if wrapper is None else 4)
    for index, (_, labels) in enumerate(maps):
        np.testing.assert_array_equal(labels, LABELS[:5] if index % 2 == 0 else LABELS)


def test_data_set_changes_its_labels(voc):
    """As in training: here PASCAL-Context's, which count from 1."""
    voc.update(type='PascalContextDataset59')
    maps, classes = label_maps_of_dataset(voc)
    expected = {0: 255, 1: 0, 20: 19, 255: 255}
    _, labels = list(maps)[1]
    assert classes == 59
    np.testing.assert_array_equal(labels, np.vectorize(expected.get)(LABELS))


def test_masks_of_the_first_of_several_tasks(voc, tmp_path):
    (tmp_path / 'heights').mkdir()
    for name, height in (('a', 6), ('b', 5)):
        save_label_png(tmp_path / f'heights/{name}.png', np.ones((height, 9), np.uint8), ())
    voc.update(type='MultiTaskDataset', img_suffix='.jpg', seg_map_suffix='.png',
               metainfo=dict(classes=['x'] * 21, tasks=dict(height=('low', 'high'))),
               data_prefix=dict(voc['data_prefix'], height='heights'),
               pipeline=[dict(type='LoadTasks'), dict(type='PackTasks')])
    maps, classes = label_maps_of_dataset(voc)
    assert classes == 21 and [labels.tolist() for _, labels in maps] == [
        LABELS[:5].tolist(), LABELS.tolist()]


def test_data_set_that_draws():
    maps, classes = label_maps_of_dataset(
        dict(type='ShapesDataset', length=2, split='val', pipeline=[
            dict(type='PackSegInputs')]))
    assert classes == 9
    for index, (_, labels) in enumerate(maps):
        np.testing.assert_array_equal(labels, ShapesDataset(2, 'val').draw(index)[1])


def test_data_set_without_masks(voc):
    voc['pipeline'] = [dict(type='LoadImageFromFile')]
    maps, _ = label_maps_of_dataset(voc)
    with pytest.raises(ValueError, match='PascalVOCDataset has no LoadAnnotations'):
        list(maps)


def test_grey_in_three_channels_is_an_image(tmp_path):
    Image.fromarray(np.ones((2, 3, 3), np.uint8)).save(tmp_path / 'a.png')
    with pytest.raises(ValueError, match='image of mode grey in 3 channels, expected'):
        read_labels(tmp_path / 'a.png')


def test_real_numbers_are_labels_where_they_are_whole(tmp_path):
    for name, last in (('whole', 2.), ('half', 2.5)):
        Image.fromarray(np.array([[0, 1, last]], np.float32)).save(tmp_path / f'{name}.tif')
    assert read_mask(tmp_path / 'whole.tif').values.tolist() == [[0, 1, 2]]
    with pytest.raises(ValueError, match='fractions, not labels'):
        read_mask(tmp_path / 'half.tif')


def test_labels_of_all_16_bits_stay(tmp_path):
    labels = np.array([[0, 255, 32768, 65535]])
    save_label_png(tmp_path / 'a.png', labels, ())
    assert (read_labels(tmp_path / 'a.png') == labels).all()


@pytest.mark.parametrize('settings, count', [
    (dict(type='NYUDv2Dataset'), 40),
    (dict(type='NYUDv2Dataset', reduce_zero_label=False), 40),
    (dict(type='BaseSegDataset', reduce_zero_label=True,
          metainfo=dict(classes=('a', 'b'))), 2),
    (dict(type='PascalVOCDataset', metainfo=dict(classes=('person', 'background'))), 2),
    (dict(type='PascalContextDataset59', metainfo=dict(classes=('bag', 'aeroplane'))), 2),
    (dict(type='CamVidDataset'), 11), (dict(type='PascalVOCDataset'), 21),
    (dict(type='ListDataset', label_map=[(0, 0), (9, 1), (7, 255)]), 2)], ids=str)
def test_values_stand_for_what_they_do_in_training(tmp_path, settings, count):
    """As mmseg's own steps read them from files."""
    values, line = np.arange(61, dtype=np.uint8), 'a'
    more = dict(img_suffix='.png', data_prefix=dict(img_path='', seg_map_path=''))
    if settings['type'] == 'ListDataset':
        values, line, more = np.array([0, 7, 9], np.uint8), 'a.png\ta.png', {}
    (tmp_path / 'list.txt').write_text(f'{line}\n')
    Image.fromarray(np.stack([values] * 2)).save(tmp_path / 'a.png')
    steps = [dict(type='LoadAnnotations')]
    built = DATASETS.build(dict(settings, data_root=str(tmp_path), ann_file='list.txt',
                                pipeline=steps, **more))
    labels = built[0]['gt_seg_map'][0]
    found = label_map_of(settings, count)
    known = dict(enumerate(range(count))) if found is None else dict(found)
    assert len(known) > 1
    for value, label in zip(values.tolist(), labels.tolist()):
        if value in known:
            assert label == known[value], value
        else:
            assert label >= count, value


def test_of_what_is_no_data_set_of_mmseg_values_are_classes():
    for settings in ({}, dict(type='NoSuchDataset'), dict(
            type='PascalVOCDataset', metainfo=dict(classes=('bicycle', 'moon')))):
        assert label_map_of(settings, 3) is None
