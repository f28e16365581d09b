"""Networks whose image has more than three channels, or fewer."""
import pytest
import torch
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from fcn_plugin.models import describe_backbone
from fcn_plugin.models.backbones.image_channels import take_weights_of_three

VGG = dict(type='FullyConvVGG', depth=11, fc_channels=8, fc_kernel_size=3,
           out_indices=(2, 3, 5))
RESNET = dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
              out_indices=(1, 2, 3))
ALEXNET = dict(type='FullyConvAlexNet', fc_channels=8)
CAFFE = dict(alignment='caffe',
             final_upsampler=dict(type='BilinearDeconv', kernel_size=63))
CHANNELS = dict(FullyConvVGG=(256, 512, 8), FullyConvAlexNet=(8, ))


def build(backbone, **preprocessor):
    widths = CHANNELS.get(backbone['type'], (16, 32, 64))
    caffe = backbone['type'] == 'FullyConvAlexNet'
    return MODELS.build(dict(
        type='FCNSegmentor',
        data_preprocessor=dict(type='FCNDataPreProcessor', **preprocessor),
        backbone=backbone, decode_head=dict(
            type='FCNSkipHead', in_index=tuple(range(len(widths))), in_channels=widths,
            in_strides=(8, 16, 32)[-len(widths):], num_classes=3,
            **(CAFFE if caffe else {})))).eval()


def samples(*images):
    size = images[0].shape[1:]
    return dict(inputs=list(images), data_samples=[
        SegDataSample(metainfo=dict(img_shape=size, ori_shape=size)) for _ in images])


@pytest.mark.parametrize('channels', [1, 4, 6])
@pytest.mark.parametrize('backbone', [VGG, RESNET, ALEXNET], ids=lambda one: one['type'])
def test_every_channel_counts(backbone, channels):
    model = build(dict(backbone, in_channels=channels), mean=[9.] * channels,
                  std=[2.] * channels)
    assert describe_backbone(model.backbone)
    model.init_weights()
    image = torch.randint(0, 2**16, (channels, 40, 50)).to(torch.uint16)
    found = model.test_step(samples(image))[0].pred_sem_seg.data
    assert found.shape == (1, 40, 50)
    plain = (image.float()[None] - 9) / 2
    with torch.no_grad():
        expected = model.score(plain)[0]
        for i in range(channels):
            other = plain.clone()
            other[:, i] += 1000 * torch.randn(40, 50)
            assert not torch.allclose(model.score(other)[0], expected), i


@pytest.mark.parametrize('backbone', [VGG, RESNET, ALEXNET], ids=lambda one: one['type'])
def test_weights_of_three_channels_serve(backbone, tmp_path):
    three = MODELS.build(backbone)
    three.init_weights()
    torch.save(dict(state_dict=three.state_dict()), tmp_path / 'three.pth')
    model = build(dict(backbone, in_channels=5, init_cfg=dict(
        type='Pretrained', checkpoint=str(tmp_path / 'three.pth'))))
    model.init_weights()
    first = next(name for name, value in three.state_dict().items() if value.dim() == 4)
    weight, known = model.backbone.state_dict()[first], three.state_dict()[first]
    assert torch.equal(weight[:, :3], known)
    for i in (3, 4):
        torch.testing.assert_close(weight[:, i], known.mean(1))
    three.eval()  # mmpretrain's do not return themselves
    with torch.no_grad():
        maps = model.backbone(torch.zeros(1, 5, 64, 64))
        for ours, theirs in zip(maps, three(torch.zeros(1, 3, 64, 64))):
            torch.testing.assert_close(ours, theirs)


def test_a_convolution_in_groups_of_three_is_left():
    """Its weights are of three channels, though the image has six."""
    three, six = (torch.nn.Sequential(torch.nn.Conv2d(6, 8, 3, groups=2)) for _ in range(2))
    take_weights_of_three(six)
    six.load_state_dict(three.state_dict())
    assert torch.equal(six[0].weight, three[0].weight)


def test_a_segmentor_of_three_channels_is_another_net():
    three, five = build(RESNET), build(dict(RESNET, in_channels=5))
    with pytest.raises(RuntimeError, match='size mismatch for backbone.conv1.weight'):
        five.load_state_dict(three.state_dict())


@pytest.mark.parametrize('bgr_to_rgb, expected', [(True, [1, -1, -3, -1]), (False, [-1] * 4)])
def test_the_first_three_channels_are_turned_round(bgr_to_rgb, expected):
    """mmseg's preprocessor leaves images of four channels as they are, and says nothing."""
    model = build(dict(RESNET, in_channels=4), mean=[1., 2., 3., 4.], std=[1.] * 4,
                  bgr_to_rgb=bgr_to_rgb)
    image = torch.arange(4.)[:, None, None].expand(4, 8, 8)
    given = samples(image, image)
    for _ in range(2):  # what was given is not changed
        data = model.data_preprocessor(given)
        assert data['inputs'][:, :, 0, 0].tolist() == [expected] * 2


def test_means_are_one_for_each_channel():
    model = build(dict(RESNET, in_channels=4), mean=[1.] * 3, std=[1.] * 3)
    with pytest.raises(ValueError, match='has 4 channels, but data_preprocessor.mean has 3'):
        model.test_step(samples(torch.zeros(4, 8, 8)))
