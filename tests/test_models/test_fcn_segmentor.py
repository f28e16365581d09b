from contextlib import nullcontext

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from fcn_plugin.models import describe_backbone, speed_up
from fcn_plugin.models.geometry import windows_of
from fcn_plugin.models.segmentors.data_preprocessor import check_label_padding
from fcn_plugin.models.speed_up import (
    PackedConv2d,
    _change_backbone,
    _probe,
    _with_packed_kernels,
    native_dtype,
)

RESNET = dict(type='mmpretrain.ResNet', depth=18, stem_channels=8, base_channels=8,
              out_indices=(1, 2, 3))
RESNET_HEAD = dict(type='FCNSkipHead', in_index=(0, 1, 2), in_channels=(16, 32, 64),
                   in_strides=(8, 16, 32), num_classes=4)
VGG = dict(type='FullyConvVGG', depth=11, fc_channels=16, fc_kernel_size=3,
           with_switches=True)
VGG_HEAD = dict(RESNET_HEAD, in_channels=(256, 512, 16), upsampler=dict(type='MaxUnpool'),
                switch_index=(3, 4), switch_channels=(512, 512))


def build(backbone=RESNET, head=RESNET_HEAD, **kwargs):
    model = MODELS.build(dict(
        type='FCNSegmentor', backbone=dict(backbone), decode_head=dict(head),
        data_preprocessor=dict(type='FCNDataPreProcessor', mean=[0] * 3, std=[255] * 3),
        **kwargs))
    model.init_weights()
    for score in getattr(model.decode_head, 'score', {}).values():
        # else one class has the highest score everywhere, as features are positive
        score.weight.data -= score.weight.data.mean(1, keepdim=True)
    return model.eval()


def image_data(*sizes, ori=None):
    """Random images and labels of these (height, width)."""
    data = dict(inputs=[], data_samples=[])
    for i, (height, width) in enumerate(sizes):
        generator = torch.Generator().manual_seed(i)
        data['inputs'].append(torch.randint(0, 256, (3, height, width),
                                            dtype=torch.uint8, generator=generator))
        sample = SegDataSample(metainfo=dict(
            img_shape=(height, width), ori_shape=ori or (height, width)))
        sample.gt_sem_seg = PixelData(data=torch.randint(
            0, 4, (1, height, width), generator=generator))
        data['data_samples'].append(sample)
    return data


# --- bad arguments -----------------------------------------------------------


@pytest.mark.parametrize('head, message', [
    (dict(RESNET_HEAD, in_channels=(16, 32, 512)), 'in_index 2 .512 channels at stride 32.'),
    (dict(RESNET_HEAD, in_strides=(4, 8, 16)), 'it has 16 at 8'),
    (dict(RESNET_HEAD, in_index=(1, 2, 3)), 'there are only 3 maps'),
    (VGG_HEAD, 'MaxUnpool needs pooling switches')])
def test_a_head_that_does_not_fit_fails_at_build(head, message):
    with pytest.raises(ValueError, match=message) as error:
        build(head=head)
    assert 'in_channels=(16, 32, 64)' in str(error.value)


def test_a_backbone_that_gives_vectors_is_described():
    backbone = dict(type='mmpretrain.ConvNeXt', arch='atto', out_indices=(1, 2, 3))
    with pytest.raises(ValueError, match='a vector of 80, no map'):
        build(backbone)


def test_a_map_that_reaches_beyond_the_image_has_its_stride():
    """65 columns for 256 pixels."""
    found, = describe_backbone(torch.nn.Conv2d(3, 8, 4, stride=4, padding=2))
    assert found.stride == 4


def test_a_backbone_that_computes_with_buffers_is_described():
    backbone = torch.nn.Conv2d(3, 8, 4, stride=4)
    backbone.register_buffer('mean', torch.ones(3, 1, 1))
    backbone.register_forward_pre_hook(lambda module, images: images[0] - module.mean)
    found, = describe_backbone(backbone)
    assert (found.channels, found.stride) == (8, 4)


def test_describing_leaves_the_backbone_as_it_was():
    backbone = MODELS.build(RESNET)
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    for training in (False, True):
        backbone.train(training)
        describe_backbone(backbone)
        assert backbone.training is training
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())


# --- shapes --------------------------------------------------------------------


@pytest.mark.parametrize('size', [(1, 1), (1, 50), (31, 33), (32, 32), (45, 64), (97, 3)])
@pytest.mark.parametrize('parts', [(RESNET, RESNET_HEAD), (VGG, VGG_HEAD)],
                         ids=['resnet', 'vgg-unpool'])
def test_any_size_gives_labels_of_that_size(parts, size):
    with torch.no_grad():
        sample, = build(*parts).test_step(image_data(size))
        with_logits, = build(*parts, test_cfg=dict(logits=True)).test_step(image_data(size))
    assert sample.pred_sem_seg.shape == with_logits.pred_sem_seg.shape == size
    assert sample.pred_sem_seg.data.dtype == torch.uint8
    assert with_logits.seg_logits.data.shape == (4, *size)
    assert 'seg_logits' not in sample


@pytest.mark.parametrize('parts', [(RESNET, RESNET_HEAD), (VGG, VGG_HEAD)],
                         ids=['resnet', 'vgg-unpool'])
def test_any_size_trains(parts):
    model = build(*parts)
    model.train()
    data = model.data_preprocessor(image_data((1, 1), (33, 47)), training=True)
    loss = model(**data, mode='loss')['decode.loss_ce']
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_original_size_or_network_size():
    data = image_data((40, 64), ori=(75, 120))
    with torch.no_grad():
        assert build().test_step(data)[0].pred_sem_seg.shape == (75, 120)
        kept = build(test_cfg=dict(rescale=False)).test_step(
            image_data((40, 64), ori=(75, 120)))[0]
    assert kept.pred_sem_seg.shape == (40, 64)


def test_sliding_windows():
    model = build(test_cfg=dict(mode='slide', crop_size=(40, 40), stride=(20, 20)))
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[2:]))
    with torch.no_grad():
        sample, = model.test_step(image_data((50, 70)))
    assert sample.pred_sem_seg.shape == (50, 70)
    assert seen == [(64, 64)] * 6  # of 40x40, padded


@pytest.mark.parametrize('logits', [None, True, False])
def test_a_step_is_a_call_of_the_module(logits):
    """On whose hooks a sharded network gathers its parameters."""
    model, called = build(test_cfg=dict(logits=logits is False)), []
    model.register_forward_pre_hook(lambda *_: called.append(True))
    with torch.no_grad():
        sample, = model.test_step(image_data((40, 50)), logits=logits)
    assert called == [True] and ('seg_logits' in sample) == (logits is True)


# --- values ----------------------------------------------------------------------


def test_predictions_do_not_depend_on_the_rest_of_the_batch():
    sizes = [(33, 50), (64, 32), (1, 1), (33, 50)]
    model = build(test_cfg=dict(logits=True))
    with torch.no_grad():
        together = model.test_step(image_data(*sizes))
        data = image_data(*sizes)
        for i, sample in enumerate(together):
            alone, = model.test_step(dict(inputs=data['inputs'][i:i + 1],
                                          data_samples=data['data_samples'][i:i + 1]))
            torch.testing.assert_close(sample.seg_logits.data, alone.seg_logits.data,
                                       rtol=1e-4, atol=1e-5)
            assert sample.gt_sem_seg.shape == sizes[i]


@pytest.mark.parametrize('ignored', [255, 3, 0])
def test_padded_pixels_do_not_count_in_the_loss(ignored):
    """The loss of a 40x50 image is that over its own 2000 pixels."""
    model = build(head=dict(RESNET_HEAD, ignore_index=ignored))
    data = model.data_preprocessor(image_data((40, 50)), training=True)
    with torch.no_grad():
        logits = model.encode_decode(data['inputs'], [dict(img_shape=(40, 50))])
        labels = data['data_samples'][0].gt_sem_seg.data
        expected = torch.nn.functional.cross_entropy(logits.double(), labels,
                                                     ignore_index=ignored)
        loss = model.loss(data['inputs'], data['data_samples'])['decode.loss_ce']
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_at_the_networks_size_it_is_mmsegs_encoder_decoder():
    ours = build(test_cfg=dict(logits=True))
    theirs = MODELS.build(dict(
        type='EncoderDecoder', backbone=dict(RESNET), decode_head=dict(RESNET_HEAD),
        data_preprocessor=dict(type='SegDataPreProcessor', mean=[0] * 3, std=[255] * 3),
        test_cfg=ConfigDict(mode='whole')))
    theirs.load_state_dict(ours.state_dict())
    theirs.eval()
    with torch.no_grad():
        a, = ours.test_step(image_data((64, 96)))
        b, = theirs.test_step(image_data((64, 96)))
    torch.testing.assert_close(a.seg_logits.data, b.seg_logits.data, rtol=1e-5, atol=1e-6)
    assert torch.equal(a.pred_sem_seg.data.long(), b.pred_sem_seg.data)


@pytest.mark.parametrize('parts', [
    (RESNET, RESNET_HEAD),
    (RESNET, dict(RESNET_HEAD, final_upsampler=dict(type='BilinearDeconv')))])
def test_at_another_size_labels_are_one_interpolation_of_the_scores(parts):
    """Of an image 40x56 that was 75x120: padded to 64x64, score i lies at 8 i + 4."""
    model = build(*parts)
    with torch.no_grad():
        sample, = model.test_step(image_data((40, 56), ori=(75, 120)), logits=True)
        inputs = model.data_preprocessor(image_data((40, 56)))['inputs']
        padded = torch.nn.functional.pad(inputs, (0, 8, 0, 24), mode='replicate')
        scores = model.decode_head(model.extract_feat(padded))[0].double()
    edge = 0.5 if model.decode_head.fades else 0  # resizing repeats the image's last pixel
    rows, columns = (((torch.arange(out).double() + 0.5) * size / out).clamp(edge, size - edge)
                     * 2 / 64 - 1 for size, out in ((40, 75), (56, 120)))
    where = torch.stack(torch.meshgrid(rows, columns, indexing='ij')[::-1], -1)
    logits = torch.nn.functional.grid_sample(
        scores[None], where[None], 'bilinear', 'zeros' if model.decode_head.fades else
        'border', align_corners=False)[0]
    torch.testing.assert_close(sample.seg_logits.data.double(), logits, rtol=1e-4, atol=1e-6)
    assert torch.equal(sample.pred_sem_seg.data[0].long(), logits.argmax(0))
    assert len(sample.pred_sem_seg.data.unique()) > 1


@pytest.mark.parametrize('size', [(40, 56), (64, 96), (1, 1)])
@pytest.mark.parametrize('parts', [
    (RESNET, dict(RESNET_HEAD, final_upsampler=dict(type='BilinearDeconv'))),
    (RESNET, dict(RESNET_HEAD, in_index=(2, ), in_channels=(64, ), in_strides=(32, ),
                  num_classes=2, out_channels=1, threshold=0.3,
                  final_upsampler=dict(type='BilinearDeconv'))),
    (dict(type='FullyConvVGG', depth=11, fc_channels=16, alignment='caffe', out_indices=(5, )),
     dict(RESNET_HEAD, in_index=(0, ), in_channels=(16, ), in_strides=(32, ),
          alignment='caffe'))])
def test_scores_fade_at_borders_as_a_transposed_convolution_leaves_them(parts, size):
    """Caffe's score blob is that; of one channel the threshold is another then."""
    model = build(*parts)
    with torch.no_grad():
        for score in model.decode_head.score.values():
            score.bias += 0.5
        sample, = model.test_step(image_data(size), logits=True)
        inputs = model.data_preprocessor(image_data(size))['inputs']
        logits, = model.encode_decode(inputs, [dict(img_shape=size)])
    logits = logits.sigmoid() if len(logits) == 1 else logits
    torch.testing.assert_close(sample.seg_logits.data, logits, rtol=1e-4, atol=1e-5)


def test_a_learned_last_upsampling_goes_by_its_own_logits():
    head = dict(RESNET_HEAD,
                final_upsampler=dict(type='BilinearDeconv', learnable=True))
    model = build(head=head)
    torch.nn.init.normal_(model.decode_head.upsample_image.weight)
    with torch.no_grad():
        sample, = model.test_step(image_data((40, 56)))
        inputs = model.data_preprocessor(image_data((40, 56)))['inputs']
        logits = model.encode_decode(inputs, [dict(img_shape=(40, 56))])
    assert torch.equal(sample.pred_sem_seg.data[0].long(), logits[0].argmax(0))


def test_one_channel_is_a_threshold():
    head = dict(RESNET_HEAD, num_classes=2, out_channels=1, threshold=0.4)
    model = build(head=head, test_cfg=dict(logits=True))
    with torch.no_grad():
        sample, = model.test_step(image_data((40, 56)))
    assert torch.equal(sample.pred_sem_seg.data, (sample.seg_logits.data > 0.4).byte())


def test_views_are_averaged_over_their_probabilities():
    model = build(test_cfg=dict(logits=True))
    tta = MODELS.build(dict(type='FCNTTAModel', module=model))
    data, mirrored = image_data((32, 64)), image_data((32, 64))
    mirrored['inputs'] = [data['inputs'][0].flip(-1)]
    mirrored['data_samples'][0].set_metainfo(dict(flip=True, flip_direction='horizontal'))
    for each in (data, mirrored):
        each['data_samples'][0].set_metainfo(dict(img_path='a.png'))
    views = dict(inputs=[data['inputs'], mirrored['inputs']],
                 data_samples=[data['data_samples'], mirrored['data_samples']])
    with torch.no_grad():
        merged, = tta.test_step(views)
        a, = model.test_step(data)
        b, = model.test_step(mirrored)
    expected = (a.seg_logits.data.softmax(0) + b.seg_logits.data.softmax(0)).argmax(0)
    assert torch.equal(merged.pred_sem_seg.data.long().squeeze(), expected)


@pytest.mark.parametrize('direction, dim', [('horizontal', -1), ('vertical', -2)])
def test_a_flipped_view_is_flipped_back(direction, dim):
    model, data = build(), image_data((32, 64))
    for layer in model.decode_head.score.values():  # classes that differ from row to row
        torch.nn.init.normal_(layer.weight)
    mirrored = image_data((32, 64))
    mirrored['inputs'] = [data['inputs'][0].flip(dim)]
    mirrored['data_samples'][0].set_metainfo(dict(flip=True, flip_direction=direction))
    with torch.no_grad():
        a, = model.test_step(mirrored)
        b, = model.test_step(dict(inputs=mirrored['inputs'],
                                  data_samples=image_data((32, 64))['data_samples']))
    assert torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data.flip(dim))
    assert not torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)


def test_preprocessing_is_mmsegs():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 7)).astype(np.float32)
    processor = MODELS.build(dict(type='FCNDataPreProcessor', mean=[1, 2, 3],
                                  std=[4, 5, 6], bgr_to_rgb=True))
    data = image_data((5, 7), (3, 9))
    data['inputs'][0] = torch.from_numpy(pixels).byte()
    batch = processor(data, training=False)
    expected = (pixels[::-1] - np.array([1, 2, 3])[:, None, None]) / (
        np.array([4, 5, 6])[:, None, None])
    assert batch['inputs'].shape == (2, 3, 5, 9)
    np.testing.assert_allclose(batch['inputs'][0, :, :, :7], expected, rtol=1e-6)
    assert (batch['inputs'][0, :, :, 7:] == 0).all()


# --- states ------------------------------------------------------------------------


@pytest.mark.parametrize('classes, ignored, message', [
    (300, 65535, 'seg_pad_val=255, which is a class: set seg_pad_val=65535'),
    (255, 255, ''), (300, 255, '')])
def test_labels_are_not_padded_with_a_class(classes, ignored, message):
    model = build(head=dict(RESNET_HEAD, num_classes=classes, ignore_index=ignored))
    model(**model.data_preprocessor(image_data((40, 56), (40, 56)), True), mode='loss')
    data = model.data_preprocessor(image_data((40, 56), (48, 56)), True)
    with pytest.raises(ValueError, match=message) if message else nullcontext():
        model(**data, mode='loss')


def test_labels_are_not_padded_with_the_first_class_either():
    model = build()
    model.data_preprocessor.seg_pad_val = 0
    data = model.data_preprocessor(image_data((40, 56), (48, 56)), True)
    with pytest.raises(ValueError, match='seg_pad_val=0, which is a class: set seg_pad_val=2'):
        model(**data, mode='loss')
    # of others than mmseg's nothing is known
    check_label_padding(torch.nn.Identity(), data['data_samples'], model.decode_head)


def test_auxiliary_heads_of_mmseg_train_on_padded_images():
    model = build(auxiliary_head=dict(
        type='FCNHead', in_channels=32, channels=8, in_index=1, num_classes=4, num_convs=1,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True)))
    model.train()
    data = model.data_preprocessor(image_data((33, 47), (20, 30)), training=True)
    losses = model(**data, mode='loss')
    assert {'decode.loss_ce', 'aux.loss_ce'} <= set(losses)


def test_a_head_of_mmseg_fits_the_segmentor():
    head = dict(type='FCNHead', in_channels=64, channels=8, in_index=2, num_classes=4)
    model = build(head=head)
    with torch.no_grad():
        sample, = model.test_step(image_data((33, 47)))
        inputs = model.data_preprocessor(image_data((33, 47)))['inputs']
        logits = model.encode_decode(inputs, [dict(img_shape=(33, 47))])
    assert torch.equal(sample.pred_sem_seg.data[0].long(), logits[0].argmax(0))


# --- tiles ---------------------------------------------------------------------------

TILES = dict(mode='tile', tile=352, overlap=160)  # what ResNet-18 sees: 435 pixels


@pytest.mark.parametrize('size, ori', [
    ((300, 500), None), ((300, 500), (450, 333)), ((20, 700), (40, 350)), ((1, 1), None),
    ((70, 330), (3, 4))])
def test_tiles_give_the_labels_of_the_whole(size, ori):
    whole, tiled = build(), build(test_cfg=TILES)
    tiled.load_state_dict(whole.state_dict())
    seen = []
    with torch.no_grad():
        a, = whole.test_step(image_data(size, ori=ori))
        b, = tiled.test_step(image_data(size, ori=ori),
                             track=lambda tiles: seen.append(len(tiles)) or tiles)
    assert torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)
    assert seen == [-(-size[0] // 32) * -(-size[1] // 32)]  # cores of 352 - 2 * 160


@pytest.mark.parametrize('head', [
    dict(RESNET_HEAD, final_upsampler=dict(type='BilinearDeconv', learnable=True)),
    dict(type='FCNHead', in_channels=64, channels=8, in_index=2, num_classes=4)])
def test_heads_that_upsample_in_a_way_of_their_own_in_tiles(head):
    whole, tiled = build(head=head), build(head=head, test_cfg=TILES)
    tiled.load_state_dict(whole.state_dict())
    with torch.no_grad():
        a, = whole.test_step(image_data((70, 330)))
        b, = tiled.test_step(image_data((70, 330)))
    assert (a.pred_sem_seg.data == b.pred_sem_seg.data).double().mean() > 0.99


def test_a_flipped_image_in_tiles():
    whole, tiled = build(), build(test_cfg=TILES)
    tiled.load_state_dict(whole.state_dict())
    found = []
    for model in (whole, tiled):
        data = image_data((70, 330), (64, 40))
        data['data_samples'][0].set_metainfo(dict(flip=True, flip_direction='horizontal'))
        data['data_samples'][1].set_metainfo(dict(flip=True, flip_direction='vertical'))
        with torch.no_grad():
            found.append(model.test_step(data))
    for a, b in zip(*found):
        assert torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)


def test_a_small_overlap_only_matters_near_the_borders_of_tiles():
    """With stride 8 alone a stem of ResNet sees 43 pixels, so 32 more than overlap."""
    backbone = dict(RESNET, num_stages=2, out_indices=(1, ), strides=(1, 2),
                    dilations=(1, 1))
    head = dict(RESNET_HEAD, in_index=(0, ), in_channels=(16, ), in_strides=(8, ))
    whole = build(backbone, head)
    tiled = build(backbone, head, test_cfg=dict(mode='tile', tile=128, overlap=8))
    tiled.load_state_dict(whole.state_dict())
    with torch.no_grad():
        a, = whole.test_step(image_data((224, 224)))
        b, = tiled.test_step(image_data((224, 224)))
    differ = a.pred_sem_seg.data[0] != b.pred_sem_seg.data[0]
    assert differ.any()
    # Tiles of which 112 pixels count: [0, 112) and [112, 224), of which 8 more are seen.
    inner = torch.ones(224, dtype=torch.bool)
    inner[112 - 48:112 + 48] = False
    assert not differ[inner][:, inner].any()


def test_tiles_are_multiples_of_the_stride_and_see_no_less_than_asked():
    assert build().tiling_of(370, 130) == (352 - 2 * 160, 160)
    assert windows_of(180, 64, 32) == [(0, 64, 0, 96), (64, 128, 32, 160),
                                       (128, 180, 96, 180)]


@pytest.mark.parametrize('test_cfg, message', [
    (dict(mode='tile', logits=True), 'gives labels only'),
    (dict(mode='tile', tile=320, overlap=160), 'leaves nothing between overlaps of 160'),
    (dict(mode='tile', tile='all'), "tile='all' and overlap=128, expected integers")])
def test_tiles_that_cannot_be(test_cfg, message):
    with pytest.raises(ValueError, match=message):
        build(test_cfg=test_cfg)


def test_memory_is_that_of_a_tile(forked_python):
    """18 million pixels: the network's first maps alone would take 141 MB as a whole."""
    pytest.importorskip('resource')
    import os
    import subprocess
    code = """
import resource
import torch
from mmengine.registry import init_default_scope
import fcn_plugin
from test_fcn_segmentor import build, image_data
init_default_scope('mmseg')
model = build(test_cfg=dict(mode='tile', tile=512, overlap=32))
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
with torch.no_grad():
    model.test_step(image_data((600, 600)))
    image = torch.zeros(3, 4200, 4200, dtype=torch.uint8)
    data = image_data((1, 1), ori=(4200, 4200))
    data['inputs'] = [image]
    before = peak()
    sample, = model.test_step(data)
assert sample.pred_sem_seg.data.shape == (1, 4200, 4200)
print(peak() - before)
"""
    done = subprocess.run(
        [forked_python, '-c', code], check=True, capture_output=True, text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(
            [os.path.dirname(__file__), os.environ.get('PYTHONPATH', '')])))
    assert int(done.stdout.split()[-1]) < 70  # MiB; 28 to 47 were measured


# --- speed_up ------------------------------------------------------------------------


def trained_like(model):
    """Batch norms with statistics that are not those they start from."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -1, 1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.normal_(module.bias)
    return model


@pytest.mark.parametrize('parts', [(RESNET, RESNET_HEAD), (VGG, VGG_HEAD)],
                         ids=['resnet', 'vgg-unpool'])
def test_a_faster_model_gives_the_same_logits(parts):
    model = trained_like(build(*parts, test_cfg=dict(logits=True)))
    with torch.no_grad():
        a, = model.test_step(image_data((70, 90)))
        # as a runner gives it: what is tried out must not change its statistics
        speed_up(model.train(), torch.float32)
        b, = model.test_step(image_data((70, 90)))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.backbone.modules())
    torch.testing.assert_close(b.seg_logits.data, a.seg_logits.data, rtol=1e-3, atol=1e-4)


def test_sixteen_bits_leave_most_labels_alone():
    model = trained_like(build())
    torch.nn.init.normal_(model.decode_head.score['stride8'].weight)
    with torch.no_grad():
        a, = model.test_step(image_data((128, 160)))
        speed_up(model, torch.bfloat16)
        b, = model.test_step(image_data((128, 160)))
    assert model.backbone.conv1.kernel.dtype == torch.bfloat16
    assert model.decode_head.score['stride8'].weight.dtype == torch.float32
    # Random weights: scores lie closer together than those of a trained model.
    assert (a.pred_sem_seg.data == b.pred_sem_seg.data).double().mean() > 0.95


@pytest.mark.parametrize('settings', [
    dict(), dict(stride=2, padding=1), dict(groups=4, bias=False),
    dict(dilation=2, padding=2)], ids=str)
@pytest.mark.parametrize('size', [(1, 8, 16, 16), (3, 8, 37, 21), (1, 8, 5, 5)], ids=str)
def test_packed_kernels_convolve_any_size(settings, size):
    conv = torch.nn.Conv2d(8, 12, 3, **settings)
    packed = PackedConv2d(conv, torch.Size((1, 8, 16, 16)))
    image = torch.randn(size)
    for x in (image, image.contiguous(memory_format=torch.channels_last)):
        exact = conv.double()(x.double()).float()
        torch.testing.assert_close(packed(x), exact, rtol=1e-4, atol=1e-5)
        conv.float()


def test_where_kernels_cannot_be_packed_they_are_left(monkeypatch):
    def unknown(*args):
        raise AttributeError('no such operator')

    monkeypatch.setattr(PackedConv2d, '__init__', unknown)
    model = speed_up(build(), torch.float32)
    assert isinstance(model.backbone.conv1, torch.nn.Conv2d)


def test_only_kernels_of_torch_s_own_convolutions_that_run_are_packed():
    class Own(torch.nn.Conv2d):
        """Computes something else."""

    net = torch.nn.Sequential(*(
        kind(4, 4, 3, **settings) for kind, settings in (
            (torch.nn.Conv2d, {}), (Own, {}), (torch.nn.Conv2d, dict(padding='same')),
            (torch.nn.Conv2d, dict(padding=1, padding_mode='reflect')))))
    net[1].other = torch.nn.Conv2d(4, 4, 3)
    _with_packed_kernels(net, torch.randn(1, 4, 16, 16))
    kinds = [type(each) for each in (*net, net[1].other)]
    assert kinds == [PackedConv2d, Own, *[torch.nn.Conv2d] * 3]
    assert not net[1].other._forward_hooks


@pytest.mark.parametrize('device, amx, avx, gpu, expected', [
    ('cuda', 1, 1, (8, 0), torch.bfloat16), ('cuda', 1, 1, (7, 5), torch.float16),
    ('cpu', 1, 0, None, torch.bfloat16), ('cpu', 0, 1, None, torch.bfloat16),
    ('cpu', 0, 0, None, torch.float32), ('mps', 1, 1, None, torch.float32)])
def test_the_type_of_a_device_s_matrix_units(monkeypatch, device, amx, avx, gpu, expected):
    for name, there in (('_is_amx_tile_supported', amx), ('_is_avx512_bf16_supported', avx)):
        monkeypatch.setattr(torch.cpu, name, lambda there=there: bool(there))
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: gpu)
    assert native_dtype(torch.device(device)) == expected


def test_changes_are_tried_on_an_image_that_the_strides_divide():
    model = build()
    assert _probe(model).shape == (1, 3, 224, 224)
    model.size_divisor = 64
    assert _probe(model).shape == (1, 3, 256, 256)


def test_norms_that_come_before_their_convolution_are_not_folded(capsys):
    """DenseNet's: mmcv would pair them with the convolution listed before."""

    class PreActivation(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 8, 8, 8)
            self.norm = torch.nn.BatchNorm2d(8)
            self.conv = torch.nn.Conv2d(8, 8, 1)

        def forward(self, image):
            stem = self.stem(image)
            return stem, self.conv(self.norm(stem).relu())

    model = build(head=dict(RESNET_HEAD))
    model.backbone = trained_like(PreActivation()).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = model.backbone(image)
        speed_up(model, torch.float32)
        after = model.backbone(image)
    for a, b in zip(before, after):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in model.backbone.modules())


@pytest.mark.parametrize('stage', ['layer2', 'layer4'])
def test_a_backbone_that_computes_nan_is_not_taken(stage):
    """Neither in the first of its maps nor in the last alone."""
    model = build()
    before = model.backbone

    def spoil(backbone):
        for parameter in getattr(backbone, stage).parameters():
            torch.nn.init.constant_(parameter, float('nan'))
        return backbone

    assert 'nan' in _change_backbone(model, spoil)
    assert model.backbone is before


def test_maps_of_nothing_are_equal():
    model = build()
    for parameter in model.backbone.parameters():
        torch.nn.init.zeros_(parameter)
    assert _change_backbone(model, lambda backbone: backbone) is None


def test_a_neck_computes_in_sixteen_bits_too():
    model = build(head=dict(RESNET_HEAD, in_channels=(16, 16, 16)), neck=dict(
        type='FPN', in_channels=[16, 32, 64], out_channels=16, num_outs=3))
    speed_up(model, torch.bfloat16)
    assert {p.dtype for p in model.neck.parameters()} == {torch.bfloat16}
    with torch.no_grad():
        sample, = model.test_step(image_data((70, 90)))
    assert sample.pred_sem_seg.shape == (70, 90)


def test_only_an_fcn_segmentor_is_sped_up():
    with pytest.raises(TypeError, match='the model is a Conv2d, expected an FCNSegmentor'):
        speed_up(torch.nn.Conv2d(1, 1, 1))


def test_channels_last():
    model, other = build(), build()
    model.use_channels_last()
    other.load_state_dict(model.state_dict())
    weight = model.backbone.conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        a, = model.test_step(image_data((40, 50)))
        b, = other.test_step(image_data((40, 50)))
    assert torch.equal(a.pred_sem_seg.data, b.pred_sem_seg.data)


def test_graphs_are_recorded_anew_where_the_parameters_are_others():
    model = build()
    model.use_cuda_graphs()
    before = model._graphs
    assert model.double()._graphs not in (before, None)


# --- what single faults in the segmentor would change ----------------------------------


def test_the_direction_of_a_flip_that_was_not_done_is_not_undone():
    model, data = build(), image_data((48, 70))
    with torch.no_grad():
        expected, = model.test_step(data)
        data['data_samples'][0].set_metainfo(dict(flip=False, flip_direction='horizontal'))
        found, = model.test_step(data)
    assert len(expected.pred_sem_seg.data.unique()) > 1
    assert torch.equal(found.pred_sem_seg.data, expected.pred_sem_seg.data)


def test_tiles_of_more_than_255_classes():
    head = dict(RESNET_HEAD, num_classes=300)
    whole, tiled = build(head=head), build(head=head, test_cfg=dict(mode='tile', tile=256,
                                                                    overlap=96))
    tiled.load_state_dict(whole.state_dict())
    with torch.no_grad():
        expected, = whole.test_step(image_data((64, 64)))
        found, = tiled.test_step(image_data((64, 64)))
    assert found.pred_sem_seg.data.dtype == torch.int16
    assert expected.pred_sem_seg.data.max() > 255
    assert torch.equal(found.pred_sem_seg.data, expected.pred_sem_seg.data)


def test_tiles_of_a_step_go_before_those_of_the_config():
    model, seen = build(test_cfg=TILES), []
    with torch.no_grad():
        model.test_step(image_data((70, 130)), tiling=(64, 32),
                        track=lambda tiles: seen.extend(tiles) or tiles)
    assert [row[:2] + column[:2] for row, column in seen] == [
        (top, min(top + 64, 70), left, min(left + 64, 130)) for top in (0, 64)
        for left in (0, 64, 128)]


def test_each_task_has_the_labels_of_its_channels():
    model = build(head=dict(RESNET_HEAD, other_tasks=dict(low=2, high=3)))
    for layer in model.decode_head.score.values():
        torch.nn.init.zeros_(layer.weight)
        layer.bias.data = torch.tensor([0., 0, 0, 1, 0, 1, 0, 0, 1])
    with torch.no_grad():
        sample, = model.test_step(image_data((40, 64)))
    assert [int(sample.get(f'pred_{task}').data.unique()) for task in (
        'sem_seg', 'low', 'high')] == [3, 1, 2]


def test_tiles_are_of_1024_pixels_by_default():
    assert build(test_cfg=dict(mode='tile')).tiling == (1024 - 2 * 128, 128)


def test_several_tasks_are_not_labelled_in_tiles():
    with pytest.raises(ValueError, match="take mode='whole' for several tasks"):
        build(head=dict(RESNET_HEAD, other_tasks=dict(more=2))).tiling_of(256, 32)


def test_several_tasks_have_no_post_processor():
    with pytest.raises(ValueError, match="need test_cfg.mode='whole' and no post processor"):
        build(head=dict(RESNET_HEAD, other_tasks=dict(more=2)),
              post_processor=dict(type='DenseCRF'))


def test_the_backbone_computes_in_the_type_that_is_asked_for():
    model, seen = speed_up(build(), torch.float16), []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append((
        args[0].dtype, args[0].is_contiguous(memory_format=torch.channels_last))))
    with torch.no_grad():
        model.test_step(image_data((40, 50)))
    assert seen == [(torch.float16, True)]


def test_switches_stay_integers_in_16_bits():
    model = speed_up(build(VGG, VGG_HEAD), torch.bfloat16)
    with torch.no_grad():
        sample, = model.test_step(image_data((64, 64)))
    assert sample.pred_sem_seg.shape == (64, 64)


def test_one_mean_serves_all_channels_and_padding_has_its_value():
    preprocessor = MODELS.build(dict(type='FCNDataPreProcessor', mean=[0], std=[1], pad_val=7))
    data = image_data((4, 6), (3, 2))
    batch = preprocessor(data)['inputs']
    assert batch.shape == (2, 3, 4, 6)
    assert (batch[1, :, 3:] == 7).all() and (batch[1, :, :, 2:] == 7).all()
