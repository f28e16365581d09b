"""What a Caffe model says of how its layers are joined."""
import re

import numpy as np
import pytest
from caffe_nets import (
    FC,
    alexnet,
    early_net,
    late_net,
    layer,
    narrow_alexnet,
    narrow_trunk,
    paper_net,
    two_task_net,
)

from fcn_plugin.models.converters import convert_layers, our_net, read_caffemodel

NETS = ('32s', '16s', '8s', 'at-once', 'alexnet', 'colour-depth', 'colour-hha',
        'siftflow-32s', 'siftflow-16s', 'siftflow-8s')
OFFSETS = {'32s': 19, '16s': 27, '8s': 31, 'at-once': 31, 'alexnet': 18}


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(our_net, 'build_backbone', narrow_trunk)
    monkeypatch.setattr(our_net, 'build_alexnet', narrow_alexnet)


class Joined:
    """The authors' nets as Caffe writes them: rows [name, type, bottoms, tops, settings]."""

    def __init__(self, net):
        self.rows = []
        kind = net.removeprefix('siftflow-')
        made = {'alexnet': alexnet, 'colour-depth': early_net, 'colour-hha': late_net}
        self.weights = made[net]() if net in made else (
            two_task_net(kind) if kind != net else paper_net(net))
        if net == 'colour-hha':
            self.add('data', 'Python', (), tops=('color', 'hha', 'label'))
            for stream in ('color', 'hha'):
                self.conv(f'score_fr{stream}', self.trunk(stream, stream), 0)
            self.add('fused', 'Eltwise', ('score_frcolor', 'score_frhha'),
                     {1: 1, 2: [0.5, 0.5]})
            self.finish('upscore', 32, 'fused', 19, 'color')
        elif net == 'alexnet':
            self.add('data', 'Python', (), tops=('data', 'label'))
            self.finish('upscore', 32, self.conv('score_fr', self.alexnet(), 0), 18)
        else:
            self.add('data', 'Python', (), tops=('data', 'label'))
            if net == 'colour-depth':
                self.rows[0][3] = ('color', 'depth', 'label')
                self.add('data', 'Concat', ('color', 'depth'))
                kind = '32s'
            self.trunk()
            for task in ('_sem', '_geo') if kind != net and net in NETS[7:] else ('', ):
                self.scores(kind, task)

    def add(self, name, kind, bottoms, settings=None, tops=None):
        self.rows.append([name, kind, bottoms, tops or (name, ), settings or {}])
        return name

    def conv(self, name, bottom, pad, relu='', **stride):
        self.add(name, 'Convolution', (bottom, ), {3: pad, **({6: stride['stride']} if stride
                                                             else {})})
        if relu:
            self.add(relu, 'ReLU', (name, ), tops=(name, ))
        return name

    def pool(self, name, bottom, size=2):
        return self.add(name, 'Pooling', (bottom, ), {1: 0, 2: size, 3: 2})

    def trunk(self, last='data', stream=''):
        for block, convs in enumerate((2, 2, 3, 3, 3), 1):
            for i in range(1, convs + 1):
                name = f'conv{block}_{i}{stream}'
                if name not in self.weights:
                    name = 'conv1_1_bgrd'
                last = self.conv(name, last, 100 if block == i == 1 else 1,
                                 f'relu{block}_{i}{stream}')
            last = self.pool(f'pool{block}{stream}', last)
            if block in (3, 4) and not stream:  # Caffe copies what several layers read
                copies = [f'{last}_{last}_0_split_{i}' for i in range(3)]
                self.add(f'{last}_{last}_0_split', 'Split', (last, ), tops=tuple(copies))
                last = copies[0]
        return self.classify(last, stream)

    def alexnet(self):
        last = self.conv('conv1', 'data', 100, 'relu1', stride=4)
        for i in (1, 2):
            last = self.add(f'norm{i}', 'LRN', (self.pool(f'pool{i}', last, 3), ),
                            {1: 5, 2: 1e-4, 3: 0.75})
            last = self.conv(f'conv{i + 1}', last, 3 - i, f'relu{i + 1}')
        for i in (4, 5):
            last = self.conv(f'conv{i}', last, 1, f'relu{i}')
        return self.classify(self.pool('pool5', last, 3))

    def classify(self, last, stream=''):
        for i in (6, 7):
            last = self.conv(f'fc{i}{stream}', last, 0, f'relu{i}{stream}')
            self.add(f'drop{i}{stream}', 'Dropout', (last, ), tops=(last, ))
        return last

    def upsample(self, name, factor, bottom):
        return self.add(name, 'Deconvolution', (bottom, ), {6: factor})

    def finish(self, name, factor, bottom, offset, data='data'):
        self.upsample(name, factor, bottom)
        self.add('score' + name[len(name.rstrip('_semgo')):], 'Crop', (name, data),
                 {1: 2, 2: offset})

    def scores(self, kind, task):
        last = self.conv(f'score_fr{task}', 'fc7', 0)
        if kind == '32s':
            return self.finish(f'upscore{task}', 32, last, 19)
        for pool, upscore, offset in (('pool4', 'upscore2', 5), ('pool3', 'upscore_pool4', 9)):
            if kind == '16s' and pool == 'pool3':
                break
            self.upsample(upscore + task, 2, last)
            source = f'{pool}_{pool}_0_split_{1 + (task == "_geo")}'
            if kind == 'at-once':
                source = self.add(f'scale_{pool}', 'Scale', (source, ))
            score = self.conv(f'score_{pool}{task}', source, 0)
            crop = self.add(f'{score}c', 'Crop', (score, upscore + task), {1: 2, 2: offset})
            last = self.add(f'fuse_{pool}{task}', 'Eltwise', (upscore + task, crop), {1: 1})
        factor = 16 if kind == '16s' else 8
        return self.finish(f'upscore{factor}{task}', factor, last, OFFSETS[kind])

    def row(self, name):
        return next(row for row in self.rows if row[0] == name)

    def after(self, name, *row):
        self.rows.insert(self.rows.index(self.row(name)) + 1, list(row))

    def convert(self, tmp_path, **how):
        path = tmp_path / 'net.caffemodel'
        path.write_bytes(b''.join(
            layer(name, kind, self.weights.get(name, ('', []))[1], bottoms=bottoms, tops=tops,
                  settings=settings, **how)
            for name, kind, bottoms, tops, settings in self.rows))
        return convert_layers(read_caffemodel(path).layers)


@pytest.mark.parametrize('net', NETS)
def test_the_authors_own_nets(tmp_path, net):
    joined = Joined(net)
    conversion = joined.convert(tmp_path)
    assert conversion.variant == net
    alone = convert_layers(read_caffemodel(tmp_path / 'net.caffemodel').layers[::-1])
    assert alone.state_dict.keys() == conversion.state_dict.keys()


def test_crops_of_an_older_caffe_have_no_offsets(tmp_path):
    joined = Joined('8s')
    for row in joined.rows:
        if row[1] == 'Crop':
            row[4] = {}
    assert joined.convert(tmp_path).variant == '8s'


def test_the_old_format(tmp_path):
    joined = Joined('16s')
    joined.rows = [row for row in joined.rows if row[1] not in ('Python', 'Split')]
    for row in joined.rows:
        row[2] = tuple(bottom.split('_pool')[0] if '_split' in bottom else bottom
                       for bottom in row[2])
    assert joined.convert(tmp_path, old=True).variant == '16s'
    joined.row('pool4')[4][1] = 1
    with pytest.raises(ValueError, match="'conv5_1' reads average 2/2"):
        joined.convert(tmp_path, old=True)


CHANGES = {
    'padding': ('8s', 'conv1_1', {3: 1}, 'has 1 pixels of padding, stride 1 and dilation 1, '
                'expected 100 pixels'),
    'padding of a side': ('8s', 'conv1_1', {3: [], 9: 1, 10: 100}, 'has 1x100 pixels'),
    'dilation': ('8s', 'conv5_1', {3: 2, 18: 2}, 'has 2 pixels .* dilation 2, expected 1'),
    'stride': ('alexnet', 'conv1', {6: 2}, 'stride 2 .* expected 100 .* stride 4'),
    'upsampling': ('8s', 'upscore8', {6: 4}, 'stride 4 .* expected 0 .* stride 8'),
    'mean pooling': ('8s', 'pool3', {1: 1}, r"'conv4_1' reads average 2/2\(relu\(conv3_3"),
    'pooling that keeps the size': ('32s', 'pool5', {3: 1}, r"'fc6' reads max 2/1\("),
    'pooling that rounds down': ('32s', 'pool5', {13: 1}, "'fc6' reads max 2/2 rounded by 1"),
    'slope': ('8s', 'relu3_1', {1: 0.1}, "'conv3_2' reads relu of slope 0.1"),
    'product': ('8s', 'fuse_pool4', {1: 0}, "'upscore_pool4' reads product"),
    'factor': ('16s', 'fuse_pool4', {2: [1.0, 2.0]}, r"'upscore16' reads sum\(2 crop 5\("),
    'sum of streams': ('colour-hha', 'fused', {2: []}, r'reads sum\(score_fr, score_fr\), '
                       r'expected sum\(0.5 score_fr, 0.5 score_fr\)'),
    'normalisation': ('alexnet', 'norm1', {1: 9}, "'conv2' reads lrn 9 0.0001 0.75 1"),
    'crop of a skip': ('siftflow-8s', 'score_pool3_geoc', {2: 8}, "'upscore8_geo' reads sum"),
    'last crop': ('8s', 'score', {2: 0}, "'score' is crop 0, expected crop 31"),
    'last crop of a side': ('8s', 'score', {2: [31, 30]}, 'crop 31 and 30, expected crop 31'),
}


@pytest.mark.parametrize('what', CHANGES)
def test_other_settings_are_another_net(tmp_path, what):
    net, name, settings, message = CHANGES[what]
    joined = Joined(net)
    joined.row(name)[4].update(settings)
    with pytest.raises(ValueError, match=f'{net.removeprefix("siftflow-")}.*joined otherwise.*'
                       f'{message}'):
        joined.convert(tmp_path)


def test_other_joints_are_another_net(tmp_path):
    joined = Joined('8s')  # skips scaled by layers that hold no weights
    joined.after('pool4_pool4_0_split', 'scale', 'Power', ('pool4_pool4_0_split_1', ),
                 ('scale', ), {})
    joined.row('score_pool4')[2] = ('scale', )
    with pytest.raises(ValueError, match=r"'score_pool4' reads Power\(max 2/2\(relu\(conv4_3"):
        joined.convert(tmp_path)
    for name, bottoms, message in (
            ('score_pool4', ('conv4_3', ), r'reads relu\(conv4_3\), expected max'),
            ('conv4_3', ('conv4_1', ), r'reads relu\(conv4_1\), expected relu\(conv4_2\)'),
            ('upscore8', ('upscore_pool4', ), 'reads upscore_pool4, expected sum'),
            ('fc7', ('conv5_3', ), r'reads relu\(conv5_3\), expected relu\(fc6\)')):
        joined = Joined('8s')
        joined.row(name)[2] = bottoms
        with pytest.raises(ValueError, match=f"'{name}' {message}"):
            joined.convert(tmp_path)
    joined = Joined('8s')
    joined.rows.remove(joined.row('relu4_2'))
    with pytest.raises(ValueError, match=r"'conv4_3' reads conv4_2, expected relu\(conv4_2"):
        joined.convert(tmp_path)


def classifier(normalise_first=False):
    """AlexNet of ImageNet, which pools or, as its own publication, normalises first."""
    joined = Joined('alexnet')
    joined.rows = [row for row in joined.rows if 'score' not in row[0]]
    joined.row('conv1')[4] = {6: 4}
    for name in ('fc6', 'fc7'):
        weight, bias = joined.weights[name][1]
        joined.weights[name] = ('InnerProduct', [weight.reshape(FC, -1), bias])
        joined.row(name)[1], joined.row(name)[4] = 'InnerProduct', {}
    joined.weights['fc8'] = ('InnerProduct', [np.ones((7, FC)), np.ones(7)])
    joined.add('fc8', 'InnerProduct', ('fc7', ))
    if normalise_first:
        for i in (1, 2):
            pool, norm = joined.row(f'pool{i}'), joined.row(f'norm{i}')
            pool[1], norm[1], pool[4], norm[4] = norm[1], pool[1], norm[4], pool[4]
    return joined


def test_an_alexnet_that_normalises_before_it_pools_is_told(tmp_path):
    assert len(classifier().convert(tmp_path).notes) == 1
    notes = classifier(True).convert(tmp_path).notes
    assert [re.search(r"layer '(\w+)' reads max 3/2\(lrn", note)[1] for note in notes[1:]] == [
        'conv2', 'conv3']


def test_a_transposed_matrix(tmp_path):
    joined = classifier()
    joined.row('fc7')[4] = {6: 1}
    with pytest.raises(ValueError, match=r"'fc7' holds its matrix transposed"):
        joined.convert(tmp_path)
