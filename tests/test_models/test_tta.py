"""Test-time augmentation, of mmseg's own segmentor and of ours, against a mean by hand."""
import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from fcn_plugin.models import DenseCRF
from fcn_plugin.models.segmentors import with_post_processing

CRF = dict(type='DenseCRF', steps=2, sigma_rgb=20.)
PARTS = dict(
    backbone=dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
                  out_indices=(1, 2, 3)),
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[100] * 3, std=[50] * 3,
                           bgr_to_rgb=True))
HEADS = {
    'EncoderDecoder': dict(type='FCNHead', in_channels=64, channels=8, in_index=2,
                           num_classes=4, num_convs=1),
    'FCNSegmentor': dict(type='FCNSkipHead', in_index=(0, 1, 2), in_channels=(16, 32, 64),
                         in_strides=(8, 16, 32), num_classes=4)}
SIZE = 64, 96
VIEWS = [(scale, direction) for scale in (1, 0.5, 1.5)
         for direction in (None, 'horizontal', 'vertical')]


def config(kind, crf=False, **head):
    found = dict(PARTS, type=kind, decode_head=dict(HEADS[kind], **head),
                 test_cfg=ConfigDict(mode='whole'))
    if crf:
        with_post_processing(MODELS.get(kind))
        found['post_processor'] = CRF
        if kind == 'EncoderDecoder':
            found['type'] = 'EncoderDecoderWithPostProcessor'
    return found


def filled(model):
    """Always of the same weights, with scores of mean 0 and deviation 2 in each class."""
    model.eval()
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel()**-0.5,
                                  generator=generator)
    head = model.decode_head
    last = head.score['stride8'] if hasattr(head, 'score') else head.conv_seg
    inputs = model.data_preprocessor(dict(
        inputs=[view(picture(), 1, None)[0]], data_samples=[SegDataSample()]))['inputs']
    for fix in (lambda x: last.weight.mul_(2 / x.std((0, 2, 3)).view(-1, 1, 1, 1)),
                lambda x: last.bias.sub_(x.mean((0, 2, 3)))):
        fix(model.encode_decode(inputs, [dict(img_shape=inputs.shape[-2:])]))
    return model


def picture():
    """BGR, (H, W, 3) uint8, of large patches."""
    patches = np.random.RandomState(0).randint(0, 256, (3, 4, 3)).astype(np.uint8)
    return cv2.resize(patches, SIZE[::-1], interpolation=cv2.INTER_NEAREST)


def view(image, scale, direction):
    """A view as mmseg's pipelines give it: input and sample."""
    size = tuple(round(scale * side) for side in SIZE)
    image_rgb, image = image[..., ::-1], cv2.resize(image, size[::-1])
    if direction:
        image = image[:, ::-1] if direction == 'horizontal' else image[::-1]
    sample = SegDataSample(metainfo=dict(
        img_shape=size, ori_shape=SIZE, pad_shape=size, flip=direction is not None,
        flip_direction=direction, img_path='none.png', original_image=image_rgb))
    return torch.from_numpy(image.transpose(2, 0, 1).copy()), sample


def batch(image):
    views = [view(image, *each) for each in VIEWS]
    return dict(inputs=[[one] for one, _ in views], data_samples=[[one] for _, one in views])


def mean_by_hand(network, image, crf):
    """The mean of the probabilities, flipped back and brought to the image's size."""
    total = 0
    rgb = torch.from_numpy(image[..., ::-1].copy())
    for scale, direction in VIEWS:
        inputs = network.data_preprocessor(dict(
            inputs=[view(image, scale, direction)[0]], data_samples=[SegDataSample()]))
        logits = network.encode_decode(
            inputs['inputs'], [dict(img_shape=inputs['inputs'].shape[-2:])])
        if direction:
            logits = logits.flip(3 if direction == 'horizontal' else 2)
        logits = F.interpolate(logits, SIZE, mode='bilinear')[0]
        found = logits.sigmoid() if len(logits) == 1 else logits.softmax(0)
        total = total + (DenseCRF(steps=2, sigma_rgb=20.)(found, rgb) if crf else found)
    return total / len(VIEWS)


@pytest.mark.parametrize('crf', [False, True])
@pytest.mark.parametrize('kind', HEADS)
@torch.no_grad()
def test_scales_and_flips(kind, crf):
    image = picture()
    network = filled(MODELS.build(config(kind)))
    expected = mean_by_hand(network, image, crf)
    tta = MODELS.build(dict(type='FCNTTAModel', module=config(kind, crf)))
    filled(tta.module)
    sample, = tta.test_step(batch(image))
    labels = sample.pred_sem_seg.data
    assert labels.shape == (1, *SIZE) and len(labels.unique()) > 1
    found = sample.seg_logits.data.softmax(0)
    assert torch.equal(labels[0].long(), found.argmax(0))
    if kind == 'EncoderDecoder':
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    # FCNSegmentor interpolates once where this does it twice
    assert (labels[0] == expected.argmax(0)).double().mean() > 0.95
    single, = network.test_step(dict(
        inputs=[view(image, 1, None)[0]], data_samples=[view(image, 1, None)[1]]))
    assert (labels != single.pred_sem_seg.data).any()


@pytest.mark.parametrize('kind', HEADS)
@torch.no_grad()
def test_one_channel_is_a_probability_already(kind):
    """The sigmoid of it would lie between 0.5 and 0.73, above any threshold below."""
    head = dict(num_classes=2, out_channels=1, threshold=0.4, loss_decode=dict(
        type='CrossEntropyLoss', use_sigmoid=True))
    image = picture()
    expected = mean_by_hand(filled(MODELS.build(config(kind, **head))), image, False)
    tta = MODELS.build(dict(type='FCNTTAModel', module=config(kind, **head)))
    filled(tta.module)
    sample, = tta.test_step(batch(image))
    found, labels = sample.seg_logits.data, sample.pred_sem_seg.data
    assert torch.equal(labels > 0, found > 0.4) and 0 < labels.double().mean() < 1
    assert ((labels > 0) == (expected > 0.4)).double().mean() > 0.95


def test_two_channels_are_two_classes():
    tta = MODELS.build(dict(type='FCNTTAModel', module=config('FCNSegmentor', num_classes=2)))
    views = torch.randn(3, 2, 8, 9, generator=torch.Generator().manual_seed(0)) * 3
    merged, = tta.merge_preds([[SegDataSample(
        seg_logits=PixelData(data=each), pred_sem_seg=PixelData(
            data=each.argmax(0, keepdim=True).to(torch.uint8))) for each in views]])
    expected = views.softmax(1).mean(0)
    torch.testing.assert_close(merged.seg_logits.data.softmax(0), expected)
    labels = merged.pred_sem_seg.data
    assert labels.dtype == torch.uint8 and torch.equal(labels[0].long(), expected.argmax(0))


@torch.no_grad()
def test_truth_and_name_stay_with_the_image():
    tta = MODELS.build(dict(type='FCNTTAModel', module=config('EncoderDecoder')))
    data = batch(picture())
    truth = torch.randint(0, 4, (1, *SIZE))
    for sample, in data['data_samples']:  # loaded behind what flips and resizes
        sample.gt_sem_seg = PixelData(data=truth)
    filled(tta.module)
    sample, = tta.test_step(data)
    assert torch.equal(sample.gt_sem_seg.data, truth) and not sample.flip
    assert sample.img_path == 'none.png'


def test_the_segmentor_keeps_its_other_settings():
    kept = dict(mode='slide', crop_size=(64, 64), stride=(32, 32), rescale=False, logits=False)
    tta = MODELS.build(dict(type='FCNTTAModel', module=dict(
        config('FCNSegmentor'), test_cfg=ConfigDict(kept))))
    assert tta.module.test_cfg == dict(kept, logits=True)


def test_labels_alone_cannot_be_averaged():
    with pytest.raises(ValueError, match=r'test_cfg=dict\(logits=True\)'):
        MODELS.build(dict(type='FCNTTAModel', module=MODELS.build(config('FCNSegmentor'))))
