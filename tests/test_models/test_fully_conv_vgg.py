from collections import OrderedDict

import pytest
import torch
from mmpretrain.models.backbones import VGG
from mmseg.registry import MODELS
from torch import nn

from fcn_plugin.models import FullyConvVGG, describe_backbone
from fcn_plugin.models.backbones.image_channels import take_weights_of_three

LEAN = dict(fc_channels=16, fc_kernel_size=3)
CONVOLUTIONS = {11: 8, 13: 10, 16: 13, 19: 16}


def torchvision_vgg(depth, norm=False):
    """A plain VGG, features and classifier, numbered as torchvision's."""
    layers, channels = [], 3
    for blocks, width in zip(VGG.arch_settings[depth], (64, 128, 256, 512, 512)):
        for _ in range(blocks):
            layers += [nn.Conv2d(channels, width, 3, padding=1)]
            layers += [nn.BatchNorm2d(width)] * norm + [nn.ReLU()]
            channels = width
        layers += [nn.MaxPool2d(2)]
    return nn.Sequential(*layers)


def checkpoint(tmp_path, content):
    path = str(tmp_path / 'weights.pth')
    torch.save(content, path)
    return dict(type='Pretrained', checkpoint=path)


@pytest.fixture
def log(monkeypatch):
    lines = []
    monkeypatch.setattr('fcn_plugin.models.backbones.fully_conv_vgg.print_log',
                        lambda text, **_: lines.append(text))
    return lines


# --- bad arguments -----------------------------------------------------------


@pytest.mark.parametrize('bad, message', [
    (dict(depth=15), r'depth is 15, expected one of \[11, 13, 16, 19\]'),
    (dict(out_indices=()), 'out_indices is ()'),
    (dict(out_indices=(2, 6)), r'out_indices is \(2, 6\)'),
    (dict(fc_kernel_size=4), 'fc_kernel_size is 4, expected an odd number')])
def test_bad_arguments(bad, message):
    with pytest.raises(ValueError, match=message):
        FullyConvVGG(**dict(LEAN, **bad))


def test_a_checkpoint_of_another_depth_is_refused(tmp_path):
    features = torchvision_vgg(11).state_dict(prefix='features.')
    vgg = FullyConvVGG(13, **LEAN, init_cfg=checkpoint(tmp_path, features))
    with pytest.raises(ValueError, match='holds 8 VGG convolutions.*depth has 10'):
        vgg.init_weights()


# --- shapes ------------------------------------------------------------------


@pytest.mark.parametrize('depth', [11, 13, 16, 19])
def test_maps(depth):
    vgg = FullyConvVGG(depth, **LEAN).eval()
    shapes = [tuple(x.shape) for x in vgg(torch.randn(1, 3, 64, 96))]
    assert shapes == [(1, 256, 8, 12), (1, 512, 4, 6), (1, 16, 2, 3)]
    assert sum(isinstance(m, nn.Conv2d) for m in vgg.features.modules()) == (
        CONVOLUTIONS[depth])


def test_any_selection_of_maps():
    vgg = FullyConvVGG(11, out_indices=(5, 0, 4), **LEAN).eval()
    assert [(m.channels, m.stride) for m in describe_backbone(vgg)] == [
        (64, 2), (512, 32), (16, 32)]
    assert not hasattr(FullyConvVGG(11, out_indices=(2, )), 'conv6')


def test_full_width_is_the_papers():
    with torch.device('meta'):
        vgg = FullyConvVGG(16)
    assert vgg.conv6.conv.weight.shape == (4096, 512, 7, 7)
    assert vgg.conv7.conv.weight.shape == (4096, 4096, 1, 1)
    # VGG16 is 138.36 M parameters, 4.10 M of them in the last layer, left out here.
    assert sum(p.numel() for p in vgg.parameters()) == 138_357_544 - 4096 * 1000 - 1000


def test_switches_belong_to_their_pooling():
    vgg = FullyConvVGG(11, with_switches=True, **LEAN).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        *maps, pool4_at, pool5_at = vgg(image)
        plain = FullyConvVGG(11, **LEAN).eval()
        plain.load_state_dict(vgg.state_dict())
        for ours, theirs in zip(maps, plain(image)):
            assert torch.equal(ours, theirs)
        # Where the switches point, the pooled map has the pooling's maxima.
        x = maps[0]
        for index in range(vgg.range_sub_modules[3][0], vgg.range_sub_modules[3][1] - 1):
            x = vgg.features[index](x)
    assert torch.equal(x.flatten(2).gather(2, pool4_at.flatten(2)), maps[1].flatten(2))
    assert pool5_at.shape == (1, 512, 2, 3)
    assert [m.switches for m in describe_backbone(vgg)] == [False] * 3 + [True] * 2


# --- states: what a checkpoint fills -------------------------------------------


def test_conv7_equals_the_classifiers_fc7(tmp_path):
    """On 224x224 the centre of conv7's map is fc7's activation vector (paper, 3.1)."""
    features = torchvision_vgg(11)
    classifier = nn.Sequential(nn.Linear(512 * 7 * 7, 64), nn.ReLU(), nn.Dropout(),
                               nn.Linear(64, 64), nn.ReLU(), nn.Dropout(),
                               nn.Linear(64, 10)).eval()
    with torch.no_grad():
        for parameter in [*features.parameters(), *classifier.parameters()]:
            parameter.copy_(torch.randn_like(parameter) / parameter[0].numel()**0.5)
    weights = OrderedDict(**features.state_dict(prefix='features.'),
                          **classifier.state_dict(prefix='classifier.'))
    vgg = FullyConvVGG(11, out_indices=(5, ), fc_channels=64,
                       init_cfg=checkpoint(tmp_path, weights))
    vgg.init_weights()
    vgg.eval()
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        fc7 = classifier[:5](features(image).flatten(1))
        conv7, = vgg(image)
    assert fc7.abs().max() > 1e-3
    torch.testing.assert_close(conv7[..., 3, 3], fc7, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('layout', ['torchvision', 'mmpretrain', 'convolutions', 'half',
                                    'by name'])
def test_imagenet_checkpoints_load(tmp_path, log, layout):
    source = torchvision_vgg(11)
    fc6, fc7 = nn.Linear(512 * 49, 16), nn.Linear(16, 16)
    convolutions = [m for m in source if isinstance(m, nn.Conv2d)]
    target = FullyConvVGG(11, fc_channels=16)
    prefix, places = 'features.', [i for i, m in enumerate(source)
                                   if isinstance(m, nn.Conv2d)]
    middle = ''
    if layout == 'mmpretrain':
        prefix, middle = 'backbone.features.', 'conv.'
        places = [i for i, m in enumerate(target.features)
                  if not isinstance(m, nn.MaxPool2d)]
    weights = OrderedDict()
    for place, conv in zip(places, convolutions):
        weights.update(conv.state_dict(prefix=f'{prefix}{place}.{middle}'))
    if layout in ('torchvision', 'mmpretrain'):
        for place, layer in ((0, fc6), (3, fc7), (6, nn.Linear(16, 5))):
            weights.update(layer.state_dict(
                prefix=prefix.replace('features', 'classifier') + f'{place}.'))
    if layout == 'half':
        weights = OrderedDict((k, v.half()) for k, v in weights.items())
    if layout == 'by name':  # features.10 before features.2, as safetensors has them
        weights = OrderedDict(sorted(weights.items()))
    content = dict(state_dict=weights, meta={}) if layout == 'mmpretrain' else weights
    vgg = FullyConvVGG(11, fc_channels=16, init_cfg=checkpoint(tmp_path, content))
    vgg.init_weights()
    loaded = [m for m in vgg.features.modules() if isinstance(m, nn.Conv2d)]
    for ours, theirs in zip(loaded, convolutions):
        expected = theirs.weight.half().float() if layout == 'half' else theirs.weight
        assert torch.equal(ours.weight, expected) and ours.weight.dtype == torch.float32
    assert len(log) == 1 and '8 convolutions loaded' in log[0]
    if layout in ('torchvision', 'mmpretrain'):
        assert torch.equal(vgg.conv6.conv.weight.flatten(1), fc6.weight)
        assert torch.equal(vgg.conv7.conv.bias, fc7.bias)
        assert 'classifier.0 (16, 25088) -> conv6 (16, 512, 7, 7)' in log[0]
        assert 'left as initialised: none' in log[0]
    else:
        assert 'reshaped: none; left as initialised: conv6.conv.weight' in log[0]


@pytest.mark.parametrize('channels', [3, 4])
def test_batch_norms_load(tmp_path, log, channels):
    """With the biases before them, which their statistics are of."""
    source = torchvision_vgg(11, norm=True)
    for module in source.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight)
            nn.init.uniform_(module.running_var)
    vgg = FullyConvVGG(11, norm_cfg=dict(type='BN'), **LEAN, in_channels=channels,
                       init_cfg=checkpoint(tmp_path, source.state_dict(prefix='features.')))
    take_weights_of_three(vgg)
    vgg.init_weights()
    image = torch.randn(1, 3, 64, 64)
    more = torch.zeros(1, channels - 3, 64, 64)
    with torch.no_grad():
        source.eval(), vgg.eval()
        torch.testing.assert_close(vgg(torch.cat([image, more], 1))[0],  # up to pool3
                                   source[:15](image))


def test_batch_norms_without_a_place_are_refused(tmp_path):
    """Convolutions that were trained before norms are of no use without them."""
    weights = torchvision_vgg(11, norm=True).state_dict(prefix='features.')
    vgg = FullyConvVGG(11, **LEAN, init_cfg=checkpoint(tmp_path, weights))
    with pytest.raises(ValueError, match="batch norms.*norm_cfg=dict.type='BN'"):
        vgg.init_weights()


def test_a_net_with_norms_starts_from_one_without(tmp_path, log):
    """conv6 and conv7 too."""
    plain = FullyConvVGG(11, **LEAN)
    vgg = FullyConvVGG(11, **LEAN, norm_cfg=dict(type='BN'),
                       init_cfg=checkpoint(tmp_path, plain.state_dict()))
    vgg.init_weights()
    for name in ('conv6', 'conv7'):
        assert torch.equal(getattr(vgg, name).conv.weight, getattr(plain, name).conv.weight)
    assert 'left as initialised: features.0.bn.weight' in log[0]


def test_lean_layers_are_left_and_said_so(tmp_path, log):
    weights = torchvision_vgg(11).state_dict(prefix='features.')
    weights['classifier.0.weight'] = torch.zeros(4096, 25088)
    weights['classifier.0.bias'] = torch.zeros(4096)
    vgg = FullyConvVGG(11, **LEAN, init_cfg=checkpoint(tmp_path, weights))
    vgg.init_weights()
    assert 'reshaped: none' in log[0] and 'conv6.conv.weight' in log[0]
    assert vgg.conv6.conv.weight.abs().sum() > 0


def test_its_own_checkpoint_goes_through_untouched(log):
    """Alone and inside a segmentor: no conversion, nothing lost."""
    vgg, other = (FullyConvVGG(11, **LEAN) for _ in range(2))
    other.load_state_dict(vgg.state_dict())
    wrapper, another = nn.Module(), nn.Module()
    wrapper.backbone, another.backbone = vgg, FullyConvVGG(11, **LEAN)
    another.load_state_dict(wrapper.state_dict())
    for loaded in (other, another.backbone):
        assert all(torch.equal(a, b) for a, b in zip(vgg.parameters(),
                                                     loaded.parameters()))
    assert not log


def test_dropout_is_elementwise_and_in_training_only():
    vgg = FullyConvVGG(11, out_indices=(5, ), **LEAN)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        nn.init.constant_(vgg.conv7.conv.bias, 10)  # so that zeros are dropped ones
        assert vgg.train()(image)[0].eq(0).float().mean() == pytest.approx(
            0.5, abs=0.25)
        vgg.eval()
        assert torch.equal(vgg(image)[0], vgg(image)[0])


def test_norms_and_activations_are_those_of_conv6_and_conv7_too():
    vgg = FullyConvVGG(11, **LEAN, norm_cfg=dict(type='BN'), act_cfg=dict(type='LeakyReLU'))
    for layer in (vgg.features[0], vgg.conv6, vgg.conv7):
        assert isinstance(layer.norm, nn.BatchNorm2d)
        assert isinstance(layer.activate, nn.LeakyReLU)


def test_conv6_is_dropped_out_before_conv7():
    vgg, seen = FullyConvVGG(11, out_indices=(5, ), fc_channels=64, fc_kernel_size=3,
                             fc_dropout=0.2), []
    nn.init.constant_(vgg.conv6.conv.bias, 10)  # so that zeros are dropped ones
    vgg.conv7.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        vgg.train()(torch.randn(1, 3, 64, 64))
        vgg.eval()(torch.randn(1, 3, 64, 64))
    assert seen[0].eq(0).float().mean() == pytest.approx(0.2, abs=0.12)
    assert (seen[1] > 0).all()


def test_poolings_round_up_with_switches_as_without():
    vgg = FullyConvVGG(11, ceil_mode=True, with_switches=True, **LEAN).eval()
    plain = FullyConvVGG(11, ceil_mode=True, **LEAN).eval()
    plain.load_state_dict(vgg.state_dict())
    image = torch.randn(1, 3, 40, 76)
    with torch.no_grad():
        *maps, pool4_at, pool5_at = vgg(image)
        for ours, theirs in zip(maps, plain(image), strict=True):
            assert torch.equal(ours, theirs)
    assert [tuple(each.shape[-2:]) for each in maps] == [(5, 10), (3, 5), (2, 3)]
    assert pool4_at.shape[-2:] == (3, 5) and pool5_at.shape[-2:] == (2, 3)


def test_frozen_stages_are_not_trained():
    vgg = FullyConvVGG(11, frozen_stages=2, **LEAN)
    vgg.train()
    sum(x.sum() for x in vgg(torch.randn(1, 3, 64, 64))).backward()
    frozen = {name for name, p in vgg.named_parameters() if p.grad is None}
    assert frozen == {f'features.{i}.conv.{n}' for i in (0, 2) for n in ('weight', 'bias')}


@pytest.mark.parametrize('norm_eval', [False, True])
def test_batch_norms_keep_their_statistics_where_asked(norm_eval):
    vgg = FullyConvVGG(11, **LEAN, norm_cfg=dict(type='BN'), norm_eval=norm_eval).train()
    norms = [layer for layer in vgg.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    assert len(norms) >= 8
    assert all(layer.training != norm_eval for layer in norms[:8])


def test_it_is_registered_with_mmseg():
    assert MODELS.get('FullyConvVGG') is FullyConvVGG
