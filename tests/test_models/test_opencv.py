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
    early_net,
    encode,
    late_net,
    narrow_alexnet,
    narrow_trunk,
    paper_net,
    two_task_net,
)
from mmseg.registry import MODELS

from fcn_plugin.models.backbones import LateFusion
from fcn_plugin.models.converters import convert_layers, our_net, read_caffemodel, to_port

CLASSES, GEOMETRIC = 5, 3
SCALES = dict(scale_pool4=0.01, scale_pool3=0.0001)
JUDGE = """
import sys, cv2, numpy as np
from pathlib import Path
for image in sorted(Path(sys.argv[1]).glob('*.npy')):
    net = cv2.dnn.readNetFromCaffe(str(image.with_suffix('.prototxt')), sys.argv[2])
    blob, names = np.load(image), sys.argv[3].split()
    if blob.shape[1] == 6:
        net.setInput(blob[:, :3], 'color')
        net.setInput(blob[:, 3:], 'hha')
    else:
        net.setInput(blob)
    np.save(image.with_suffix('.scores'), np.concatenate(net.forward(names), 1))
    image.with_suffix('.scores.npy').rename(image.with_suffix('.scores'))
"""


class Graph:
    """A prototxt, layer by layer."""

    def __init__(self, size, **inputs):
        self.text, self.last = '', 'data'
        for name, channels in (inputs or dict(data=3)).items():
            dims = ' '.join(f'dim: {n}' for n in (1, channels, *size))
            self.text += f'input: "{name}" input_shape {{ {dims} }}\n'

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

    def upsample(self, name, kernel, stride, classes=CLASSES):
        self.add(name, 'Deconvolution', f'convolution_param {{ num_output: {classes} '
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


def add_trunk(graph, data='data', stream='', first='conv1_1'):
    graph.last = data
    for block, (convs, out) in enumerate(zip((2, 2, 3, 3, 3), WIDTHS), 1):
        for i in range(1, convs + 1):
            name = first if block == i == 1 else f'conv{block}_{i}'
            graph.conv(name + stream, out, 3, pad=100 if block == i == 1 else 1)
        graph.pool(f'pool{block}{stream}', 2)
    graph.conv(f'fc6{stream}', FC, 7)
    graph.conv(f'fc7{stream}', FC, 1)


def add_scores(graph, net, classes=CLASSES, task=''):
    graph.conv(f'score_fr{task}', classes, 1, relu=False, bottom='fc7_relu')
    if net == '32s':
        graph.upsample(f'upscore{task}', 64, 32, classes)
        graph.crop(f'score{task}', 19, f'upscore{task}', 'data')
        return

    def fuse(pool, offset, upscore):
        name, upscore = f'score_{pool}{task}', upscore + task
        graph.upsample(upscore, 4, 2, classes)
        if net == 'at-once':
            graph.add(f'scale_{pool}', 'Scale', 'scale_param { bias_term: false }', pool)
        graph.conv(name, classes, 1, relu=False,
                   bottom=f'scale_{pool}' if net == 'at-once' else pool)
        graph.crop(f'{name}c', offset, name, upscore)
        graph.add(f'fuse_{pool}{task}', 'Eltwise', '', upscore, f'{name}c')

    fuse('pool4', 5, 'upscore2')
    last, kernel, offset = 'upscore16', 32, 27
    if net != '16s':
        fuse('pool3', 9, 'upscore_pool4')
        last, kernel, offset = 'upscore8', 16, 31
    graph.upsample(last + task, kernel, kernel // 2, classes)
    graph.crop(f'score{task}', offset, last + task, 'data')


def vgg_graph(size, net):
    if net == 'colour-hha':
        graph = Graph(size, color=3, hha=3)
        for stream in ('color', 'hha'):
            add_trunk(graph, stream, stream)
            graph.conv(f'score_fr{stream}', CLASSES, 1, relu=False)
        graph.add('score_fused', 'Eltwise', 'eltwise_param { coeff: 0.5 coeff: 0.5 }',
                  'score_frcolor', 'score_frhha')
        graph.upsample('upscore', 64, 32)
        graph.crop('score', 19, 'upscore', 'color')
        return graph.text
    if net == 'colour-depth':
        graph = Graph(size, data=4)
        add_trunk(graph, first='conv1_1_bgrd')
        add_scores(graph, '32s')
        return graph.text
    graph = Graph(size)
    add_trunk(graph)
    kind = net.removeprefix('siftflow-')
    if kind == net:
        add_scores(graph, net)
    else:
        add_scores(graph, kind, CLASSES, '_sem')
        add_scores(graph, kind, GEOMETRIC, '_geo')
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

    def judged(layers, graph, images, outputs='score'):
        (tmp_path / 'net.caffemodel').write_bytes(encode(layers))
        for i, image in enumerate(images):
            (tmp_path / f'{i}.prototxt').write_text(graph(image.shape[-2:]))
            np.save(tmp_path / f'{i}.npy', image)
        subprocess.run([sys.executable, '-c', JUDGE, tmp_path, tmp_path / 'net.caffemodel',
                        outputs], check=True, env=environment)
        return [np.load(tmp_path / f'{i}.scores') for i in range(len(images))]
    return judged


def build(net, conversion):
    """The net of a conversion, with its weights."""
    strides = conversion.decode_head['in_strides']
    if net == 'alexnet':
        backbone, channels = narrow_alexnet(), (FC, )
    elif net == 'colour-hha':
        with torch.device('meta'):
            backbone = LateFusion([dict(type='FullyConvVGG', fc_channels=FC, out_indices=(5, ),
                                        alignment='caffe')] * 2)
        backbone.streams = torch.nn.ModuleList(
            narrow_trunk(alignment='caffe', out_indices=(5, )) for _ in range(2))
        channels = (2 * FC, )
    elif net == 'colour-depth':
        backbone = narrow_trunk(alignment='caffe', out_indices=(5, ), in_channels=4)
        channels = (FC, )
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


@pytest.mark.parametrize('net', [
    '32s', '16s', '8s', 'at-once', 'alexnet', 'colour-depth', 'colour-hha', 'siftflow-32s',
    'siftflow-16s', 'siftflow-8s'])
def test_scores_equal_opencvs_there_and_back(net, judged, tmp_path, monkeypatch):
    monkeypatch.setattr(our_net, 'build_backbone', narrow_trunk)
    monkeypatch.setattr(our_net, 'build_alexnet', narrow_alexnet)
    channels = {'colour-depth': 4, 'colour-hha': 6}.get(net, 3)
    tasks, outputs = {}, 'score'
    if net.startswith('siftflow'):
        tasks, outputs = dict(geometric=GEOMETRIC), 'score_sem score_geo'
    layers = (
        alexnet(CLASSES) if net == 'alexnet' else early_net(CLASSES) if channels == 4 else
        late_net(CLASSES) if channels == 6 else
        two_task_net(net.removeprefix('siftflow-'), CLASSES, GEOMETRIC) if tasks else
        paper_net(net, CLASSES))
    for kind, arrays in layers.values():
        if kind == 'Convolution' and net != 'alexnet':  # He's scale, so that no map dies out
            arrays[0] *= (2 / arrays[0][0].size)**0.5
    images = [60 * np.random.randn(1, channels, *size).astype(np.float32)
              for size in ((1, 1), *np.random.randint(2, 300, (4, 2)))]
    graph = alexnet_graph if net == 'alexnet' else lambda size: vgg_graph(size, net)
    theirs = judged(layers, graph, images, outputs)

    conversion = convert_layers(read_caffemodel(tmp_path / 'net.caffemodel').layers)
    assert conversion.variant == net and conversion.num_classes == CLASSES
    parts = build(net, conversion)
    for image, expected in zip(images, theirs):
        with torch.no_grad():
            scores = parts['decode_head'](parts['backbone'](torch.from_numpy(image)))
            ours = parts['decode_head'].to_image(scores, image.shape[-2:]).numpy()
        assert ours.shape == expected.shape
        error = np.abs(ours - expected).max() / np.abs(expected).max()
        assert error < 1e-4, (image.shape, error)

    back: dict[str, tuple[str, list]] = {}
    for key, value in to_port(conversion.state_dict, tasks).items():
        name = key.rpartition('.')[0]
        kind = 'Deconvolution' if name.startswith('upscore') else 'Convolution'
        back.setdefault(name, (kind, []))[1].append(value.numpy())
    if net == 'at-once':
        back.update((name, layers[name]) for name in SCALES)
    for again, expected in zip(judged(back, graph, images, outputs), theirs):
        # the two biases of late fusion come back as their mean
        atol = 1e-6 * np.abs(expected).max() if net == 'colour-hha' else 0
        np.testing.assert_allclose(again, expected, rtol=0, atol=atol)
