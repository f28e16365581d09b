"""tools/model_converters: files in, files out."""
import numpy as np
import pytest
import torch
from caffe_nets import FC, WIDTHS, encode, narrow_trunk, paper_net, port_net, two_task_net
from mmseg.datasets import PascalContextDataset, PascalContextDataset59, PascalVOCDataset
from tiny_runs import run_tool, succeed

from fcn_plugin.modalities import SIFTFlowDataset
from fcn_plugin.models.converters import our_net

CAFFE2FCN, FCN2PORT = ('model_converters/caffe2fcn.py', 'model_converters/fcn2port.py')


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(our_net, 'build_backbone', narrow_trunk)


@pytest.fixture
def caffemodel(tmp_path):
    def write(variant='8s', classes=5):
        path = tmp_path / f'{variant}.caffemodel'
        path.write_bytes(encode(paper_net(variant, classes)))
        return path
    return write


def fail(tool, *args):
    """The one line with which a tool refuses."""
    done = run_tool(tool, *args)
    assert done.code == 2 and done.err.startswith('error: '), done
    assert done.err.count('\n') == 1 and not done.out
    return done.err


@pytest.mark.parametrize('variant', ['32s', '16s', '8s', 'at-once'])
def test_there_and_back(caffemodel, tmp_path, variant):
    checkpoint, port = tmp_path / 'new' / 'fcn.pth', tmp_path / 'port.pth'
    source = caffemodel(variant)
    out = succeed(CAFFE2FCN, source, checkpoint, '--variant', variant)
    assert f'FCN {variant}, 5 classes' in out and 'backbone.features.0.conv' in out
    loaded = torch.load(checkpoint, weights_only=True)
    assert loaded['meta']['variant'] == variant and loaded['meta']['num_classes'] == 5
    assert loaded['meta']['source'] == source.name
    assert 'dataset_meta' not in loaded['meta']

    succeed(FCN2PORT, checkpoint, port)
    written = torch.load(port, weights_only=True)
    expected = port_net(variant)
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[key], expected[key]) for key in expected)

    again = tmp_path / 'again.pth'
    succeed(CAFFE2FCN, port, again, '--variant', variant)
    assert all(torch.equal(value, loaded['state_dict'][key]) for key, value in
               torch.load(again, weights_only=True)['state_dict'].items())
    assert sorted(tmp_path.glob('**/.*')) == []


def test_voc_has_names(caffemodel, tmp_path):
    succeed(CAFFE2FCN, caffemodel(classes=21), tmp_path / 'fcn.pth')
    meta = torch.load(tmp_path / 'fcn.pth', weights_only=True)['meta']['dataset_meta']
    assert meta['classes'] == PascalVOCDataset.METAINFO['classes']
    assert meta['palette'] == PascalVOCDataset.METAINFO['palette']


@pytest.mark.parametrize('classes, data_set', [(59, PascalContextDataset59),
                                               (60, PascalContextDataset)])
def test_pascal_context_takes_mmsegs_order(caffemodel, tmp_path, classes, data_set):
    source, out = caffemodel('16s', classes), tmp_path / 'fcn.pth'
    net = paper_net('16s', classes)
    printed = succeed(CAFFE2FCN, source, out, '--variant', 'pascalcontext')
    assert f"in the order of mmseg's {data_set.__name__}" in printed
    loaded = torch.load(out, weights_only=True)
    names = loaded['meta']['dataset_meta']['classes']
    assert names == data_set.METAINFO['classes']
    # Rows of theirs, from their list: 1 aeroplane, 11 diningtable, 15 person, 23 bench,
    # 42 curtain, 52 bedcloth, 59 wood.
    theirs = dict(aeroplane=1, table=11, person=15, bench=23, curtain=42, bedclothes=52,
                  wood=59)
    for layer, stride in (('score_fr', 32), ('score_pool4', 16)):
        for parameter, values in zip(('weight', 'bias'), net[layer][1]):
            ours = loaded['state_dict'][f'decode_head.score.stride{stride}.{parameter}']
            for name, row in theirs.items():
                expected = torch.tensor(values[row - (classes == 59)])
                assert torch.equal(ours[names.index(name)], expected)
            assert torch.equal(ours.sort(0)[0], torch.from_numpy(values).sort(0)[0])

    theirs = tmp_path / 'theirs.pth'
    torch.save(port_net('16s', classes), theirs)
    succeed(CAFFE2FCN, theirs, out, '--variant', 'pascalcontext', '--overwrite')
    reordered = torch.load(out, weights_only=True)['state_dict']
    assert all(torch.equal(value, reordered[key])
               for key, value in loaded['state_dict'].items())

    port, again = tmp_path / 'port.pth', tmp_path / 'again.pth'
    succeed(FCN2PORT, out, port)
    assert 'taken to be in the order of mmseg' in succeed(CAFFE2FCN, port, again)
    again = torch.load(again, weights_only=True)['state_dict']
    assert all(torch.equal(value, again[key])
               for key, value in loaded['state_dict'].items())


@pytest.mark.parametrize('classes', [33, 5])
def test_two_tasks_there_and_back(tmp_path, classes):
    """Of as many classes as SIFT Flow has, its names of both tasks are kept."""
    source, checkpoint, port = (tmp_path / name for name in (
        'net.caffemodel', 'fcn.pth', 'port.pth'))
    net = two_task_net('16s', classes)
    source.write_bytes(encode(net))
    succeed(CAFFE2FCN, source, checkpoint)
    loaded = torch.load(checkpoint, weights_only=True)
    meta, info = loaded['meta'], SIFTFlowDataset.METAINFO
    assert meta['decode_head']['other_tasks'] == dict(geometric=3)
    if classes == 33:
        assert meta['dataset_meta']['classes'] == info['classes']
        assert meta['dataset_meta']['tasks'] == info['tasks']
        del meta['decode_head']  # as a training writes it
        torch.save(loaded, checkpoint)
    else:
        assert 'dataset_meta' not in meta
    succeed(FCN2PORT, checkpoint, port)
    written = torch.load(port, weights_only=True)
    assert written.keys() == {f'{name}.{kind}' for name, (_, arrays) in net.items()
                              for kind, _ in zip(('weight', 'bias'), arrays)}
    for name in ('score_fr', 'score_pool4'):
        for task in ('sem', 'geo'):
            assert torch.equal(written[f'{name}_{task}.weight'],
                               torch.from_numpy(net[f'{name}_{task}'][1][0]))


@pytest.mark.parametrize('net', [paper_net('16s', 33), two_task_net('16s', 33, 4)])
def test_as_many_classes_as_siftflow_has_but_other_tasks(tmp_path, net):
    (tmp_path / 'net.caffemodel').write_bytes(encode(net))
    succeed(CAFFE2FCN, tmp_path / 'net.caffemodel', tmp_path / 'fcn.pth')
    loaded = torch.load(tmp_path / 'fcn.pth', weights_only=True)
    assert 'tasks' not in loaded['meta']['dataset_meta']


def test_learned_kernels_of_pascal_context_are_reordered_in_both_axes(tmp_path):
    net = paper_net('16s', 59)
    net['upscore2'][1][0] += np.random.RandomState(1).rand(59, 59, 4, 4)
    source = tmp_path / 'net.caffemodel'
    source.write_bytes(encode(net))
    succeed(CAFFE2FCN, source, tmp_path / 'fcn.pth')
    ours = torch.load(tmp_path / 'fcn.pth', weights_only=True)['state_dict'][
        'decode_head.upsample.stride32.weight']
    names = PascalContextDataset59.METAINFO['classes']
    expected = net['upscore2'][1][0][41, 22]  # curtain (42) and bench (23)
    found = ours[names.index('curtain'), names.index('bench')]
    assert torch.equal(found, torch.from_numpy(expected))


def test_imagenets_vgg16_becomes_what_the_trunk_starts_from(tmp_path):
    net, width = paper_net('32s'), WIDTHS[-1]
    for name in ('data', 'score_fr', 'upscore'):
        del net[name]
    for name in ('fc6', 'fc7'):
        weight, bias = net[name][1]
        net[name] = ('InnerProduct', [weight.reshape(FC, -1), bias])
    net['fc8'] = ('InnerProduct', [np.ones((7, FC), np.float32), np.ones(7, np.float32)])
    source, out = tmp_path / 'vgg16.caffemodel', tmp_path / 'vgg16.pth'
    source.write_bytes(encode(net, old=True, legacy=True))
    printed = succeed(CAFFE2FCN, source, out)
    assert 'VGG16 of ImageNet, 7 classes' in printed and 'classifier.6' in printed
    weights = torch.load(out, weights_only=True)['state_dict']
    # torchvision's numbering, where conv5_3 is 28
    for name, key in (('conv1_1', 'features.0'), ('conv5_3', 'features.28'),
                      ('fc6', 'classifier.0'), ('fc8', 'classifier.6')):
        assert torch.equal(weights[f'{key}.weight'], torch.from_numpy(net[name][1][0]))
        assert torch.equal(weights[f'{key}.bias'], torch.from_numpy(net[name][1][1]))
    assert len(weights) == 32

    trunk = narrow_trunk().to_empty(device='cpu')
    trunk.load_state_dict(weights)
    assert torch.equal(trunk.conv6.conv.weight,
                       torch.from_numpy(net['fc6'][1][0].reshape(FC, width, 7, 7)))
    assert torch.equal(trunk.conv7.conv.bias, torch.from_numpy(net['fc7'][1][1]))
    assert 'contradicts' in fail(CAFFE2FCN, source, out, '--variant', '32s', '--overwrite')
    net['fc9'] = net['fc8']
    source.write_bytes(encode(net))
    assert 'no place for fc9' in fail(CAFFE2FCN, source, out, '--overwrite')


def test_the_ports_training_checkpoints(tmp_path):
    source = tmp_path / 'port.pth.tar'
    torch.save(dict(epoch=1, model_state_dict=port_net('16s')), source,
               _use_new_zipfile_serialization=False)
    assert 'FCN 16s' in succeed(CAFFE2FCN, source, tmp_path / 'fcn.pth')


def test_nothing_is_overwritten_unasked(caffemodel, tmp_path):
    source, out = caffemodel(), tmp_path / 'fcn.pth'
    out.write_text('mine')
    for tool in (CAFFE2FCN, FCN2PORT):
        assert f"'{out}' exists" in fail(tool, source, out)
    assert out.read_text() == 'mine'
    succeed(CAFFE2FCN, source, out, '--overwrite')
    assert 'state_dict' in torch.load(out, weights_only=True)
    before, link = source.read_bytes(), tmp_path / 'link.caffemodel'
    link.symlink_to(source)
    for same in (source, link):
        assert 'is the file to convert' in fail(CAFFE2FCN, source, same, '--overwrite')
    assert source.read_bytes() == before


def test_a_failed_write_leaves_nothing(caffemodel, tmp_path, monkeypatch):
    def full(content, file):
        file.write(b'half')
        raise OSError('No space left on device')
    monkeypatch.setattr(torch, 'save', full)
    source, out = caffemodel(), tmp_path / 'fcn.pth'
    out.write_text('mine')
    assert 'No space left' in fail(CAFFE2FCN, source, out, '--overwrite')
    assert sorted(tmp_path.iterdir()) == [source, out] and out.read_text() == 'mine'


def test_errors_in_one_line(caffemodel, tmp_path):
    source, out = caffemodel(), tmp_path / 'fcn.pth'
    assert 'contradicts' in fail(CAFFE2FCN, source, out, '--variant', '32s')
    content = source.read_bytes()
    source.unlink()
    source.write_bytes(content[:-100])
    assert "8s.caffemodel' as a Caffe model: at byte" in fail(CAFFE2FCN, source, out)
    assert 'No such file' in fail(CAFFE2FCN, tmp_path / 'none', out)
    other = tmp_path / 'other.pth'
    torch.save(dict(state_dict={'backbone.x': torch.zeros(1)}), other)
    assert "'backbone.x' is not the weight" in fail(CAFFE2FCN, other, out)
    assert 'no vector decode_head' in fail(FCN2PORT, other, out)
    (tmp_path / 'cut.pth').write_bytes(other.read_bytes()[:100])
    for tool in (CAFFE2FCN, FCN2PORT):
        assert 'cannot load the checkpoint' in fail(tool, tmp_path / 'cut.pth', out)
    assert not out.exists()
