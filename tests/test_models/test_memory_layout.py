"""How images and maps lie in memory."""
import platform

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from fcn_plugin.models.memory_layout import check_channels_last, fastest_layout

X86 = platform.machine().lower() in ('x86_64', 'amd64')
IMAGE = torch.rand(2, 3, 45, 33, generator=torch.Generator().manual_seed(0))


def build(width=32, **kwargs):
    """FCN-8s on a ResNet-18 of ``width`` channels, in training."""
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='FCNSegmentor', data_preprocessor=dict(type='FCNDataPreProcessor'),
        backbone=dict(type='mmpretrain.ResNet', depth=18, stem_channels=width,
                      base_channels=width, out_indices=(1, 2, 3)),
        decode_head=dict(type='FCNSkipHead', in_index=(0, 1, 2), in_strides=(8, 16, 32),
                         in_channels=[width * 2**i for i in (1, 2, 3)], num_classes=4),
        **kwargs))
    model.train()
    return model


def samples():
    labels = torch.randint(0, 4, (2, 1, 45, 33), generator=torch.Generator().manual_seed(1))
    return [SegDataSample(gt_sem_seg=PixelData(data=each)) for each in labels]


def layouts(model, **autocast):
    """Whether each convolution of the backbone gives maps channels last, and the loss."""
    found = []
    hooks = [layer.register_forward_hook(lambda _, __, out: found.append(
        out.is_contiguous(memory_format=torch.channels_last)))
        for layer in model.backbone.modules() if isinstance(layer, nn.Conv2d)]
    with torch.autocast('cpu', torch.bfloat16, **autocast):
        loss = model.loss(IMAGE, samples())['decode.loss_ce']
    for hook in hooks:
        hook.remove()
    return found, loss


@pytest.mark.parametrize('width', [8, 16, 31])
def test_a_network_for_which_torch_corrupts_memory_is_refused(width):
    with pytest.raises(ValueError, match=r'channels_last=True: backbone\.layer2\.0\.'
                       r'downsample\.0 is a 1x1 convolution with a stride and fewer than 32 '):
        build(width, channels_last=True)
    assert not any(layouts(build(width))[0])


def test_of_groups_the_channels_of_one_count():
    check_channels_last(nn.Conv2d(64, 64, 1, 2))
    check_channels_last(nn.Conv2d(8, 8, 1))
    check_channels_last(nn.Conv2d(8, 8, 3, 2))
    with pytest.raises(ValueError, match='corrupts memory'):
        check_channels_last(nn.Sequential(nn.Conv2d(64, 64, 1, (1, 2), groups=4)))


@pytest.mark.skipif(not X86, reason='other processors take images as they come')
def test_bfloat16_on_a_cpu_trains_channels_last():
    maps, loss = layouts(build())
    assert maps and all(maps)
    other, expected = layouts(build(channels_last=False))
    assert not any(other)
    assert loss.item() == pytest.approx(expected.item(), rel=0.02)


def test_gradients_do_not_depend_on_the_layout():
    """Of a network without batch norms, which no rounding can turn round; 6 of 8 bits."""
    gradients = []
    for channels_last in (None, False):
        model = build(channels_last=channels_last)
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        layouts(model)[1].backward()
        gradients.append(torch.cat([each.grad.flatten() for each in model.parameters()
                                    if each.grad is not None]))
    a, b = gradients
    assert (a - b).norm() < 0.02 * b.norm()


@pytest.mark.parametrize('mode, enabled', [(True, False), (False, True)])
def test_float32_and_predictions_stay_as_they_are(mode, enabled):
    model = build()
    model.train(mode)
    assert not any(layouts(model, enabled=enabled)[0])


def test_where_there_is_no_onednn_images_stay_as_they_are(monkeypatch):
    model = build()
    with torch.autocast('cpu', torch.bfloat16):
        monkeypatch.setattr(platform, 'machine', lambda: 'arm64')
        assert fastest_layout(IMAGE, model) == torch.contiguous_format
        monkeypatch.setattr(platform, 'machine', lambda: 'AMD64')
        assert fastest_layout(IMAGE, model) == torch.channels_last
        assert fastest_layout(IMAGE.to('meta'), model) == torch.contiguous_format
        monkeypatch.setattr(torch.backends.mkldnn, 'is_available', lambda: False)
        assert fastest_layout(IMAGE, model) == torch.contiguous_format
