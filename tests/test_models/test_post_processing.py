"""Segmentors with a post processor: what it is given, and what comes of it."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from fcn_plugin.models import DenseCRF
from fcn_plugin.models.post_processors import PostProcessor
from fcn_plugin.models.post_processors.base import unnormalise
from fcn_plugin.models.segmentors import with_post_processing
from fcn_plugin.models.segmentors.post_processing import use_crf

BACKBONE = dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
                out_indices=(1, 2, 3))
HEAD = dict(type='FCNSkipHead', in_index=(0, 1, 2), in_channels=(16, 32, 64),
            in_strides=(8, 16, 32), num_classes=4)
PREPROCESSOR = dict(type='FCNDataPreProcessor', mean=[100, 110, 120], std=[50, 60, 70],
                    bgr_to_rgb=True)
CRF = dict(type='DenseCRF', steps=2, sigma_rgb=20.)
RNN = dict(type='CRFRNN', num_classes=4)


def build(post_processor=CRF, head=HEAD, kind='FCNSegmentor', **kwargs):
    """With scores that tell classes apart; of the same weights each time."""
    torch.manual_seed(0)
    kwargs.setdefault('test_cfg', dict(logits=True))
    model = MODELS.build(dict(
        type=kind, backbone=dict(BACKBONE), decode_head=dict(head),
        data_preprocessor=dict(PREPROCESSOR), **kwargs,
        **(dict(post_processor=post_processor) if post_processor else {})))
    model.init_weights()
    for name, weight in model.decode_head.named_parameters():
        torch.nn.init.normal_(weight, generator=torch.Generator().manual_seed(1))
    return model.eval()


def image_data(*sizes, **meta):
    """Images of large patches, BGR, and labels."""
    data = dict(inputs=[], data_samples=[])
    for i, (height, width) in enumerate(sizes):
        patches = np.random.RandomState(i).randint(0, 256, (3, 4, 3)).astype(np.uint8)
        image = cv2.resize(patches, (width, height), interpolation=cv2.INTER_NEAREST)
        data['inputs'].append(torch.from_numpy(image).permute(2, 0, 1))
        sample = SegDataSample(metainfo=dict(img_shape=(height, width),
                                             ori_shape=(height, width), **meta))
        sample.gt_sem_seg = PixelData(data=torch.randint(0, 4, (1, height, width)))
        data['data_samples'].append(sample)
    return data


def predict(model, data):
    with torch.no_grad():
        return model.test_step(data)


def rgb(image):
    """BGR (3, H, W), as pipelines give it, to RGB (H, W, 3)."""
    return image.flip(0).permute(1, 2, 0)


# --- values -----------------------------------------------------------------------


def assert_refined(found, plain, image):
    """The field's marginals on the plain scores and that image."""
    expected = DenseCRF(steps=2, sigma_rgb=20.)(plain.seg_logits.data.softmax(0), image)
    torch.testing.assert_close(found.seg_logits.data.softmax(0), expected,
                               atol=1e-4, rtol=0)
    labels = found.pred_sem_seg.data
    assert labels.dtype == plain.pred_sem_seg.data.dtype
    assert torch.equal(labels[0], expected.argmax(0).to(labels))


def test_every_image_of_a_batch_with_its_own():
    sizes = (40, 50), (64, 32), (40, 50)
    data = image_data(*sizes)
    refined, plain = predict(build(), data), predict(build(None), image_data(*sizes))
    for found, before, image in zip(refined, plain, data['inputs']):
        assert_refined(found, before, rgb(image))
    assert any((found.pred_sem_seg.data != before.pred_sem_seg.data).any()
               for found, before in zip(refined, plain))


def test_the_original_image_where_the_pipeline_resized(tmp_path):
    """From the meta information, from the file, and without either resized."""
    original = image_data((80, 100))['inputs'][0]
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), original.permute(1, 2, 0).numpy())
    metas = [dict(original_image=rgb(original).numpy()), dict(img_path=str(path)),
             dict(img_path='shapes/val/000001.png'),
             dict(original_image=rgb(original).numpy()[:60])]  # of another size
    found = []
    for meta in metas:
        data = image_data((40, 50), **meta)
        plain = image_data((40, 50))
        for sample in (*data['data_samples'], *plain['data_samples']):
            sample.set_metainfo(dict(ori_shape=(80, 100)))
        found += predict(build(), data)
        before, = predict(build(None), plain)
    assert_refined(found[0], before, rgb(original))
    assert_refined(found[1], before, rgb(original))
    assert found[2].pred_sem_seg.shape == (80, 100)
    assert not torch.equal(found[2].seg_logits.data, found[1].seg_logits.data)
    assert torch.equal(found[2].seg_logits.data, found[3].seg_logits.data)


def test_every_grey_is_itself_again():
    """In float32 a value may come back a little smaller than it was."""
    preprocessor = MODELS.build(dict(type='FCNDataPreProcessor', bgr_to_rgb=True, mean=[
        123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))
    image = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
    inputs = preprocessor(dict(inputs=[image], data_samples=[SegDataSample()]))['inputs']
    assert torch.equal(unnormalise(inputs, preprocessor)[0], image.permute(1, 2, 0))


def test_channels_that_are_not_converted():
    """BGR all the way, as the authors' weights want it."""
    model = build()
    model.data_preprocessor.channel_conversion = False
    data = image_data((40, 50))
    plain = build(None)
    plain.data_preprocessor.channel_conversion = False
    assert_refined(predict(model, data)[0], predict(plain, image_data((40, 50)))[0],
                   rgb(data['inputs'][0]))


def test_not_in_tiles():
    with pytest.raises(ValueError, match="mode='tile' gives labels only.* post processor"):
        build(test_cfg=dict(mode='tile'))


def test_at_the_network_s_size():
    data = image_data((40, 50))
    data['data_samples'][0].set_metainfo(dict(ori_shape=(80, 100)))
    found, = predict(build(test_cfg=dict(rescale=False)), data)
    assert found.pred_sem_seg.shape == (40, 50)


@pytest.mark.parametrize('direction, axis', [('horizontal', 2), ('vertical', 1)])
def test_flipped_images(direction, axis):
    """As test-time augmentation gives them: predictions are flipped back."""
    meta = dict(flip=True, flip_direction=direction)
    data = image_data((40, 50), **meta)
    found, = predict(build(), data)
    before, = predict(build(None), image_data((40, 50), **meta))
    assert_refined(found, before, rgb(data['inputs'][0].flip(axis)))


def test_one_channel_for_two_classes():
    head = dict(HEAD, num_classes=2, out_channels=1, threshold=0.4, loss_decode=dict(
        type='CrossEntropyLoss', use_sigmoid=True))
    data = image_data((40, 50))
    found, = predict(build(head=head), data)
    before, = predict(build(None, head), image_data((40, 50)))
    second = before.seg_logits.data
    expected = DenseCRF(steps=2, sigma_rgb=20.)(torch.cat([1 - second, second]),
                                                rgb(data['inputs'][0]))[1:]
    torch.testing.assert_close(found.seg_logits.data, expected, atol=1e-4, rtol=0)
    assert torch.equal(found.pred_sem_seg.data, (expected > 0.4).to(
        found.pred_sem_seg.data))
    model = build(head=head)
    model.decode_head.threshold = float(expected.quantile(0.9))
    found, = predict(model, image_data((40, 50)))
    assert found.pred_sem_seg.data.double().mean() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize('threshold, labels', [(0.2, [0, 1, 1, 1]), (0.7, [0, 0, 0, 1]),
                                               (None, [0, 0, 1, 1])])
def test_the_threshold_of_one_channel(threshold, labels):
    class Unchanged(PostProcessor):
        def refine(self, scores, image):
            return scores

    sample = SegDataSample()
    sample.seg_logits = PixelData(data=torch.tensor([[[0.1, 0.3, 0.6, 0.8]]]))
    sample.pred_sem_seg = PixelData(data=torch.zeros(1, 1, 4, dtype=torch.uint8))
    Unchanged().process(torch.zeros(1, 3, 1, 4), [sample], torch.nn.Identity(), threshold)
    assert sample.pred_sem_seg.data.tolist() == [[labels]]
    torch.testing.assert_close(sample.seg_logits.data[0, 0],
                               torch.tensor([0.1, 0.3, 0.6, 0.8]))


#: mmseg's, whose scores are so close to one another that the image decides.
STOCK = dict(type='FCNHead', in_channels=64, in_index=2, channels=8, num_classes=4,
             num_convs=1)


def unsure(model):
    for parameter in model.decode_head.conv_seg.parameters():
        parameter.data *= 0.01
    return model


def test_any_segmentor():
    """mmseg's, with mmseg's head: the same weights, refined."""
    kind = with_post_processing(MODELS.get('EncoderDecoder'))
    assert kind is with_post_processing(MODELS.get('EncoderDecoder'))
    assert kind.__name__ == 'EncoderDecoderWithPostProcessor'
    given = dict(head=STOCK, test_cfg=ConfigDict(mode='whole'))
    plain = unsure(build(None, kind='EncoderDecoder', **given))
    refined = build(kind=kind.__name__, **given)
    refined.load_state_dict(plain.state_dict())
    data = image_data((64, 96))
    assert_refined(predict(refined, data)[0], predict(plain, image_data((64, 96)))[0],
                   rgb(data['inputs'][0]))
    fcn = MODELS.get('FCNSegmentor')
    assert with_post_processing(fcn) is fcn


def test_several_heads_are_refined_but_not_trained_behind():
    kind = with_post_processing(MODELS.get('CascadeEncoderDecoder')).__name__
    with pytest.raises(ValueError, match='CRFRNN is trained behind one decode head, but'):
        MODELS.build(dict(type=kind, num_stages=2, backbone=BACKBONE, decode_head=[
            STOCK, STOCK], data_preprocessor=PREPROCESSOR, post_processor=RNN))
    MODELS.build(dict(type=kind, num_stages=2, backbone=BACKBONE, decode_head=[
        STOCK, STOCK], data_preprocessor=PREPROCESSOR, post_processor=CRF))


def test_a_post_processor_of_another_type_is_kept():
    config = Config(dict(model=dict(type='EncoderDecoder', post_processor=RNN)))
    use_crf(config)
    assert config.model.post_processor == RNN
    assert config.model.type == 'EncoderDecoderWithPostProcessor'


def test_padding_is_no_part_of_the_image():
    """That of mmseg's preprocessor, which mmseg's segmentors leave to the end."""
    found, kind = [], with_post_processing(MODELS.get('EncoderDecoder')).__name__
    for post_processor in (CRF, None):
        model = unsure(build(post_processor, STOCK, kind, test_cfg=ConfigDict(mode='whole')))
        model.data_preprocessor.test_cfg = dict(size_divisor=32)
        data = image_data((40, 50))
        found += predict(model, data)
    assert tuple(found[0].img_padding_size) == (0, 14, 0, 24)
    assert_refined(*found, rgb(data['inputs'][0]))
    with pytest.raises(AssertionError):
        assert_refined(*found, rgb(data['inputs'][0].flip(1)))


# --- trained inside -----------------------------------------------------------------


def test_the_loss_is_that_of_the_refined_scores():
    model = build(RNN)
    data = model.data_preprocessor(image_data((32, 64)), training=True)
    with torch.no_grad():
        loss = model.loss(data['inputs'], data['data_samples'])['decode.loss_ce']
        found, = model.predict(data['inputs'], data['data_samples'])
    expected = torch.nn.functional.cross_entropy(
        found.seg_logits.data[None], found.gt_sem_seg.data)
    assert float(loss) == pytest.approx(float(expected), rel=1e-4)


def test_everything_is_trained():
    auxiliary = dict(type='FCNHead', in_channels=32, in_index=1, channels=8, num_classes=4)
    model = build(RNN, auxiliary_head=auxiliary).train()
    data = model.data_preprocessor(image_data((32, 50), (32, 50)), training=True)
    losses = model(**data, mode='loss')
    assert set(losses) >= {'decode.loss_ce', 'aux.loss_ce'}
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    assert [name for name, p in model.named_parameters()
            if p.grad is None or not p.grad.isfinite().all()] == []
    assert 'post_processor.compatibility' in model.state_dict()


def test_without_parameters_the_loss_is_the_network_s():
    losses = []
    for post_processor in (CRF, None):
        torch.manual_seed(0)
        model = build(post_processor).train()
        data = model.data_preprocessor(image_data((32, 64)), training=True)
        torch.manual_seed(0)
        losses.append(model(**data, mode='loss')['decode.loss_ce'].item())
    assert losses[0] == losses[1]


# --- bad input ------------------------------------------------------------------------


def test_what_is_no_post_processor():
    with pytest.raises(TypeError, match="is a ReLU, expected a dict such as dict.type='Dense"):
        build(dict(type='ReLU'))


def test_other_than_three_channels():
    model = build()
    with pytest.raises(ValueError, match='sees 4 channels'):
        model.post_processor.process(torch.zeros(1, 4, 2, 2), [SegDataSample()],
                                     model.data_preprocessor)
