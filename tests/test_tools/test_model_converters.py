"""tools/model_converters: files in, files out."""
import pytest
import torch
from caffe_nets import encode, narrow_trunk, paper_net, port_net
from mmseg.datasets import PascalVOCDataset
from tiny_runs import run_tool, succeed

from fcn_plugin.models.converters import mapping

CAFFE2FCN, FCN2PORT = ('model_converters/caffe2fcn.py', 'model_converters/fcn2port.py')


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(mapping, 'build_backbone', narrow_trunk)


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
    assert 'is the file to convert' in fail(CAFFE2FCN, source, source, '--overwrite')


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
