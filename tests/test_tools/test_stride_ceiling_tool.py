"""tools/analysis_tools/stride_ceiling.py on a folder, on a config and on real masks."""
import re

import numpy as np
import pytest
from PIL import Image
from tiny_runs import CONFIGS, run_tool, succeed, write_config

TOOL = 'analysis_tools/stride_ceiling.py'
VOC = CONFIGS / 'fcn' / 'fcn-8s_vgg16_1xb16-20k_voc12-224x224.py'
CAMVID = CONFIGS / 'fcn' / 'fcn-8s_vgg16_1xb8-20k_camvid-360x480.py'


def rows(printed):
    """By factor: mean IoU, pixel accuracy, and the paper's figure."""
    found = re.findall(r'\|\s*(\d+) \|\s*([\d.]+) \|\s*([\d.]+) \|\s*(\S+) \|', printed)
    return {int(f): (float(iou), float(accuracy), paper)
            for f, iou, accuracy, paper in found}


@pytest.fixture
def masks(tmp_path):
    folder = tmp_path / 'masks'
    folder.mkdir()
    labels = np.kron(np.arange(6).reshape(2, 3), np.ones((16, 16), int)).astype(np.uint8)
    for name in 'ab':
        Image.fromarray(labels).save(folder / f'{name}.png')
    return folder


def test_folder(masks):
    printed = succeed(TOOL, masks)
    assert f'{masks}: 2 masks' in printed and 'mIoU in the paper (VOC)' in printed
    found = rows(printed)
    assert list(found) == [128, 64, 32, 16, 8, 4]
    assert [f[2] for f in found.values()] == ['50.9', '73.3', '86.1', '92.8', '96.4',
                                              '98.5']
    assert all(found[f][:2] == (100, 100) for f in (16, 8, 4))
    assert found[32][0] < 100


def test_factors_and_classes(masks):
    assert rows(succeed(TOOL, masks, '--factors', 3, 16)) == {
        3: rows(succeed(TOOL, masks, '--factors', 3))[3], 16: (100, 100, '92.8')}
    ignored = succeed(TOOL, masks, '--factors', 48, '--ignore-index', 0)
    # the middle's class is one of five that count, of the same size
    assert rows(ignored)[48] == (4, 20, '-')
    done = run_tool(TOOL, masks, '--num-classes', 5)
    assert done.code == 2 and 'a.png: the truth holds the labels [5]' in done.err


def test_what_the_config_s_evaluator_ignores_does_not_count(tmp_path, masks):
    config = write_config(tmp_path, f"""
val_dataloader = dict(dataset=dict(
    type='BaseSegDataset', data_root={str(masks)!r}, img_suffix='.png', seg_map_suffix='.png',
    data_prefix=dict(img_path='', seg_map_path=''), metainfo=dict(classes=list('abcdef')),
    pipeline=[dict(type='LoadAnnotations')]))
val_evaluator = dict(type='FCNMetric', ignore_index=0)
""")
    assert rows(succeed(TOOL, config, '--factors', 48))[48] == (4, 20, '-')
    assert rows(succeed(TOOL, config, '--factors', 48, '--ignore-index', 255)) == rows(
        succeed(TOOL, masks, '--factors', 48))


def test_of_a_folder_every_label_of_8_bits_may_be_a_class(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / 'a.png')
    printed = succeed(TOOL, tmp_path, '--factors', 1, '--ignore-index', 7)
    assert rows(printed)[1] == (100, 100, '-')


def test_of_a_folder_of_black_and_white_masks(tmp_path):
    """Without their object the ceiling would be 100."""
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / 'a.png')
    done = run_tool(TOOL, tmp_path, '--factors', 1)
    assert done.code == 2 and 'of one class' in done.err and '--ignore-index' in done.err


def test_config(tmp_path):
    config = write_config(tmp_path, f"_base_ = '{CONFIGS}/_base_/datasets/shapes.py'\n"
                          'val_dataloader = dict(dataset=dict(length=3))\n')
    printed = succeed(TOOL, config, '--factors', 1, 4, 32)
    assert f'{config}: 3 masks' in printed
    found = rows(printed)
    assert found[1][:2] == (100, 100) and 100 > found[4][0] > found[32][0]


@pytest.mark.parametrize('source, words', [
    ('no/such', 'no such config file'), ('empty', 'holds no mask'),
    ('no_data.py', 'has no val_dataloader')])
def test_errors(tmp_path, source, words):
    (tmp_path / 'empty').mkdir()
    write_config(tmp_path, 'model = dict()', 'no_data.py')
    done = run_tool(TOOL, tmp_path / source)
    assert done.code == 2 and done.err.count('\n') == 1 and words in done.err


def test_voc(test_data):
    found = rows(succeed(TOOL, VOC, '--cfg-options', 'val_dataloader.dataset.data_root='
                         f'{test_data}/data/voc_demo'))
    ious = [iou for iou, _, _ in found.values()]
    assert ious == sorted(ious) and ious[0] < 50 and ious[-1] > 98


def test_camvid(test_data):
    """Its void, 11 in the files, is ignored by the config and on request."""
    folder = test_data / 'data' / 'camvid'
    by_config = succeed(TOOL, CAMVID, '--factors', 32, 8, '--cfg-options',
                        f'val_dataloader.dataset.data_root={folder}',
                        'val_dataloader.dataset.img_suffix=.jpg')
    assert '101 masks' in by_config
    by_folder = succeed(TOOL, folder / 'valannot', '--factors', 32, 8, '--ignore-index', 11)
    assert rows(by_config) == rows(by_folder)
