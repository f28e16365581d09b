"""The graph that is exported, against the segmentor that it stands for."""
import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from fcn_plugin.deployment.deployed import DeployedSegmentor, _interpolate, normalise
from fcn_plugin.ops import resample_scores, sample_axis

NARROW = dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
              out_indices=(1, 2, 3))
HEAD = dict(type='FCNSkipHead', in_channels=(16, 32, 64), in_index=(0, 1, 2),
            in_strides=(8, 16, 32), num_classes=5)
CAFFE = dict(
    backbone=dict(type='FullyConvVGG', depth=11, fc_channels=8, alignment='caffe',
                  out_indices=(2, 3, 5)),
    decode_head=dict(HEAD, in_channels=(256, 512, 8), alignment='caffe'))
NETWORKS = dict(
    fcn8s=dict(backbone=NARROW, decode_head=HEAD),
    bilinear=dict(backbone=NARROW, decode_head=dict(
        HEAD, upsampler=dict(type='BilinearUpsample'))),
    learned=dict(backbone=NARROW, decode_head=dict(
        HEAD, final_upsampler=dict(type='BilinearDeconv', learnable=True))),
    fading=dict(backbone=NARROW, decode_head=dict(
        HEAD, in_channels=(64, ), in_index=(2, ), in_strides=(32, ),
        final_upsampler=dict(type='BilinearDeconv'))),
    one_channel=dict(backbone=NARROW, decode_head=dict(
        HEAD, num_classes=2, out_channels=1, threshold=0.01)),
    caffe=CAFFE,
    plain_mmseg=dict(type='EncoderDecoder', backbone=NARROW, decode_head=dict(
        type='FCNHead', in_channels=64, in_index=2, channels=8, num_classes=5,
        num_convs=1)),
)


def build(type='FCNSegmentor', **parts):
    model = MODELS.build(dict(
        type=type, data_preprocessor=dict(
            type='FCNDataPreProcessor', mean=[10., 20, 30], std=[50., 60, 70],
            bgr_to_rgb=True),
        test_cfg=ConfigDict(mode='whole', logits=True), **parts))
    for name, parameter in model.named_parameters():
        if 'score' in name or 'conv_seg' in name:
            torch.nn.init.normal_(parameter)  # or all classes score alike
    return model.eval()


@pytest.mark.parametrize('size', [(64, 96), (67, 33), (1, 1)])
@pytest.mark.parametrize('name', NETWORKS)
@torch.no_grad()
def test_as_the_segmentor_predicts(name, size):
    if name == 'plain_mmseg' and size != (64, 96):
        pytest.skip("mmseg's own segmentor does not pad")
    model = build(**NETWORKS[name])
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)  # BGR, as mmcv reads
    meta = dict(ori_shape=size, img_shape=size, pad_shape=size)
    sample, = model.test_step(dict(inputs=[image.clone()],
                                   data_samples=[SegDataSample(metainfo=meta)]))
    logits = sample.seg_logits.data
    expected = torch.cat([1 - logits, logits]) if len(logits) == 1 else logits.softmax(0)
    rgb = image.flip(0).permute(1, 2, 0)[None]
    labels, scores = DeployedSegmentor(model, scores=True, preprocess=True)(rgb)
    assert labels.dtype == torch.uint8 and labels.shape == (1, *size)
    assert torch.allclose(scores[0], expected, atol=1e-5)
    assert (labels[0] == sample.pred_sem_seg.data[0]).float().mean() > 0.999


@torch.no_grad()
def test_labels_of_a_further_task_of_many_classes():
    """300 do not fit into 8 bits, which would do for the first task's five."""
    model = build(backbone=NARROW, decode_head=dict(HEAD, other_tasks=dict(part=300)))
    model.decode_head.score.stride32.bias[-40:] += 5
    network = DeployedSegmentor(model, preprocess=True)
    size = (64, 96)
    image = torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    sample, = model.test_step(dict(inputs=[image.clone()], data_samples=[SegDataSample(
        metainfo=dict(ori_shape=size, img_shape=size))]))
    found = dict(zip(network.outputs, network(image.flip(0).permute(1, 2, 0)[None])))
    expected = sample.get('pred_part').data
    assert (expected > 255).float().mean() > 0.5 and expected.dtype == torch.int16
    assert (found['labels_part'] == expected).float().mean() > 0.999
    assert (found['labels'] == sample.pred_sem_seg.data).float().mean() > 0.999


@pytest.mark.parametrize('stride, start, size, out', [
    (8, 0., 61, 61), (8, 27., 61, 61), (1, 0., 40, 17), (32, 16., 20, 55),
    (8, 0., 64, 200), (8, 13.5, 61, 61), (8, 13.25, 61, 61)])
@pytest.mark.parametrize('fades', [False, True])
def test_interpolation_is_that_of_the_labels(stride, start, size, out, fades):
    scores = torch.randn(1, 4, 12, 9, dtype=torch.float32)
    rows = sample_axis(12, stride, size, out, start, fades=fades)
    columns = sample_axis(9, stride, size, out, start, fades=fades)
    expected = resample_scores(scores[0], rows, columns)
    ours = scores
    for dim in (2, 3):
        ours = _interpolate(ours, dim, size, out, stride, start, fades)
    assert torch.allclose(ours[0], expected, atol=1e-4)


@pytest.mark.parametrize('keep_ratio', [True, False])
@pytest.mark.parametrize('size', [(90, 131), (50, 41)])
def test_resizing_is_mmcv_s(size, keep_ratio):
    network = DeployedSegmentor(build(**NETWORKS['fcn8s']), preprocess=True,
                                resize=(80, 64), keep_ratio=keep_ratio)
    seen = []
    network.model.extract_feat = lambda image: seen.append(image) or [image]
    network.model.decode_head.forward = lambda maps: torch.zeros(1, 5, 8, 8)
    image = np.random.randint(0, 256, (*size, 3), dtype=np.uint8)
    labels = network(torch.from_numpy(image)[None])
    assert labels.shape == (1, *size)
    expected = (mmcv.imrescale if keep_ratio else mmcv.imresize)(image, (80, 64))
    height, width = expected.shape[:2]
    preprocessor = network.model.data_preprocessor
    got = seen[0] * preprocessor.std + preprocessor.mean
    assert got.shape[2:] == (-(-height // 32) * 32, -(-width // 32) * 32)
    got = got[0, :, :height, :width].permute(1, 2, 0).numpy()
    assert np.abs(got - expected).max() < 1.01  # OpenCV rounds its weights
    assert np.abs(got - got.round()).max() < 1e-3  # whole numbers, as the pipeline's


def test_sides_are_rounded_as_by_mmcv():
    """In 32 bits these would be a pixel more or less."""
    network = DeployedSegmentor(build(**NETWORKS['fcn8s']), resize=(80, 64), keep_ratio=True)
    for height, width in ((65, 800), (119, 224)):
        assert tuple(map(int, network._resized(height, width)))[::-1] == mmcv.rescale_size(
            (width, height), (80, 64))


@pytest.mark.parametrize('settings', [
    {}, dict(bgr_to_rgb=True), dict(mean=[1, 2, 3, 4, 5], std=[6, 7, 8, 9, 2]),
    dict(mean=[1, 2, 3, 4, 5], std=[6, 7, 8, 9, 2], bgr_to_rgb=True)])
def test_values_are_those_of_the_preprocessor(settings):
    processor = MODELS.build(dict(type='FCNDataPreProcessor', **settings))
    image = torch.randint(0, 256, (5, 4, 6), dtype=torch.uint8)
    expected = processor(dict(inputs=[image[[2, 1, 0, 3, 4]]]))['inputs']
    torch.testing.assert_close(normalise(processor, image[None].float()), expected)


@pytest.mark.parametrize('change, words', [
    (lambda model: model.test_cfg.update(mode='slide'), 'model.test_cfg.mode=whole'),
    (lambda model: model.test_cfg.update(mode='tile'), 'model.test_cfg.mode=whole'),
    (lambda model: setattr(model, 'post_processor', torch.nn.Identity()),
     'Identity behind the network.*model.post_processor=None'),
    (lambda model: setattr(model, 'decode_head', torch.nn.ModuleList()),
     'no single decode head'),
])
def test_what_cannot_be_exported(change, words):
    model = build(**NETWORKS['fcn8s'])
    change(model)
    with pytest.raises(ValueError, match=words):
        DeployedSegmentor(model)


def test_unpooling_cannot_be_exported():
    model = build(
        backbone=dict(type='FullyConvVGG', depth=11, fc_channels=8, with_switches=True,
                      out_indices=(3, 4, 5)),
        decode_head=dict(HEAD, in_channels=(512, 8), in_index=(0, 2), in_strides=(16, 32),
                         upsampler=dict(type='MaxUnpool'), switch_index=(3, ),
                         switch_channels=(512, )))
    with pytest.raises(ValueError, match='MaxUnpool, which cannot be exported'):
        DeployedSegmentor(model)
