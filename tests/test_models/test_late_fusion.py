"""Two streams, whose scores are averaged."""
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS

from fcn_plugin.models.backbones.image_channels import take_weights_of_three

VGG = dict(type='FullyConvVGG', depth=11, fc_channels=8, fc_kernel_size=3,
           out_indices=(4, 5), alignment='caffe')
RESNET = dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
              out_indices=(2, 3))
WIDTHS = {'FullyConvVGG': (8, ), 'mmpretrain.ResNet': (32, 64)}


def build(backbone, widths, strides, alignment, **head):
    return MODELS.build(dict(
        type='FCNSegmentor', data_preprocessor=dict(type='FCNDataPreProcessor'),
        backbone=backbone, decode_head=dict(
            type='FCNSkipHead', alignment=alignment, in_index=tuple(range(len(widths))),
            in_channels=widths, in_strides=strides, num_classes=3, **head))).eval()


@pytest.mark.parametrize('backbone', [dict(VGG, out_indices=(5, )), RESNET],
                         ids=lambda one: one['type'])
def test_scores_are_the_mean_of_two_nets(backbone, tmp_path):
    widths = WIDTHS[backbone['type']]
    kind = dict(strides=(16, 32)[-len(widths):], alignment=backbone.get('alignment', 'same'))
    nets, files = [], []
    for i in range(2):
        net = build(backbone, widths, **kind)
        net.init_weights()
        for layer in net.decode_head.score.values():
            torch.nn.init.normal_(layer.weight)
            torch.nn.init.normal_(layer.bias)
        files.append(str(tmp_path / f'{i}.pth'))
        torch.save(dict(state_dict=net.state_dict()), files[-1])
        nets.append(net.eval())
    streams = [dict(backbone, init_cfg=dict(type='Pretrained', prefix='backbone.',
                                            checkpoint=file)) for file in files]
    fused = build(dict(type='LateFusion', streams=streams),
                  [2 * width for width in widths], **kind,
                  skip_scales=(0.5, ) * len(widths),
                  init_cfg=dict(type='JoinedScores', checkpoints=files))
    fused.init_weights()
    fused.eval()
    image = torch.randn(1, 6, 50, 70) * 60
    metas = [dict(img_shape=(50, 70))]
    with torch.no_grad():
        ours = fused.encode_decode(image, metas)
        one, two = (net.encode_decode(part, metas)
                    for net, part in zip(nets, image.split(3, 1)))
    # The head adds one bias a map; that of each net counts half.
    torch.testing.assert_close(ours, (one + two) / 2, rtol=1e-4, atol=1e-3)
    assert (ours - one).abs().max() > 1e-2


def test_one_stream_is_no_fusion():
    with pytest.raises(ValueError, match='1 streams .* expected two or more'):
        MODELS.build(dict(type='LateFusion', streams=[RESNET]))
    with pytest.raises(ValueError, match=r"2 streams of alignment \['caffe', 'same'\]"):
        MODELS.build(dict(type='LateFusion', streams=[RESNET, VGG]))


def test_a_net_of_another_width(tmp_path):
    net = build(RESNET, (32, 64), (16, 32), 'same')
    torch.save(net.state_dict(), tmp_path / 'a.pth')
    path = str(tmp_path / 'a.pth')
    fused = build(dict(type='LateFusion', streams=[RESNET] * 2), (64, 128), (16, 32), 'same',
                  init_cfg=dict(type='JoinedScores', checkpoints=[path] * 3))
    with pytest.raises(ValueError, match=r'of shape \(3, 96, 1, 1\), but .* \(3, 64'):
        fused.init_weights()


def test_an_early_channel_goes_to_its_stream():
    fused = build(dict(type='LateFusion', streams=[RESNET, dict(RESNET, in_channels=1)]),
                  (64, 128), (16, 32), 'same')
    assert fused.backbone.image_channels == 4
    assert build_optim_wrapper(fused, dict(
        type='OptimWrapper', optimizer=dict(type='SGD', lr=1.)))


def test_each_stream_of_four_channels_takes_weights_of_three():
    three = MODELS.build(RESNET).state_dict()
    fused = MODELS.build(dict(type='LateFusion', streams=[dict(RESNET, in_channels=4)] * 2))
    take_weights_of_three(fused)
    weight = three['conv1.weight']
    for stream in fused.streams:
        stream.load_state_dict(three)
        torch.testing.assert_close(next(stream.parameters()), torch.cat(
            [weight, weight.mean(1, keepdim=True)], 1))
