"""Section 3.2: shifting the input and interlacing the outputs is filtering à trous."""
import pytest
import torch
import torch.nn.functional as F
from torch import nn


def layers():
    """Two poolings by 2 among convolutions; in double precision, unpadded."""
    return nn.ModuleList([nn.Conv2d(3, 5, 3), nn.MaxPool2d(2, 2), nn.Conv2d(5, 6, 3),
                          nn.MaxPool2d(2, 2), nn.Conv2d(6, 4, 2)]).double()


def strided(net, image):
    for layer in net:
        image = layer(image)
    return image


def a_trous(net, image):
    """No layer strides; what follows a pooling is dilated by its stride instead."""
    dilation = 1
    for layer in net:
        if isinstance(layer, nn.MaxPool2d):
            image = F.max_pool2d(image, 2, stride=1, dilation=dilation)
            dilation *= 2
        else:
            image = F.conv2d(image, layer.weight, layer.bias, dilation=dilation)
    return image


@pytest.mark.parametrize('size', [(40, 53), (61, 44)])
def test_stitched_outputs_are_those_without_strides(size):
    """So the dense output needs neither: the paper upsamples in the network instead, at the
    cost of one strided pass, where this takes stride times stride passes."""
    net, stride = layers(), 4
    image = torch.randn(1, 3, *size).double()
    with torch.no_grad():
        dense = a_trous(net, image)
        stitched = torch.full_like(dense, float('nan'))
        for y in range(stride):
            for x in range(stride):
                part = strided(net, image[..., y:, x:])
                rows, columns = dense[..., y::stride, x::stride].shape[-2:]
                stitched[..., y::stride, x::stride] = part[..., :rows, :columns]
    torch.testing.assert_close(stitched, dense, rtol=0, atol=1e-12)
    assert strided(net, image).numel() * 10 < dense.numel()
