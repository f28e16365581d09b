"""Mean-field steps as a layer."""
import pytest
import torch
from mmseg.registry import MODELS

from fcn_plugin.models import CRFRNN, DenseCRF

SETTINGS = dict(smoothness_weight=2., appearance_weight=3., sigma_xy=10., sigma_rgb=40.)


def batch(classes=3, size=(6, 7), dtype=torch.float):
    return (torch.randn(2, classes, *size, dtype=dtype),
            torch.randint(0, 256, (2, *size, 3), dtype=torch.uint8))


@pytest.mark.parametrize('settings, message', [
    (dict(num_classes=1), 'num_classes=1, expected at least 2'),
    (dict(num_classes=3, train_steps=0), 'train_steps=0'),
    (dict(num_classes=3, sigma_xy=-1.), 'CRFRNN: sigma_xy=-1.0')])
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        CRFRNN(**settings)


def test_what_does_not_fit():
    layer, (scores, images) = CRFRNN(4), batch()
    with pytest.raises(ValueError, match='num_classes=4, but the scores have 3'):
        layer(scores, images)
    with pytest.raises(ValueError, match=r'scores are \(6, 7\), but images \(5, 7\)'):
        CRFRNN(3)(scores, images[:, 1:])


def test_starts_as_the_dense_crf():
    scores, images = batch()
    layer = MODELS.build(dict(type='CRFRNN', num_classes=3, **SETTINGS)).eval()
    for learned in (None, [[0., 1., 2.], [3., 0.5, 0.], [0., 2., 0.]]):
        if learned:  # DenseCRF takes what this one has learned
            layer.compatibility.data = torch.tensor(learned)
        found = layer(scores, images)
        assert found.shape == scores.shape
        for i in range(2):
            expected = DenseCRF(**SETTINGS, floor=1e-9, compatibility=learned)(
                scores[i].softmax(0), images[i])
            torch.testing.assert_close(found[i].softmax(0), expected, atol=1e-4, rtol=0)


def test_fewer_steps_in_training():
    scores, images = batch()
    layer = CRFRNN(3, **SETTINGS, train_steps=1, test_steps=4)
    short, long = layer.train()(scores, images), layer.eval()(scores, images)
    assert not torch.allclose(short, long, atol=1e-2)
    same = CRFRNN(3, **SETTINGS, train_steps=4).train()
    torch.testing.assert_close(same(scores, images), long)


def test_gradients():
    """Of scores, kernel weights and compatibility, against differences."""
    layer = CRFRNN(3, **SETTINGS, train_steps=2).double()
    scores, images = batch(size=(2, 3), dtype=torch.double)
    names, values = zip(*((name, p.detach() + 0.1 * torch.rand_like(p))
                          for name, p in layer.named_parameters()))
    assert len(names) == 3

    def run(scores, *values):
        return torch.func.functional_call(layer, dict(zip(names, values)), (scores, images))

    assert torch.autograd.gradcheck(
        run, [value.requires_grad_() for value in (scores, *values)], fast_mode=True)


def test_learns_who_stands_beside_whom():
    """Class 2 is a line one pixel wide between 0 and 1, which Potts wipes out."""
    truth = torch.zeros(1, 12, 12, dtype=torch.long)
    truth[..., 6:], truth[..., 6:7] = 1, 2
    scores = torch.nn.functional.one_hot(truth, 3).permute(0, 3, 1, 2).float()
    images = torch.full((1, 12, 12, 3), 128, dtype=torch.uint8)
    layer = CRFRNN(3, smoothness_sigma=1., sigma_xy=5.)
    assert not (layer(scores, images).argmax(1) == 2).any()
    optimiser = torch.optim.Adam(layer.parameters(), 0.03)
    losses = []
    for _ in range(40):
        loss = torch.nn.functional.cross_entropy(layer(scores, images), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2
    assert (layer(scores, images).argmax(1) == truth).float().mean() > 0.95
    assert all(p.grad.isfinite().all() for p in layer.parameters())


def test_float32_under_autocast():
    scores, images = batch()
    layer = CRFRNN(3, **SETTINGS).eval()
    with torch.autocast('cpu', torch.bfloat16):
        found = layer(scores.bfloat16(), images)
    torch.testing.assert_close(found, layer(scores.bfloat16().float(), images))
