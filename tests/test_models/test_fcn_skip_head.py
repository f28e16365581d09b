import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from fcn_plugin.models import FCNSkipHead, FeatureMap, FullyConvVGG
from fcn_plugin.models.upsamplers import BilinearUpsample
from fcn_plugin.ops import label_scores, resample_scores, sample_axis

STRIDES, CHANNELS = (4, 8, 16, 32), (5, 6, 7, 8)
WEIGHED = dict(type='CrossEntropyLoss', avg_non_ignore=True, class_weight=[0.5, 1., 4.])


def build(count=3, **kwargs):
    """A head on the ``count`` coarsest of four maps."""
    return MODELS.build(dict(dict(
        type='FCNSkipHead', in_index=tuple(range(4 - count, 4)), num_classes=3,
        in_channels=CHANNELS[-count:], in_strides=STRIDES[-count:]), **kwargs))


def maps(height=64, width=96, batch=2):
    return [torch.randn(batch, c, height // s, width // s)
            for s, c in zip(STRIDES, CHANNELS)]


def sample(labels):
    data = SegDataSample(metainfo=dict(img_shape=labels.shape[-2:]))
    data.gt_sem_seg = PixelData(data=labels)
    return data


# --- bad arguments -----------------------------------------------------------


@pytest.mark.parametrize('bad', [
    dict(in_channels=(6, 7)), dict(in_index=(0, 1)), dict(in_strides=(8, 16)),
    dict(skip_scales=(0.01, 1)), dict(in_index=(), in_channels=(), in_strides=())])
def test_one_entry_for_each_map(bad):
    with pytest.raises(ValueError, match='one entry is needed for each input map'):
        build(**bad)


@pytest.mark.parametrize('strides', [(32, 16, 8), (8, 8, 16), (8, 12, 32)])
def test_strides_ascend_by_whole_factors(strides):
    with pytest.raises(ValueError, match='fine to coarse'):
        build(in_strides=strides)


@pytest.mark.parametrize('switches', [
    {}, dict(switch_index=(4, )), dict(switch_index=(4, 5), switch_channels=(7, ))])
def test_unpooling_needs_switches_at_build(switches):
    with pytest.raises(ValueError, match='MaxUnpool undoes 2 poolings.*with_switches=True'):
        build(upsampler=dict(type='MaxUnpool'), **switches)


def test_wrong_channels_are_named():
    features = maps()
    features[2] = features[2][:, :3]
    with pytest.raises(ValueError,
                       match=r'map 2 has 3 channels, expected in_channels\[1\] = 7'):
        build()(features)


def test_the_error_at_build_lists_what_would_fit():
    given = [FeatureMap(0, 64, 4), FeatureMap(1, 128, 8), FeatureMap(2, 7, 16),
             FeatureMap(3, 512, 32), FeatureMap(4, 7, 16, switches=True)]
    with pytest.raises(ValueError) as error:
        build(in_index=(1, 2, 4)).check_backbone(given)
    message = str(error.value)
    assert 'in_index 1 (6 channels at stride 8): it has 128 at 8' in message
    assert 'in_index 4 (8 channels at stride 32): these are pooling switches' in message
    assert 'in_index 2' not in message.split('The backbone gives')[0]
    fit = eval(message.split('decode_head=')[1], dict(dict=dict))
    assert fit == dict(in_index=(1, 2, 3), in_channels=(128, 7, 512),
                       in_strides=(8, 16, 32))
    build(**fit).check_backbone(given)


def test_too_few_maps():
    with pytest.raises(ValueError, match='there are only 2 maps'):
        build().check_backbone([FeatureMap(0, 6, 8), FeatureMap(1, 6, 8)])
    with pytest.raises(ValueError, match='in_index -3 .*there are only 2 maps'):
        build(in_index=(-3, -2, -1)).check_backbone(
            [FeatureMap(0, 7, 16), FeatureMap(1, 8, 32)])


def test_a_map_of_another_stride():
    given = [FeatureMap(i, c, s) for i, (c, s) in enumerate(zip(CHANNELS, (4, 8, 16, 16)))]
    with pytest.raises(ValueError, match=r'stride 32\): it has 8 at 16\. '):
        build().check_backbone(given)


def test_each_unpooling_has_as_many_channels_as_its_pooling():
    head = MODELS.build(dict(
        type='FCNSkipHead', in_index=(0, 1, 2), in_channels=(4, 4, 4), num_classes=3,
        in_strides=(8, 16, 32), upsampler=dict(type='MaxUnpool'), switch_index=(3, 4),
        switch_channels=(5, 7)))
    assert {name: layer.spread.out_channels for name, layer in head.upsample.items()} == dict(
        stride16=5, stride32=7)


def test_unpooling_behind_a_backbone_without_switches():
    head = build(upsampler=dict(type='MaxUnpool'), switch_index=(4, 5),
                 switch_channels=(7, 8))
    plain = [FeatureMap(i, c, s) for i, (c, s) in enumerate(zip(CHANNELS, STRIDES))]
    with pytest.raises(ValueError, match='MaxUnpool needs pooling switches.*BilinearDeconv'):
        head.check_backbone(plain)
    switches = [FeatureMap(4, 7, 16, True), FeatureMap(5, 8, 32, True)]
    head.check_backbone(plain + switches)
    with pytest.raises(ValueError, match='belongs to stride 32, expected stride 16'):
        head.check_backbone(plain + [FeatureMap(4, 7, 32, True), switches[1]])


# --- values ------------------------------------------------------------------


def score(layer, feature, scale):
    weight, bias = (p.detach().double().numpy() for p in layer.parameters())
    return (np.einsum('ck,nkhw->nchw', weight[..., 0, 0], scale * feature.double().numpy())
            + bias[None, :, None, None])


def bilinear(scores, factor):
    """Half-pixel centres, border repeated; one row, then one column at a time."""
    for axis in (2, 3):
        size = scores.shape[axis]
        at = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, size - 1)
        part = (at - low).reshape([-1 if a == axis else 1 for a in range(4)])
        scores = (1 - part) * scores.take(low, axis) + part * scores.take(high, axis)
    return scores


@pytest.mark.parametrize('scales', [None, (0.25, 0.01, 0.1, 1.)])
@pytest.mark.parametrize('count', [1, 2, 3, 4])
def test_scores_are_upsampled_and_summed_coarse_to_fine(count, scales):
    """FCN-32s, 16s, 8s and 4s against numpy in float64."""
    scales = None if scales is None else scales[-count:]
    head, features = build(count, skip_scales=scales).eval(), maps()
    fused = None
    for i in reversed(range(count)):
        scores = score(head.score[f'stride{STRIDES[-count:][i]}'], features[4 - count + i],
                       1 if scales is None else scales[i])
        fused = scores if fused is None else bilinear(fused, 2) + scores
    before = [each.clone() for each in features]
    with torch.no_grad():
        scores = head(features)
        logits = head.to_image(scores, (64, 90))
    assert all(map(torch.equal, features, before))  # which other heads see, too
    np.testing.assert_allclose(scores, fused, atol=1e-5)
    np.testing.assert_allclose(
        logits, bilinear(fused, STRIDES[-count])[..., :64, :90], atol=1e-5)


def test_strides_may_be_skipped():
    head = build(in_index=(0, 3), in_channels=(5, 8), in_strides=(4, 32))
    assert head(maps()).shape == (2, 3, 16, 24)


def test_a_map_that_rounded_up_is_cropped():
    """As a ResNet's do where FCNSegmentor is not there to pad."""
    features = [torch.randn(1, c, *size) for c, size in zip(
        CHANNELS, [(17, 9), (9, 5), (5, 3), (3, 2)])]
    assert build()(features).shape == (1, 3, 9, 5)


def test_deconv_and_interpolation_agree_inside():
    features = maps(256, 256, 1)
    plain = build()
    deconv = build(upsampler=dict(type='BilinearDeconv'),
                   final_upsampler=dict(type='BilinearDeconv'))
    deconv.load_state_dict(plain.state_dict())
    with torch.no_grad():
        a, b = (head.to_image(head(features), (256, 256)) for head in (plain, deconv))
    torch.testing.assert_close(a[..., 64:-64, 64:-64], b[..., 64:-64, 64:-64])


# --- states ------------------------------------------------------------------


def test_zero_initialised_scores_predict_nothing():
    head = build(zero_init_scores=True, upsampler=dict(type='BilinearDeconv',
                                                       learnable=True))
    nn.init.ones_(head.score['stride8'].weight)
    head.init_weights()
    assert (head(maps()) == 0).all()
    assert head.upsample['stride32'].weight.abs().sum() > 0  # bilinear still


def test_default_initialisation_is_normal():
    head = build(in_channels=(400, 400, 400))
    head.init_weights()
    assert head.score['stride8'].weight.detach().std() == pytest.approx(0.01, rel=0.1)
    assert (head.score['stride8'].bias == 0).all()


def test_a_coarser_checkpoint_loads_into_a_finer_head():
    coarse, fine = build(2), build(3)
    missing, unexpected = fine.load_state_dict(coarse.state_dict(), strict=False)
    assert missing == ['score.stride8.weight', 'score.stride8.bias'] and not unexpected


def test_dropout_is_elementwise_and_on_the_coarsest_map_only():
    head = build(1, dropout_ratio=0.5).train()
    seen = []
    head.score['stride32'].register_forward_pre_hook(lambda m, x: seen.append(x[0]))
    features = [*maps()[:3], torch.ones(1, 8, 16, 16)]
    head(features)
    dropped = seen[0][0] == 0
    assert 0.3 < dropped.float().mean() < 0.7
    assert dropped.any(0).all() is not dropped.all(0).any()
    per_channel = dropped.flatten(1).float().mean(1)
    assert ((per_channel > 0) & (per_channel < 1)).all()  # no channel goes as a whole


def test_dropout_leaves_the_skips_alone():
    head, seen = build(3, dropout_ratio=0.5).train(), {}
    for stride, layer in head.score.items():
        layer.register_forward_pre_hook(
            lambda module, args, stride=stride: seen.update({stride: args[0]}))
    head([torch.ones_like(feature) for feature in maps()])
    assert (seen['stride32'] == 0).any()
    assert (seen['stride16'] == 1).all() and (seen['stride8'] == 1).all()


def test_loss_is_the_mean_over_pixels_that_count():
    head, features = build().eval(), maps(32, 32)
    labels = torch.randint(0, 3, (2, 1, 30, 32))
    labels[:, :, :7] = 255
    samples = [sample(label) for label in labels]
    loss = head.loss(features, samples, None)
    assert list(loss) == ['loss_ce']
    with torch.no_grad():
        logits = head.to_image(head(features), (30, 32)).double()
    valid = labels[:, 0] != 255
    picked = logits.log_softmax(1).gather(1, labels.clamp(max=2))[:, 0][valid]
    assert float(loss['loss_ce'].detach()) == pytest.approx(float(-picked.mean()), rel=1e-5)


def test_scores_of_16_bits_are_interpolated_in_32():
    head = build()
    scores = (8 * torch.randn(2, 3, 8, 8)).bfloat16().contiguous(
        memory_format=torch.channels_last)
    labels = torch.randint(0, 3, (2, 1, 64, 64))
    with torch.autocast('cpu', torch.bfloat16):
        loss = head.loss_by_feat(scores, [sample(label) for label in labels])['loss_ce']
    logits = head.to_image(scores.double().contiguous(), (64, 64))
    picked = logits.log_softmax(1).gather(1, labels)
    # interpolated in bfloat16 it is off by some 1e-3
    assert float(loss) == pytest.approx(float(-picked.mean()), rel=1e-6)


@pytest.mark.parametrize('options', [
    {}, dict(final_upsampler=dict(type='BilinearDeconv')), dict(alignment='caffe'),
    dict(other_tasks=dict(parts=4)), dict(ignore_index=1), dict(ignore_index=1,
                                                               loss_decode=WEIGHED),
    dict(loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=False)),
    dict(loss_decode=dict(type='CrossEntropyLoss', reduction='sum', loss_weight=0.01)),
    dict(loss_decode=[dict(WEIGHED, loss_weight=0.5),
                      dict(type='CrossEntropyLoss', avg_non_ignore=True)])])
def test_without_logits_the_losses_are_the_same(options, monkeypatch):
    head = build(1, **options).double()
    head.image_offset = 5 if head.alignment == 'caffe' else None
    width = head.score['stride32'].out_channels
    scores = torch.randn(2, width, 3, 4, dtype=torch.float64, requires_grad=True)
    # as many rows as there are, and fewer columns
    samples = [sample(torch.randint(0, 3, (1, 96, 90))) for _ in range(2)]
    for each in samples:
        each.gt_sem_seg.data[:, :9] = head.ignore_index
        each.gt_parts = PixelData(data=torch.randint(0, 4, (1, 92, 90)))
    wanted = head.loss_at_image(head.to_image(scores, (96, 90)), samples)
    slopes, = torch.autograd.grad(sum(wanted.values()), scores)
    monkeypatch.setattr(head, 'to_image', None)
    found = head.loss_by_feat(scores, samples)
    assert list(found) == list(wanted)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(torch.autograd.grad(sum(found.values()), scores)[0], slopes,
                               rtol=1e-5, atol=1e-7)


def test_a_batch_without_pixels_that_count_has_no_loss():
    for loss in (WEIGHED, dict(type='CrossEntropyLoss', avg_non_ignore=True)):
        samples = [sample(torch.full((1, 32, 32), 255))] * 2
        found = build(loss_decode=loss).loss_by_feat(torch.randn(2, 3, 4, 4), samples)
        assert float(found['loss_ce']) == 0


class Halved(CrossEntropyLoss):
    """A loss of somebody's own that derives from mmseg's."""

    def forward(self, *args, **kwargs):
        return super().forward(*args, **kwargs) / 2


@pytest.mark.parametrize('options', [
    dict(loss_decode=[dict(type='DiceLoss'), dict(type='CrossEntropyLoss')]),
    dict(loss_decode=dict(type=Halved)), dict(with_accuracy=True),
    dict(loss_decode=dict(type='CrossEntropyLoss', reduction='none')),
    dict(sampler=dict(type='OHEMPixelSampler')),
    dict(final_upsampler=dict(type='BilinearDeconv', learnable=True))])
def test_other_losses_see_logits(options):
    head, features = build(**options), maps(32, 32)
    for weight in head.upsample_image.parameters():  # no longer bilinear
        torch.nn.init.normal_(weight)
    samples = [sample(torch.randint(0, 3, (1, 32, 32))) for _ in range(2)]
    scores = head(features)
    torch.testing.assert_close(head.loss_by_feat(scores, samples), head.loss_at_image(
        head.to_image(scores, (32, 32)), samples), rtol=0, atol=0)


class Louder(FCNSkipHead):
    """A head of somebody's own, which brings scores to the image in another way."""

    def to_image(self, scores, size):
        return 2 * super().to_image(scores, size)


class Sharper(FCNSkipHead):
    """A head of somebody's own, which judges other logits."""

    def loss_at_image(self, logits, batch_data_samples):
        return super().loss_at_image(2 * logits, batch_data_samples)


class Twice(BilinearUpsample):
    """An upsampler of somebody's own."""

    def forward(self, scores, switches=None):
        return 2 * super().forward(scores)


@pytest.mark.parametrize('options', [
    dict(type=Louder), dict(type=Sharper), dict(final_upsampler=dict(type=Twice))])
def test_what_derives_from_ours_is_called(options):
    head, scores = build(**options), torch.randn(2, 3, 4, 4)
    samples = [sample(torch.randint(0, 3, (1, 32, 32))) for _ in range(2)]
    plain = build().loss_by_feat(2 * scores, samples)
    torch.testing.assert_close(head.loss_by_feat(scores, samples), plain)


def test_a_map_that_is_too_small_for_the_image_is_named():
    scores = torch.randn(2, 3, 4, 4)
    for size in ((40, 32), (32, 40)):
        with pytest.raises(ValueError, match='cover 32x32 at stride 8, but {}x{} are'.format(
                *size)):
            build().loss_by_feat(scores, [sample(torch.zeros(1, *size).long())] * 2)


def test_accuracy_and_several_losses_on_request():
    head = build(with_accuracy=True, loss_decode=[
        dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True),
        dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True),
        dict(type='DiceLoss', loss_name='loss_dice')])
    samples = [sample(torch.randint(0, 3, (1, 32, 32))) for _ in range(2)]
    losses = head.loss(maps(32, 32), samples, None)
    assert set(losses) == {'loss_ce', 'loss_dice', 'acc_seg'}
    assert float(losses['loss_ce'].detach()) == pytest.approx(2 * np.log(3), rel=0.5)


def test_weights_are_taken_back_from_predictions_alone():
    plain, head = build(loss_decode=WEIGHED), build(loss_decode=WEIGHED,
                                                    weights_taken_back=0.5)
    assert list(head.state_dict()) == list(plain.state_dict())
    head.load_state_dict(plain.state_dict())
    features, metas = maps(64, 64), [dict(img_shape=(60, 64))]
    with torch.no_grad():
        expected = (plain.eval().predict(features, metas, None)
                    - torch.tensor([0.5, 1., 4.]).sqrt().log()[:, None, None])
        torch.testing.assert_close(head.eval().predict(features, metas, None), expected)
        assert torch.equal(head.train()(features), plain.train()(features))


def test_weights_of_the_first_task_are_taken_back():
    head = build(loss_decode=WEIGHED, weights_taken_back=1, other_tasks=dict(depth=2)).eval()
    with torch.no_grad():
        for layer in head.score.values():
            layer.weight.zero_(), layer.bias.zero_()
        scores = head(maps(32, 32))
    expected = [np.log(2), 0, -np.log(4), 0, 0]
    np.testing.assert_allclose(scores[0, :, 0, 0], expected, atol=1e-6)


@pytest.mark.parametrize('options', [
    dict(weights_taken_back=0.5), dict(weights_taken_back=1.5, loss_decode=WEIGHED),
    dict(weights_taken_back=-1, loss_decode=WEIGHED),
    dict(weights_taken_back=0.5, loss_decode=[WEIGHED, WEIGHED]),
    dict(weights_taken_back=0.5, loss_decode=WEIGHED,
         final_upsampler=dict(type='BilinearDeconv', learnable=True))])
def test_weights_that_cannot_be_taken_back(options):
    with pytest.raises(ValueError, match='weights_taken_back=.*, expected 0 to 1'):
        build(**options)


@pytest.mark.parametrize('weights', [[0.5, 1.], [0.5, 1., 2., 4.], [0.5, 0., 4.]])
def test_weights_of_no_class_and_of_no_weight_cannot_be_taken_back(weights):
    """A class of weight 0 would have infinite scores, and win everywhere."""
    with pytest.raises(ValueError, match='expected 3 numbers above 0'):
        build(loss_decode=dict(WEIGHED, class_weight=weights), weights_taken_back=1)


def test_weights_in_a_file_of_numpy_are_taken_back(tmp_path):
    np.save(tmp_path / 'weights.npy', WEIGHED['class_weight'])
    head = build(loss_decode=dict(WEIGHED, class_weight=str(tmp_path / 'weights.npy')),
                 weights_taken_back=1)
    np.testing.assert_allclose(head._taken_back.flatten(), np.log([0.5, 1., 4.]), rtol=1e-6)


@pytest.mark.parametrize('options, message', [
    (dict(num_classes=1), 'a single channel is 0 whatever'),
    (dict(num_classes=2, out_channels=1, threshold=0.5), 'a single channel is 0 whatever'),
    (dict(loss_decode=dict(WEIGHED, class_weight=[0.5, 1.])), '2 values.*each of 3'),
    (dict(loss_decode=dict(WEIGHED, class_weight=[1., 2., 3., 4.])), '4 values.*each of 3'),
    (dict(loss_decode=WEIGHED, other_tasks=dict(depth=2)), '3 values.*each of 2')])
@pytest.mark.parametrize('with_accuracy', [False, True])
def test_cross_entropy_of_other_classes_is_refused(options, message, with_accuracy):
    head = build(**options, with_accuracy=with_accuracy)
    data = sample(torch.zeros(1, 32, 32, dtype=torch.int64))
    data.set_data(dict(gt_depth=data.gt_sem_seg))
    with pytest.raises(ValueError, match=message):
        head.loss_by_feat(head(maps(32, 32, batch=1)), [data])


def test_losses_of_one_name_add_up():
    once = dict(type='CrossEntropyLoss', avg_non_ignore=True)
    one, two = build(loss_decode=once), build(loss_decode=[once, dict(once, loss_weight=3)])
    two.load_state_dict(one.state_dict())
    features, samples = maps(32, 32), [sample(torch.randint(0, 3, (1, 32, 32)))] * 2
    with torch.no_grad():
        single, both = (head.loss(features, samples, None)['loss_ce'] for head in (one, two))
    torch.testing.assert_close(both, 4 * single)


def test_accuracy_is_that_of_pixels_that_count():
    head, features = build(with_accuracy=True).eval(), maps(32, 32)
    with torch.no_grad():
        best = head.to_image(head(features), (32, 32)).argmax(1, keepdim=True)
        labels = best.clone()
        labels[:, :, :8] = (labels[:, :, :8] + 1) % 3  # wrong in a quarter
        labels[:, :, 16:] = 255
        found = head.loss(features, [sample(label) for label in labels], None)
    assert float(found['acc_seg']) == pytest.approx(50)


@pytest.mark.parametrize('count, offset', [(1, 19), (2, 27), (3, 31)])
def test_scores_lie_in_the_image_where_the_deconvolution_puts_them(count, offset):
    """In the caffe alignment: score i at ``stride (i + 0.5) - start``."""
    head = build(count, alignment='caffe')
    with torch.device('meta'):
        trunk = FullyConvVGG(16, alignment='caffe', out_indices=(2, 3, 5))
    grids = [None, *trunk.grids]  # as the head counts its maps
    head.align(grids)
    stride = STRIDES[4 - count]
    assert head.image_grid == (stride, offset - stride / 2)
    scores = torch.randn(1, 3, 24, 20)
    expected = head.to_image(scores, (60, 50))[0]
    axes = [sample_axis(size, stride, length, length, head.image_grid[1], fades=head.fades)
            for size, length in ((24, 60), (20, 50))]
    torch.testing.assert_close(resample_scores(scores[0], *axes), expected)
    assert torch.equal(label_scores(scores[0], *axes).long(), expected.argmax(0))


@pytest.mark.parametrize('learned, grid', [(False, (8, 0)), (True, None)])
def test_scores_that_are_upsampled_by_a_learned_kernel_have_no_grid(learned, grid):
    head = build(final_upsampler=dict(type='BilinearDeconv', learnable=learned))
    assert head.image_grid == grid


def test_binary_with_one_channel():
    head = build(num_classes=2, out_channels=1, threshold=0.5, loss_decode=dict(
        type='CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True))
    samples = [sample(torch.randint(0, 2, (1, 32, 32))) for _ in range(2)]
    assert torch.isfinite(head.loss(maps(32, 32), samples, None)['loss_ce'])


def test_predict_by_feat_serves_mmsegs_encoder_decoder():
    head, features = build(), maps(64, 96)
    scores = head(features)
    padded = head.predict_by_feat(scores, [dict(img_shape=(60, 90), pad_shape=(64, 96))])
    window = head.predict_by_feat(scores, [dict(img_shape=torch.Size((50, 96)))])
    assert padded.shape[-2:] == (64, 96) and window.shape[-2:] == (50, 96)


def test_head_is_registered_with_mmseg():
    assert MODELS.get('FCNSkipHead') is FCNSkipHead
