"""The loss of sampled cells."""
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from fcn_plugin.models.decode_heads import CellSampler


@pytest.mark.parametrize('options', [dict(keep=0.), dict(keep=1.5), dict(keep=0.5, cell=0)])
def test_bad_arguments(options):
    with pytest.raises(ValueError, match='CellSampler: keep='):
        CellSampler(**options)


def test_whole_cells_count_or_do_not():
    weight = CellSampler(0.25, 8).sample(torch.zeros(3, 5, 50, 70), torch.zeros(3, 1, 50, 70))
    assert weight.shape == (3, 50, 70) and set(weight.unique().tolist()) == {0., 4.}
    for image in weight:
        for top in range(0, 50, 8):
            for left in range(0, 70, 8):
                assert len(image[top:top + 8, left:left + 8].unique()) == 1
    assert not torch.equal(weight[0], weight[1])


def test_cells_count_with_their_probability_and_are_as_large_as_the_coarsest_stride():
    image = torch.zeros(1, 1, 640, 960)
    assert CellSampler(0.1, 4).sample(image, image).mean() == pytest.approx(1, abs=0.06)
    weight = CellSampler(0.5).sample(image, image)[0].unflatten(1, (-1, 32))
    assert (weight.unflatten(0, (-1, 32)).std((1, 3)) == 0).all()
    assert (weight[:, 0] != weight[:, 1]).any()
    assert (CellSampler(1).sample(image, image) == 1).all()


@pytest.mark.parametrize('loss', [dict(reduction='sum'), dict(avg_non_ignore=True)])
def test_the_expected_loss_is_that_of_whole_images(loss):
    def head(**options):
        return MODELS.build(dict(
            type='FCNSkipHead', in_channels=(4, ), in_index=(0, ), in_strides=(32, ),
            num_classes=3, loss_decode=dict(type='CrossEntropyLoss', **loss), **options))

    logits = torch.randn(1, 3, 256, 256)
    labels = torch.randint(0, 3, (1, 256, 256))
    labels[:, :40] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels))]
    whole = head().loss_at_image(logits, samples)['loss_ce']
    sampled = head(sampler=dict(type='CellSampler', keep=0.5))
    losses = torch.stack([sampled.loss_at_image(logits, samples)['loss_ce']
                          for _ in range(60)])
    assert losses.std() > 0
    assert float(losses.mean() / whole) == pytest.approx(1, abs=0.08)
