"""Caffe models made in the test: an encoder of the wire format, and narrow nets.

Written from the format's description and sharing nothing with the reader.
"""
import struct

import numpy as np
import torch
from mmcv.cnn import ConvModule
from torch import nn

from fcn_plugin.models import FullyConvAlexNet, FullyConvVGG

V1_TYPES = {'Convolution': 4, 'Dropout': 6, 'InnerProduct': 14, 'LRN': 15, 'Pooling': 17,
            'ReLU': 18, 'Eltwise': 25, 'Deconvolution': 39, 'Crop': 40}
SETTINGS = {  # the fields of their messages, in the new format and in the old one
    'Convolution': (106, 10), 'Deconvolution': (106, 10), 'Crop': (144, 44),
    'Eltwise': (110, 24), 'InnerProduct': (117, 17), 'LRN': (118, 18), 'Pooling': (121, 19),
    'ReLU': (123, 30)}
WIDTHS = (4, 8, 16, 32, 32)  # a sixteenth of VGG's
FC = 16


# --- wire format ---------------------------------------------------------------


def varint(value):
    out = b''
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


UNKNOWN = (number(77, 2**63) + message(78, b'\x0b' * 9) + varint(79 << 3 | 1) + b'8' * 8
           + varint(80 << 3 | 5) + b'4' * 4)


def blob(array, packed=True, legacy=False, double=False, unknown=b'', diff=False):
    """A BlobProto.

    Args:
        array (np.ndarray): The values; up to 4 dims with ``legacy``.
        packed (bool): Whether values and dims are packed.
        legacy (bool): num, channels, height and width instead of a shape.
        double (bool): ``double_data`` instead of ``data``.
        unknown (bytes): Fields put between the others.
        diff (bool): Whether gradients are stored too.
    """
    array = np.asarray(array)
    if legacy:
        dims = (1, ) * (4 - array.ndim) + array.shape
        out = b''.join(number(i, dim) for i, dim in enumerate(dims, 1))
    elif packed:
        out = message(7, message(1, b''.join(map(varint, array.shape))))
    else:
        out = message(7, b''.join(number(1, dim) for dim in array.shape))
    kind, field, wire = ('d', 8, 1) if double else ('f', 5, 5)

    def data(field):
        if packed:
            return message(field, struct.pack(f'<{array.size}{kind}', *array.flat))
        tag = varint(field << 3 | wire)
        return b''.join(tag + struct.pack(f'<{kind}', v) for v in array.flat)

    return (unknown + out + unknown + (data(field + 1) if diff else b'') + data(field)
            + unknown)


def layer(name, kind, arrays=(), old=False, unknown=b'', bottoms=(), tops=(), settings=None,
          **how):
    """A field of NetParameter: LayerParameter or, ``old``, V1LayerParameter.

    ``settings`` are the numbers of its type's own message, or lists of them, by field.
    """
    name = name.encode()
    content = b''.join(message(field - old, text.encode())
                       for field, texts in ((3, bottoms), (4, tops)) for text in texts)
    if old:
        content += message(4, name) + number(5, V1_TYPES[kind])
    else:
        content += message(1, name) + message(2, kind.encode())
    if settings:
        content += message(SETTINGS[kind][old], b''.join(
            varint(field << 3 | 5) + struct.pack('<f', value) if isinstance(value, float)
            else number(field, value)
            for field, values in settings.items() for value in np.atleast_1d(values).tolist()))
    content += unknown
    for array in arrays:
        content += message(6 if old else 7, blob(array, unknown=unknown, **how))
        content += unknown
    return message(2 if old else 100, content)


def encode(layers, **how):
    """A net: ``layers`` from name to (type, arrays)."""
    return message(1, b'net') + b''.join(
        layer(name, kind, arrays, **how) for name, (kind, arrays) in layers.items())


# --- nets ------------------------------------------------------------------------


def bilinear(classes, factor, size=None):
    """(C, C, k, k), by loops from the paper's formula; k is 2f, or the odd 2f - 1."""
    size = size or 2 * factor
    kernel = np.zeros((classes, classes, size, size), np.float32)
    centre = factor - 1 if size % 2 else factor - 0.5
    for i in range(size):
        for j in range(size):
            value = (1 - abs(i - centre) / factor) * (1 - abs(j - centre) / factor)
            kernel[range(classes), range(classes), i, j] = value
    return kernel


def paper_net(variant, classes=5, channels=3, seed=0):
    """A net of the paper, a sixteenth as wide: from name to (type, arrays)."""
    random = np.random.RandomState(seed)

    def convolution(out, width, size):
        return 'Convolution', [
            random.randn(out, width, size, size).astype(np.float32),
            random.randn(out).astype(np.float32)]

    net, width = {'data': ('Input', [])}, channels
    for block, (convs, out) in enumerate(zip((2, 2, 3, 3, 3), WIDTHS), 1):
        for i in range(1, convs + 1):
            net[f'conv{block}_{i}'] = convolution(out, width, 3)
            net[f'relu{block}_{i}'] = ('ReLU', [])
            width = out
    net['fc6'] = convolution(FC, width, 7)
    net['fc7'] = convolution(FC, FC, 1)
    net['score_fr'] = convolution(classes, FC, 1)

    def upscore(name, factor):
        net[name] = ('Deconvolution', [bilinear(classes, factor)])

    def skip(pool, width, scale):
        if variant == 'at-once':
            net[f'scale_{pool}'] = ('Scale', [np.full(width, scale, np.float32)])
        net[f'score_{pool}'] = convolution(classes, width, 1)

    if variant == '32s':
        upscore('upscore', 32)
        return net
    upscore('upscore2', 2)
    skip('pool4', WIDTHS[3], 0.01)
    if variant == '16s':
        upscore('upscore16', 16)
        return net
    upscore('upscore_pool4', 2)
    skip('pool3', WIDTHS[2], 0.0001)
    upscore('upscore8', 8)
    return net


def early_net(classes=5):
    """Colour and depth as four channels."""
    return {name.replace('conv1_1', 'conv1_1_bgrd'): layer
            for name, layer in paper_net('32s', classes, channels=4).items()}


def late_net(classes=5):
    """A net each for colour and HHA, with one upscore."""
    net = {}
    for seed, stream in enumerate(('color', 'hha')):
        net.update((name if name == 'upscore' else name + stream, layer)
                   for name, layer in paper_net('32s', classes, seed=seed).items())
    return net


def two_task_net(variant, classes=5, others=3):
    """One trunk, and score and upsampling layers for each task."""
    net = {name: layer for name, layer in paper_net(variant, classes).items()
           if not name.startswith(('score', 'upscore'))}
    for task, count in dict(sem=classes, geo=others).items():
        net.update((f'{name}_{task}', layer)
                   for name, layer in paper_net(variant, count, seed=count).items()
                   if name.startswith(('score', 'upscore')))
    return net


ALEXNET = dict(  # out, in of a group, kernel
    conv1=(96, 3, 11), conv2=(256, 48, 5), conv3=(384, 256, 3), conv4=(384, 192, 3),
    conv5=(256, 192, 3), fc6=(FC, 256, 6), fc7=(FC, FC, 1))


def alexnet(classes=5):
    """FCN-AlexNet with narrow fc6 and fc7, at He's scale, as :func:`paper_net`."""
    random = np.random.RandomState(1)
    net = {'data': ('Input', [])}
    for name, (out, width, size) in dict(ALEXNET, score_fr=(classes, FC, 1)).items():
        scale = (2 / (width * size**2))**0.5
        net[name] = ('Convolution', [
            (scale * random.randn(out, width, size, size)).astype(np.float32),
            (0.1 * random.randn(out)).astype(np.float32)])
    net['upscore'] = ('Deconvolution', [bilinear(classes, 32, 63)])
    return net


def narrow_alexnet(**kwargs):
    """The trunk of :func:`alexnet`, without data."""
    with torch.device('meta'):
        return FullyConvAlexNet(fc_channels=FC, **kwargs)


def port_net(variant, classes=5):
    """The state dict of a PyTorch port of it, whose scales are code."""
    return {f'{name}.{parameter}': torch.from_numpy(array)
            for name, (kind, arrays) in paper_net(variant, classes).items()
            if kind != 'Scale'
            for parameter, array in zip(('weight', 'bias'), arrays)}


def narrow_trunk(**kwargs):
    """FullyConvVGG(16) a sixteenth as wide, without data."""
    with torch.device('meta'):
        vgg = FullyConvVGG(16, fc_channels=FC, **kwargs)
        for module in vgg.modules():
            if isinstance(module, ConvModule):
                conv = module.conv
                width, out = (c if c in (3, 4, FC) else c // 16
                              for c in (conv.in_channels, conv.out_channels))
                module.conv = nn.Conv2d(width, out, conv.kernel_size,
                                        padding=conv.padding)
    return vgg
