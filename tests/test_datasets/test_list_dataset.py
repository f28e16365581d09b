"""Pairs by a list, and masks whose values are no class numbers."""
import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image


def write(root, lines):
    for name in ('a.jpg', 'b.tif'):
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(root / name)
    mask = np.array([[0, 10, 20, 255, 1, 0]] * 4, np.uint8)
    (root / 'deep' / 'er').mkdir(parents=True)
    Image.fromarray(mask).save(root / 'deep' / 'er' / 'm.png')
    (root / 'list.txt').write_text('\n'.join(lines) + '\n')
    return mask


def build(root, **options):
    options.setdefault('pipeline', [dict(type='LoadImageFromFile'),
                                    dict(type='LoadAnnotations')])
    return DATASETS.build(dict(dict(
        type='ListDataset', data_root=str(root), ann_file='list.txt',
        metainfo=dict(classes=('x', 'y'))), **options))


def test_bad_lists(tmp_path):
    with pytest.raises(FileNotFoundError, match='list.txt: no such list.*check_dataset.py'):
        build(tmp_path)
    write(tmp_path, ['a.jpg\tdeep/er/m.png', 'b.tif deep/er/m.png'])
    with pytest.raises(ValueError, match=r"line 2: expected .* tab .*'b.tif deep/er/m.png'"):
        build(tmp_path)


def test_data_that_is_elsewhere_is_an_error_at_once(tmp_path):
    write(tmp_path, ['a.jpg\tdeep/er/m.png'])
    with pytest.raises(FileNotFoundError, match='gone: no such folder of data'):
        build(tmp_path / 'gone', **{'ann_file': str(tmp_path / 'list.txt')})


def test_any_names_and_suffixes(tmp_path):
    mask = write(tmp_path, ['a.jpg\tdeep/er/m.png', '', ' \t ',
                            f' b.tif \t {tmp_path}/deep/er/m.png '])
    dataset = build(tmp_path)
    assert len(dataset) == 2
    for item in dataset:
        assert item['img'].shape == (4, 6, 3)
        np.testing.assert_array_equal(item['gt_seg_map'], mask)


def test_names_that_begin_with_a_blank_and_blanks_around_tabs(tmp_path):
    write(tmp_path, [' a.jpg\t m.png', ' b.tif \t deep/er/m.png'])
    (tmp_path / 'a.jpg').rename(tmp_path / ' a.jpg')
    (tmp_path / 'deep/er/m.png').rename(tmp_path / ' m.png')
    paths = [[item['img_path'], item['seg_map_path']] for item in map(
        build(tmp_path).get_data_info, range(2))]
    assert [[path.removeprefix(f'{tmp_path}/') for path in each] for each in paths] == [
        [' a.jpg', ' m.png'], ['b.tif', 'deep/er/m.png']]


def test_values_are_mapped_all_at_once(tmp_path):
    """10 to 1 and 1 to 255: neither is mapped on by the other."""
    write(tmp_path, ['a.jpg\tdeep/er/m.png'])
    dataset = build(tmp_path, label_map=[(0, 0), (10, 1), (20, 0), (1, 255), (255, 255)])
    assert dataset[0]['gt_seg_map'][0].tolist() == [0, 1, 0, 255, 255, 0]


def test_zero_may_be_no_class(tmp_path):
    write(tmp_path, ['a.jpg\tdeep/er/m.png'])
    dataset = build(tmp_path, reduce_zero_label=True)
    assert dataset[0]['gt_seg_map'][0].tolist() == [255, 9, 19, 255, 0, 255]


def test_images_without_truth(tmp_path):
    write(tmp_path, ['a.jpg', 'b.tif'])
    dataset = build(tmp_path, test_mode=True, pipeline=[dict(type='LoadImageFromFile')])
    assert [set(item) >= {'img', 'img_path'} for item in dataset] == [True, True]
    assert 'seg_map_path' not in dataset[0]
