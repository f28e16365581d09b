"""What a config costs, as fcn describe CONFIG --shape H W says."""
import ctypes
import re
from contextlib import suppress

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from tiny_runs import CONFIGS, run_tool, succeed, write_config
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from fcn_plugin.diagnosis.cost import _without_weights, cost_of, peak_of

TOOL = 'misc/describe_backbone.py'


@pytest.fixture(autouse=True)
def few_runs(monkeypatch):
    """No test looks at how long they take."""
    monkeypatch.setattr('fcn_plugin.diagnosis.cost._MOST_RUNS', 3)


def on(backbone, channels, strides=(8, 16, 32), **head):
    """A config of an FCN of two classes on a backbone."""
    return Config(dict(model=dict(
        type='FCNSegmentor', data_preprocessor=dict(type='FCNDataPreProcessor'),
        backbone=backbone, decode_head=dict(
            type='FCNSkipHead', in_channels=channels, in_index=tuple(range(len(channels))),
            in_strides=strides, num_classes=2, **head))))


@pytest.mark.parametrize('config, published', [
    # At 224 x 224, in thousand millions: He et al. and torchvision, Liu et al. (both), and
    # Touvron et al., whose attention PyTorch computes in one operation.
    (on(dict(type='mmpretrain.ResNet', depth=18, out_indices=(1, 2, 3)), (128, 256, 512)),
     1.81),
    (on(dict(type='mmpretrain.SwinTransformer', arch='tiny', out_indices=(1, 2, 3)),
        (192, 384, 768)), 4.5),
    (on(dict(type='mmpretrain.ConvNeXt', arch='tiny', out_indices=(1, 2, 3),
             gap_before_final_norm=False), (192, 384, 768)), 4.5),
    (on(dict(type='mmpretrain.VisionTransformer', arch='deit-small', out_type='featmap'),
        (384, ), (16, )), 4.6)], ids=lambda value: str(getattr(value, 'model', {}).get(
            'backbone', {}).get('type', value)) if isinstance(value, Config) else str(value))
def test_operations_are_those_that_were_published(config, published):
    found = cost_of(config, (224, 224), 'cpu')
    assert found.multiply_adds / 1e9 == pytest.approx(published, rel=0.02)
    assert found.memory is None or found.memory > 4 * found.parameters  # and more


def test_no_weights_are_fetched():
    init = dict(type='Pretrained', checkpoint='https://x/y.pth')
    kept = dict(type='Normal', std=0.01)
    assert _without_weights(dict(a=[dict(init_cfg=init, depth=18)], pretrained=True,
                                 init_cfg=kept)) == dict(
        a=[dict(depth=18)], pretrained=False, init_cfg=kept)


def test_attention_of_older_modules_is_counted():
    """They let PyTorch compute all of it in one operation where no gradient is wanted."""
    config = on(dict(type='MixVisionTransformer', embed_dims=16, num_stages=2,
                     num_layers=(1, 1), num_heads=(1, 2), patch_sizes=(7, 3),
                     strides=(4, 2), sr_ratios=(2, 1), out_indices=(0, 1)), (16, 32), (4, 8))
    found = cost_of(config, (64, 64), 'cpu')
    model = MODELS.build(config.model).eval()
    with FlopCounterMode(display=False) as products:
        model(torch.zeros(1, 3, 64, 64))
    assert found.multiply_adds == pytest.approx(products.get_total_flops() / 2, rel=0.1)
    assert found.multiply_adds > products.get_total_flops() / 2 and not found.uncounted


def test_what_is_not_counted_is_named():
    @MODELS.register_module(name='Distances', force=True)
    class Distances(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 8, 8)

        def forward(self, image):
            maps = self.stem(image)
            flat = maps.flatten(2).transpose(1, 2)
            return maps + torch.cdist(flat, flat).mean(),

    found = cost_of(on(dict(type='Distances'), (4, ), (8, )), (64, 64), 'cpu')
    assert found.uncounted == ['cdist']


def test_operations_by_hand():
    """One convolution, a score layer, and an upsampling in fixed weights."""
    config = on(dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
                     out_indices=(3, )), (64, ), (32, ))
    whole = cost_of(config, (64, 96), 'cpu')
    twice = cost_of(config, (128, 96), 'cpu')
    assert twice.multiply_adds == pytest.approx(2 * whole.multiply_adds, rel=1e-6)
    more = on(config.model.backbone, (64, ), (32, ))
    more.model.decode_head.num_classes = 12  # ten more of 64 weights at 2 x 3 places
    difference = cost_of(more, (64, 96), 'cpu').multiply_adds - whole.multiply_adds
    assert 10 * 64 * 6 <= difference <= 10 * (64 * 6 + 8 * 64 * 96)  # and to the image's size


def test_what_only_training_needs_is_left_out(trained):
    config = Config.fromfile(trained / 'config.py')
    found = cost_of(config, (64, 64), 'cpu')
    weights = torch.load(trained / 'best.pth', weights_only=True)['state_dict']
    assert found.parameters == sum(
        value.numel() for key, value in weights.items()
        if value.is_floating_point() and not re.search('auxiliary|running|preproc', key))
    assert 'auxiliary_head' in config.model  # the config is the caller's


@pytest.mark.parametrize('name', [
    'fcn-8s_swin-t_1xb16-20k_voc12-224x224',
    'fcn-4s_efficientnet-lite0_1xb8-20k_camvid-360x480'])
def test_a_config_of_the_project_needs_no_weights(name):
    text = succeed(TOOL, f'{CONFIGS}/fcn/{name}.py', '--shape', 64, 96)
    lines = dict(re.split('  +', line, maxsplit=1) for line in text.splitlines()[1:])
    assert text.startswith('one image of 64 x 96 pixels, float32, cpu')
    assert set(lines) == {'parameters', 'FLOPs', 'memory', 'time'}


def test_modules_of_several_processes_and_wrappers(tmp_path):
    config = on(dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
                     out_indices=(1, 2, 3), norm_cfg=dict(type='SyncBN')), (16, 32, 64))
    plain = cost_of(config, (33, 50), 'cpu')
    wrapped = Config(dict(model=dict(type='FCNSegTTAModel', module=config.model)))
    assert cost_of(wrapped, (33, 50), 'cpu')[:2] == plain[:2]


def test_the_peak_is_seen():
    def call():
        torch.ones(40, 1 << 20).sum()  # 160 MB
        with suppress(OSError, AttributeError):  # gone at the end, whatever malloc keeps
            ctypes.CDLL(None).malloc_trim(0)

    peak = peak_of(call, 'cpu')
    if peak is None:
        pytest.skip('only Linux tells')
    assert 150 << 20 < peak < 250 << 20
    assert peak_of(call, 'mps') is None


@pytest.mark.parametrize('args, words', [
    ('--shape 0 5', 'a shape of 0 x 5 pixels, expected at least 1 x 1'),
    ('--shape 9999999 9999999', 'does not run at 9999999 x 9999999 on cpu: .*memory'),
    ('--shape 5', '--shape: expected 2 arguments'), ('--shape a 5', "--shape: .*'a'"),
    ('--shape 9 9 --device moon', "no device 'moon'"),
    ('--shape 9 9 model.backbone.depth=19', '19')])
def test_wrong_arguments(tmp_path, args, words):
    done = run_tool(TOOL, write_config(tmp_path), *args.split())
    assert done.code == 2 and 'Traceback' not in done.err
    assert re.search(words, done.err.splitlines()[-1]), done.err


def test_a_type_has_no_cost(tmp_path):
    done = run_tool(TOOL, 'mmpretrain.ResNet', 'depth=18', '--shape', 9, 9)
    assert done.code == 2 and 'mmpretrain.ResNet: no such config' in done.err
