"""The authors' nets against OpenCV 4, which reads Caffe models, in both directions.

OpenCV 5 does not read them. Beside it OpenCV 4 is installed into a folder of its own:

    pip install --no-deps --target FOLDER 'opencv-python-headless<5'
    FCN_OPENCV4=FOLDER pytest tests/test_models/test_opencv.py
"""
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from caffe_nets import (
    ALEXNET,
    FC,
    WIDTHS,
    alexnet,
    encode,
    narrow_alexnet,
    narrow_trunk,
    paper_net,
)
from mmseg.registry import MODELS

from fcn_plugin.models.converters import convert_layers, our_net, read_caffemodel, to_port

CLASSES = 5
SCALES = dict(scale_pool4=0.01, scale_pool3=0.0001)
JUDGE = """
import sys, cv2, numpy as np
from pathlib import Path
for image in sorted(Path(sys.argv[1]).glob('*.npy')):
    net = cv2.dnn.readNetFromCaffe(str(image.with_suffix('.prototxt')), sys.argv[2])
    net.setInput(np.load(image))
    np.save(image.with_suffix('.scores'), net.forward('score'))
    image.with_suffix('.scores.npy').rename(image.with_suffix('.scores'))
"""


class Graph:
    """A prototxt, layer by layer."""

    def __init__(self, size):
        dims = ' '.join(f'dim: {n}' for n in (1, 3, *size))
        self.text = f'input: "data" input_shape {{ {dims} }}\n'
        self.last = 'data'

    def add(self, name, kind, params='', *bottoms):
        inputs = ' '.join(f'bottom: "{b}"' for b in bottoms or (self.last, ))
        self.text += f'layer {{ name: "{name}" type: "{kind}" {inputs} top: "{name}" '
        self.text += f'{params} }}\n'
        self.last = name

    def conv(self, name, out, kernel, stride=1, pad=0, group=1, relu=True, bottom=None):
        self.add(name, 'Convolution', f'convolution_param {{ num_output: {out} kernel_size: '
                 f'{kernel} stride: {stride} pad: {pad} group: {group} }}',
                 *([bottom] if bottom else []))
        if relu:
            self.add(f'{name}_relu', 'ReLU')

    def pool(self, name, kernel):
        self.add(name, 'Pooling',
                 f'pooling_param {{ pool: MAX kernel_size: {kernel} stride: 2 }}')

    def upsample(self, name, kernel, stride):
        self.add(name, 'Deconvolution', f'convolution_param {{ num_output: {CLASSES} '
                 f'kernel_size: {kernel} stride: {stride} bias_term: false }}')

    def crop(self, name, offset, what, to):
        self.add(name, 'Crop', f'crop_param {{ axis: 2 offset: {offset} }}', what, to)


def alexnet_graph(size):
    graph = Graph(size)
    out = {name: shape[0] for name, shape in ALEXNET.items()}
    graph.conv('conv1', out['conv1'], 11, 4, 100)
    for i, (pad, kernel) in ((1, (2, 5)), (2, (1, 3))):
        graph.pool(f'pool{i}', 3)
        graph.add(f'norm{i}', 'LRN', 'lrn_param { local_size: 5 alpha: 1e-4 beta: 0.75 }')
        name = f'conv{i + 1}'
        graph.conv(name, out[name], kernel, pad=pad, group=2 if i == 1 else 1)
    for name in ('conv4', 'conv5'):
        graph.conv(name, out[name], 3, pad=1, group=2)
    graph.pool('pool5', 3)
    graph.conv('fc6', FC, 6)
    graph.conv('fc7', FC, 1)
    graph.conv('score_fr', CLASSES, 1, relu=False)
    graph.upsample('upscore', 63, 32)
    graph.crop('score', 18, 'upscore', 'data')
    return graph.text


def vgg_graph(size, net):
    graph = Graph(size)
    for block, (convs, out) in enumerate(zip((2, 2, 3, 3, 3), WIDTHS), 1):
        for i in range(1, convs + 1):
            graph.conv(f'conv{block}_{i}', out, 3, pad=100 if block == i == 1 else 1)
        graph.pool(f'pool{block}', 2)
    graph.conv('fc6', FC, 7)
    graph.conv('fc7', FC, 1)
    graph.conv('score_fr', CLASSES, 1, relu=False)
    if net == '32s':
        graph.upsample('upscore', 64, 32)
        graph.crop('score', 19, 'upscore', 'data')
        return graph.text

    def fuse(pool, offset, upscore):
        graph.upsample(upscore, 4, 2)
        if net == 'at-once':
            graph.add(f'scale_{pool}', 'Scale', 'scale_param { bias_term: false }', pool)
        graph.conv(f'score_{pool}', CLASSES, 1, relu=False,
                   bottom=f'scale_{pool}' if net == 'at-once' else pool)
        graph.crop(f'score_{pool}c', offset, f'score_{pool}', upscore)
        graph.add(f'fuse_{pool}', 'Eltwise', '', upscore, f'score_{pool}c')

    fuse('pool4', 5, 'upscore2')
    last, kernel, offset = 'upscore16', 32, 27
    if net != '16s':
        fuse('pool3', 9, 'upscore_pool4')
        last, kernel, offset = 'upscore8', 16, 31
    graph.upsample(last, kernel, kernel // 2)
    graph.crop('score', offset, last, 'data')
    return graph.text


@pytest.fixture
def judged(tmp_path):
    """What OpenCV 4 makes of images and a Caffe model's bytes."""
    environment = dict(os.environ)
    if not hasattr(cv2.dnn, 'readNetFromCaffe'):
        if 'FCN_OPENCV4' not in environment:
            pytest.skip('this OpenCV reads no Caffe models, and FCN_OPENCV4 names no folder '
                        'with OpenCV 4')
        environment['PYTHONPATH'] = environment['FCN_OPENCV4']

    def judged(layers, graph, images):
        (tmp_path / 'net.caffemodel').write_bytes(encode(layers))
        for i, image in enumerate(images):
            (tmp_path / f'{i}.prototxt').write_text(graph(image.shape[-2:]))
            np.save(tmp_path / f'{i}.npy', image)
        subprocess.run([sys.executable, '-c', JUDGE, tmp_path, tmp_path / 'net.caffemodel'],
                       check=True, env=environment)
        return [np.load(tmp_path / f'{i}.scores') for i in range(len(images))]
    return judged


def build(net, conversion):
    """The net of a conversion, with its weights."""
    strides = conversion.decode_head['in_strides']
    if net == 'alexnet':
        backbone, channels = narrow_alexnet(), (FC, )
    else:
        backbone = narrow_trunk(alignment='caffe', out_indices=(2, 3, 5)[-len(strides):])
        channels = (*WIDTHS[2:4], FC)[-len(strides):]
    head = MODELS.build(dict(
        type='FCNSkipHead', alignment='caffe', in_index=tuple(range(len(strides))),
        in_channels=channels, **conversion.decode_head))
    head.align(backbone.grids)
    parts = torch.nn.ModuleDict(dict(backbone=backbone.to_empty(device='cpu'),
                                     decode_head=head))
    parts.load_state_dict(conversion.state_dict)
    return parts.eval()


@pytest.mark.parametrize('net', ['32s', '16s', '8s', 'at-once', 'alexnet'])
def test_scores_equal_opencvs_there_and_back(net, judged, tmp_path, monkeypatch):
    monkeypatch.setattr(our_net, 'build_backbone', narrow_trunk)
    monkeypatch.setattr(our_net, 'build_alexnet', narrow_alexnet)
    layers = alexnet(CLASSES) if net == 'alexnet' else paper_net(net, CLASSES)
    for kind, arrays in layers.values():
        if kind == 'Convolution' and net != 'alexnet':  # He's scale, so that no map dies out
            arrays[0] *= (2 / arrays[0][0].size)**0.5
    images = [60 * np.random.randn(1, 3, *size).astype(np.float32)
              for size in ((1, 1), *np.random.randint(2, 300, (4, 2)))]
    graph = alexnet_graph if net == 'alexnet' else lambda size: vgg_graph(size, net)
    theirs = judged(layers, graph, images)

    conversion = convert_layers(read_caffemodel(tmp_path / 'net.caffemodel').layers)
    parts = build(net, conversion)
    for image, expected in zip(images, theirs):
        with torch.no_grad():
            scores = parts['decode_head'](parts['backbone'](torch.from_numpy(image)))
            ours = parts['decode_head'].to_image(scores, image.shape[-2:]).numpy()
        assert ours.shape == expected.shape
        error = np.abs(ours - expected).max() / np.abs(expected).max()
        assert error < 1e-4, (image.shape, error)

    back: dict[str, tuple[str, list]] = {}
    for key, value in to_port(conversion.state_dict).items():
        name = key.rpartition('.')[0]
        kind = 'Deconvolution' if name.startswith('upscore') else 'Convolution'
        back.setdefault(name, (kind, []))[1].append(value.numpy())
    if net == 'at-once':
        back.update((name, layers[name]) for name in SCALES)
    for again, expected in zip(judged(back, graph, images), theirs):
        np.testing.assert_array_equal(again, expected)
