"""Convolutions with TensorFlow's padding, against mmcv's and a definition in a loop."""
import numpy as np
import pytest
import torch
from mmcv.cnn.bricks import Conv2dAdaptivePadding

from fcn_plugin.models.same_padding import Conv2d, SamePadConv2d, same_padded


@pytest.mark.parametrize('kernel, stride, dilation', [
    (3, 1, 1), (5, 1, 2), (2, 1, 1), (1, 1, 1), (3, 2, 1), (5, 2, 1), (4, 2, 1), (7, 4, 1),
    ((3, 5), (2, 1), 1), (3, (1, 2), 1), (3, 2, 2), (2, 1, 3)])
@pytest.mark.parametrize('size', [(8, 12), (9, 7), (1, 2)])
def test_as_mmcv_pads(kernel, stride, dilation, size):
    ours = same_padded(4, 6, kernel, stride, padding=99, dilation=dilation, groups=2)
    theirs = Conv2dAdaptivePadding(4, 6, kernel, stride, dilation=dilation, groups=2)
    theirs.load_state_dict(ours.state_dict())
    image = torch.randn(2, 4, *size)
    torch.testing.assert_close(ours(image), theirs(image))
    assert type(ours) is (SamePadConv2d if stride != 1 or kernel == 2 else Conv2d)


@pytest.mark.parametrize('size', [(8, 12), (9, 7)])
def test_a_compiler_pads_alike(size, monkeypatch):
    conv, image = same_padded(2, 3, 5, 4), torch.randn(1, 2, *size)
    expected = conv(image)
    monkeypatch.setattr(torch.compiler, 'is_compiling', lambda: True)
    assert torch.equal(conv(image), expected)


def test_one_more_zero_behind_than_before():
    """By hand, in double precision: output i reads inputs 2i, 2i + 1 and 2i + 2."""
    conv = same_padded(1, 1, 3, 2, bias=False).double()
    row = torch.randn(1, 1, 1, 6, dtype=torch.float64)
    padded = np.append(row.numpy().ravel(), [0, 0])
    kernel = conv.weight.detach().numpy()[0, 0, 1]  # one row: its middle meets it
    expected = [padded[2 * i:2 * i + 3] @ kernel for i in range(3)]
    assert np.allclose(conv(row).detach().numpy().ravel(), expected)


@pytest.mark.parametrize('stride', [1, 2])
def test_depthwise_in_float32_where_a_cpu_mixes_precisions(stride):
    conv = same_padded(8, 8, 5, stride, groups=8)
    image = torch.randn(2, 8, 16, 20)
    with torch.autocast('cpu', torch.bfloat16):
        mixed = conv(image.bfloat16())
    exact = conv(image.bfloat16().float())
    assert mixed.dtype == torch.bfloat16 and torch.equal(mixed, exact.bfloat16())
    mixed.sum().backward()
    assert conv.weight.grad.dtype == torch.float32


def test_all_others_in_mixed_precision():
    conv, image = same_padded(8, 8, 3), torch.randn(2, 8, 16, 20)
    with torch.autocast('cpu', torch.bfloat16):
        expected = torch.nn.functional.conv2d(image, conv.weight, conv.bias, padding=1)
        assert torch.equal(conv(image), expected)
    assert not torch.equal(conv(image).bfloat16(), expected)
