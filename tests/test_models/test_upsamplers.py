import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fcn_plugin.models import BilinearDeconv, BilinearUpsample, FCNSkipHead, MaxUnpool
from fcn_plugin.models.geometry import Grid, bilinear_kernel, crop_to, pad_to_multiple


@pytest.mark.parametrize('upsampler', [BilinearDeconv, BilinearUpsample])
@pytest.mark.parametrize('factor', [0, -2, 1.5])
def test_factor_must_be_a_whole_number(upsampler, factor):
    with pytest.raises(ValueError, match=f'factor is {factor}'):
        upsampler(channels=2, factor=factor)


@pytest.mark.parametrize('factor', [1, 4])
def test_unpooling_only_by_two(factor):
    with pytest.raises(ValueError, match=f'factor is {factor}.*undone by 2'):
        MaxUnpool(channels=2, factor=factor, switch_channels=3)


def test_unpooling_needs_switches():
    with pytest.raises(ValueError, match='without pooling switches'):
        MaxUnpool(channels=2, factor=2, switch_channels=3)(torch.zeros(1, 2, 4, 4))


@pytest.mark.parametrize('factor', [1, 2, 3, 4, 8, 16, 32])
def test_bilinear_kernel_is_the_papers(factor):
    size = 2 * factor - factor % 2
    f = (size + 1) // 2
    centre = f - 1 if size % 2 else f - 0.5
    expected = [[(1 - abs(i - centre) / f) * (1 - abs(j - centre) / f)
                 for j in range(size)] for i in range(size)]
    np.testing.assert_allclose(bilinear_kernel(factor), expected, atol=1e-7)


@pytest.mark.parametrize('per_class', [True, False])
@pytest.mark.parametrize('factor', [1, 2, 3, 4, 8, 32])
def test_deconv_interpolates_away_from_the_border(factor, per_class):
    scores = torch.randn(2, 3, 6, 5)
    upsampled = BilinearDeconv(3, factor, per_class=per_class)(scores)
    assert upsampled.shape == (2, 3, 6 * factor, 5 * factor)
    expected = F.interpolate(scores.double(), scale_factor=factor, mode='bilinear',
                             align_corners=False)
    inside = (..., slice(factor, -factor), slice(factor, -factor))
    torch.testing.assert_close(upsampled[inside].double(), expected[inside],
                               atol=1e-5, rtol=1e-5)


def test_deconv_fades_at_the_border():
    upsampled = BilinearDeconv(1, 4)(torch.ones(1, 1, 3, 3))
    assert upsampled[0, 0, 6, 6] == 1
    # Half a cell beyond the outermost centre: (1 - 1.5 / 4) in each direction.
    assert upsampled[0, 0, 0, 0] == pytest.approx((1 - 1.5 / 4)**2)


def test_scores_keep_their_type():
    for dtype in (torch.float64, torch.bfloat16):
        assert BilinearDeconv(2, 2)(torch.rand(1, 2, 3, 3, dtype=dtype)).dtype == dtype


def test_full_kernel_starts_without_crosstalk():
    weight = BilinearDeconv(3, 2, learnable=True, per_class=False).weight
    assert weight.shape == (3, 3, 4, 4)
    assert BilinearDeconv(3, 2, learnable=True).weight.shape == (3, 1, 4, 4)
    assert (weight[~torch.eye(3, dtype=torch.bool)] == 0).all()


@pytest.mark.parametrize('per_class', [True, False])
def test_only_a_learnable_kernel_is_trained_and_stored(per_class):
    fixed = BilinearDeconv(3, 2, per_class=per_class)
    learnable = BilinearDeconv(3, 2, learnable=True, per_class=per_class)
    assert not list(fixed.parameters()) and not fixed.state_dict()
    learnable(torch.randn(1, 3, 4, 4)).sum().backward()
    assert learnable.weight.grad.abs().sum() > 0
    assert list(learnable.state_dict()) == ['weight']


def test_upsample_equals_interpolation():
    scores = torch.randn(2, 3, 5, 4)
    torch.testing.assert_close(
        BilinearUpsample(3, 8)(scores),
        F.interpolate(scores, size=(40, 32), mode='bilinear', align_corners=False))
    assert BilinearUpsample(3, 1)(scores) is scores


def test_unpooling_puts_scores_where_the_maxima_were():
    """With one class a channel and identity convolutions, against plain loops."""
    image = torch.randn(1, 3, 6, 8)
    pooled, switches = F.max_pool2d(image, 2, 2, return_indices=True)
    unpool = MaxUnpool(channels=3, factor=2, switch_channels=3)
    with torch.no_grad():
        for conv in (unpool.spread, unpool.gather):
            conv.weight.copy_(nn.init.dirac_(torch.empty_like(conv.weight)))
            conv.bias.zero_()
    scores = torch.randn_like(pooled)
    expected = np.zeros((3, 6, 8))
    for c in range(3):
        for y in range(3):
            for x in range(4):
                window = image[0, c, 2 * y:2 * y + 2, 2 * x:2 * x + 2].numpy()
                dy, dx = np.unravel_index(window.argmax(), (2, 2))
                expected[c, 2 * y + dy, 2 * x + dx] = scores[0, c, y, x]
    np.testing.assert_allclose(unpool(scores, switches)[0].detach(), expected, atol=1e-6)


def test_unpooling_is_initialised_to_be_heard():
    unpool = MaxUnpool(channels=3, factor=2, switch_channels=64)
    unpool.init_weights()
    switches = F.max_pool2d(torch.randn(1, 64, 8, 8), 2, 2, return_indices=True)[1]
    assert unpool(torch.randn(1, 3, 4, 4), switches).std() > 0.05


def test_a_head_does_not_silence_its_unpooling():
    """Its own initialisation is for score layers: a deviation of 0.01."""
    head = FCNSkipHead((32, 32), (0, 1), (16, 32), num_classes=3,
                       upsampler=dict(type='MaxUnpool'), switch_index=(2, ),
                       switch_channels=(64, ))
    head.init_weights()
    unpool = head.upsample['stride32']
    assert head.score['stride16'].weight.detach().std() < 0.02
    # Kaiming's with a gain of 1: the root of 1 / fan out
    assert unpool.spread.weight.detach().std() == pytest.approx(64**-0.5, rel=0.2)
    assert unpool.gather.weight.detach().std() == pytest.approx((3 * 9)**-0.5, rel=0.2)
    assert (unpool.spread.bias == 0).all() and (unpool.gather.bias == 0).all()


def test_one_grid_on_another():
    assert Grid(8, -20).offset_of(Grid(8, 4)) == 3 and Grid(8, 4).offset_of(Grid(8, 4)) == 0
    for other in (Grid(8, -4), Grid(8, 8), Grid(4, 12)):  # before it, between, finer
        with pytest.raises(ValueError, match='does not lie on'):
            Grid(8, 4).offset_of(other)


@pytest.mark.parametrize('size, padded', [((1, 1), (32, 32)), ((32, 64), (32, 64)),
                                          ((33, 31), (64, 32))])
def test_padding_goes_right_and_bottom(size, padded):
    image = torch.randn(1, 2, *size)
    result = pad_to_multiple(image, 32)
    assert result.shape == (1, 2, *padded)
    assert torch.equal(result[..., :size[0], :size[1]], image)
    # repeated border, or the value asked for
    assert torch.equal(result[..., -1, -1], image[..., -1, -1])
    constant = pad_to_multiple(image, 32, value=7)
    assert (constant[..., size[0]:, :] == 7).all() and (constant[..., size[1]:] == 7).all()


def test_padding_leaves_a_fitting_image_alone():
    image = torch.randn(1, 3, 32, 64)
    assert pad_to_multiple(image, 32) is image


def test_crop_names_what_is_missing():
    scores = torch.randn(1, 2, 14, 14)
    assert torch.equal(crop_to(scores, (13, 14), 16), scores[..., :13, :])
    with pytest.raises(ValueError, match='cover 14x14 at stride 16, but 15x14.*FCNSegmentor'):
        crop_to(scores, (15, 14), 16)
