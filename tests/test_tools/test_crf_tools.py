"""--crf of the tools, and tune_crf.py."""
import re

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image
from tiny_runs import SHAPES, run_tool, succeed, write_config

TUNE = 'analysis_tools/tune_crf.py'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A config, random weights that tell classes apart, and a photo."""
    folder = tmp_path_factory.mktemp('crf')
    config = write_config(folder, SHAPES)
    init_default_scope('mmseg')
    torch.manual_seed(0)
    weights = MODELS.build(Config.fromfile(config).model).state_dict()
    for key, value in weights.items():
        if key.startswith('decode_head.score') and key.endswith('weight'):
            weights[key] = torch.randn_like(value)
    torch.save(dict(state_dict=weights), folder / 'random.pth')
    patches = np.random.RandomState(0).randint(0, 256, (4, 5, 3)).astype(np.uint8)
    Image.fromarray(patches).resize((50, 40), Image.NEAREST).save(folder / 'photo.png')
    return folder


def labels(path):
    return np.array(Image.open(path))


def test_test(folder, tmp_path):
    given = folder / 'tiny.py', folder / 'random.pth', '--work-dir', tmp_path
    weak = '--cfg-options', 'model.post_processor.steps=1', (
        'model.post_processor.appearance_weight=0'), 'model.post_processor.smoothness_weight=0'
    for name, more in dict(plain=(), crf=('--crf', ), weak=('--crf', *weak)).items():
        succeed('test.py', *given, '--out', tmp_path / name, *more)
    files = sorted(path.name for path in (tmp_path / 'plain').iterdir())
    assert len(files) == 5
    plain, crf, weak = ([labels(tmp_path / name / file) for file in files]
                        for name in ('plain', 'crf', 'weak'))
    assert all((a == b).all() for a, b in zip(plain, weak))  # the settings arrive
    assert any((a != b).any() for a, b in zip(plain, crf))


STOCK = """
model = dict(
    _delete_=True, type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[100] * 3, std=[50] * 3,
                           bgr_to_rgb=True),
    backbone=dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
                  out_indices=(3, )),
    decode_head=dict(type='FCNHead', in_channels=64, in_index=0, channels=8, num_convs=1,
                     num_classes=9),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
test_dataloader = dict(batch_size=1, dataset=dict(
    _delete_=True, type='BaseSegDataset', metainfo=dict(classes=tuple('abcdefghi')),
    data_root='{folder}', img_suffix='.png', data_prefix=dict(img_path='i', seg_map_path='m'),
    pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
              dict(type='PackSegInputs')]))
tta_pipeline = [dict(type='LoadImageFromFile'), dict(type='TestTimeAug', transforms=[
    [dict(type='Resize', scale_factor=factor, keep_ratio=True) for factor in (0.75, 1.5)],
    [dict(type='RandomFlip', prob=0.), dict(type='RandomFlip', prob=1.)],
    [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]
"""


def test_test_of_mmsegs_own_segmentor_with_views(tmp_path):
    """It knows nothing of logits and of a post processor."""
    config = write_config(tmp_path, SHAPES + STOCK.replace('{folder}', str(tmp_path)))
    for name in 'im':
        (tmp_path / name).mkdir()
    for i, size in enumerate(((50, 40), (45, 61))):
        patches = np.random.RandomState(i).randint(0, 256, (4, 5, 3)).astype(np.uint8)
        Image.fromarray(patches).resize(size, Image.NEAREST).save(tmp_path / 'i' / f'{i}.png')
        Image.new('L', size).save(tmp_path / 'm' / f'{i}.png')
    torch.manual_seed(0)
    init_default_scope('mmseg')
    weights = MODELS.build(Config.fromfile(config).model).state_dict()
    for name in ('weight', 'bias'):
        weight = weights[f'decode_head.conv_seg.{name}']
        weights[f'decode_head.conv_seg.{name}'] = torch.randn_like(weight) * (name == 'weight')
    torch.save(dict(state_dict=weights), tmp_path / 'random.pth')
    found = {}
    for name, flags in dict(plain=(), tta=('--tta', ), both=('--tta', '--crf')).items():
        succeed('test.py', config, tmp_path / 'random.pth', '--work-dir', tmp_path / 'work',
                '--out', tmp_path / name, *flags)
        found[name] = [labels(path) for path in sorted((tmp_path / name).iterdir())]
    for one, other in (('plain', 'tta'), ('tta', 'both')):
        assert len(found[one]) == len(found[other]) == 2
        assert any((a != b).any() for a, b in zip(found[one], found[other])), (one, other)


def test_predict(folder, tmp_path):
    for name, more in dict(plain=(), crf=('--crf', )).items():
        succeed('predict.py', '--config', folder / 'tiny.py', '--weight-path',
                folder / 'random.pth', '--img-path', folder / 'photo.png', '--out-dir',
                tmp_path / name, '--heatmap', '1', *more)
    plain, crf = (labels(tmp_path / name / 'photo_labels.png') for name in ('plain', 'crf'))
    assert plain.shape == crf.shape == (40, 50) and (plain != crf).any()


def test_predict_show(folder, tmp_path):
    succeed('predict_show.py', '--config', folder / 'tiny.py', '--weight-path',
            folder / 'random.pth', '--out-dir', tmp_path, '--crf', '--max-images', 1)
    assert (tmp_path / 'comparison_01.png').is_file()


@pytest.mark.parametrize('option, message', [
    ('model.post_processor.steps=0', 'DenseCRF: steps=0, expected an integer'),
    ('model.post_processor.engine=pydensecrf2', "engine='pydensecrf2', expected 'torch'"),
    ('model.post_processor.sigma=3', "unexpected keyword argument 'sigma'")])
def test_bad_settings(folder, option, message):
    done = run_tool('predict.py', '--config', folder / 'tiny.py', '--weight-path',
                    folder / 'random.pth', '--img-path', folder / 'photo.png', '--crf',
                    '--cfg-options', option)
    assert done.code == 2 and message in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_tune(folder, monkeypatch):
    """A network of random weights, so that any field is an improvement or none is."""
    from fcn_plugin.reports import tune_crf
    monkeypatch.setattr(tune_crf, 'SEARCHED', dict(appearance_weight=(1, 4)))
    printed = succeed(TUNE, folder / 'tiny.py', folder / 'random.pth', '--images', 3,
                      '--steps', 2, '--trimap', 5)
    assert '3 of 8 images of train, less than 5 pixels from a boundary' in printed
    without, best = (float(value) for value in re.findall(
        r'\|\s*(?:without|best CRF) \|\s*([\d.]+)', printed))
    assert f'without CRF: {without:.2f}' in printed
    if best > without:
        config = Config.fromstring(printed[printed.index('model = '):], '.py')
        assert MODELS.build(config.model.post_processor).steps == 2
    else:
        assert 'no gain: none of 2 settings' in printed and 'model = ' not in printed


@pytest.mark.parametrize('options, message', [
    (('--images', 0), '--images must be at least 1'),
    (('--trimap', 0), '--trimap must be at least 1'),
    (('--steps', 0), 'steps=0')])
def test_bad_arguments_of_tune(folder, options, message):
    done = run_tool(TUNE, folder / 'tiny.py', folder / 'random.pth', *options)
    assert done.code == 2 and message in done.err and not done.out
