import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from fcn_plugin.models.upsamplers import BilinearDeconv, BilinearUpsample
from fcn_plugin.ops import cross_entropy_at_image, losses


def both_axes(upsampler, scores, size):
    return [upsampler.matrix(count, scores)[:length]
            for count, length in zip(scores.shape[-2:], size)]


def case(classes, height, width, factor, count=2, dtype=torch.float64, ignored=255):
    """Scores that want a gradient, labels of which some do not count, and their size."""
    scores = (4 * torch.randn(count, classes, height, width, dtype=dtype)).requires_grad_()
    size = height * factor - 3, width * factor
    labels = torch.randint(0, classes, (count, *size))
    labels[0, :2], labels[-1, :, -1] = ignored, ignored
    return scores, labels, size


def test_a_label_of_no_class_is_named():
    scores, labels, size = case(3, 2, 3, 8)
    axes = both_axes(BilinearUpsample(3, 8), scores, size)
    for wrong in (3, -1):
        labels[1, 4, 5] = wrong
        with pytest.raises(IndexError, match=f'Target {wrong} is out of bounds'):
            cross_entropy_at_image(scores, labels, *axes)


@pytest.mark.parametrize('shape', [
    (3, 1, 1, 8), (21, 5, 4, 4), (2, 4, 6, 1),
    (7, 32, 33, 8),  # several images at a time, and fewer at the end
    (23, 40, 20, 8)])  # some rows of an image at a time, and fewer at the end
@pytest.mark.parametrize('weighed', [False, True])
@pytest.mark.parametrize('kind', [BilinearUpsample, BilinearDeconv])
def test_value_and_gradient_are_those_of_logits(shape, weighed, kind):
    scores, labels, size = case(*shape, count=3, ignored=0 if weighed else 255)
    upsampler = kind(shape[0], shape[-1])
    weight = torch.rand(shape[0], dtype=scores.dtype) + 0.1 if weighed else None
    ignored = 0 if weighed else 255
    logits = upsampler(scores)[..., :size[0], :size[1]]
    wanted = F.cross_entropy(logits, labels, weight, reduction='sum', ignore_index=ignored)
    slopes, = torch.autograd.grad(3 * wanted, scores)
    found = cross_entropy_at_image(scores, labels, *both_axes(upsampler, scores, size),
                                   weight, ignored)
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(3 * found, scores)[0], slopes,
                               rtol=1e-5, atol=1e-5)


def test_probabilities_below_the_smallest_number_have_their_loss():
    scores = torch.tensor([0., 300.]).view(1, 2, 1, 1).requires_grad_()
    one = torch.ones(1, 1)
    loss = cross_entropy_at_image(scores, torch.zeros(1, 1, 1, dtype=torch.long), one, one)
    loss.backward()
    assert float(loss.detach()) == 300 and scores.grad.flatten().tolist() == [-1, 1]


@pytest.mark.parametrize('shape', [(9, 40, 40, 8, 4), (9, 80, 60, 8, 1)])
def test_logits_are_made_for_some_images_or_rows_at_a_time(shape):
    class Largest(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                self.largest = max(self.largest, result.numel())
            return result

    scores, labels, size = case(*shape, dtype=torch.float32)
    axes = both_axes(BilinearUpsample(9, 8), scores, size)
    with Largest() as seen:
        cross_entropy_at_image(scores, labels, *axes).backward()
    assert 1 << 19 < seen.largest <= 1 << 20 < len(scores) * 9 * size[0] * size[1]


def test_a_row_that_is_too_wide_is_computed_at_once(monkeypatch):
    scores, labels, size = case(3, 4, 4, 8)
    axes = both_axes(BilinearUpsample(3, 8), scores, size)
    wanted = cross_entropy_at_image(scores, labels, *axes)
    monkeypatch.setitem(losses._AT_ONCE, 'cpu', 3 * size[1] - 1)
    torch.testing.assert_close(cross_entropy_at_image(scores, labels, *axes), wanted)


def test_without_a_gradient_wanted_there_is_none():
    scores, labels, size = case(3, 4, 4, 8)
    axes = both_axes(BilinearUpsample(3, 8), scores, size)
    with torch.no_grad():
        quiet = cross_entropy_at_image(scores, labels, *axes)
    assert not quiet.requires_grad
    # of second derivatives, which it does not compute, it says so
    slope, = torch.autograd.grad(cross_entropy_at_image(
        scores.requires_grad_(), labels, *axes).square(), scores, create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        slope.sum().backward()
    torch.testing.assert_close(quiet, cross_entropy_at_image(scores, labels, *axes).detach())
