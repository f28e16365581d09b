"""A checkpoint made into a file to give away."""
import pytest
import torch
from mmengine.config import Config
from tiny_runs import succeed

from fcn_plugin.checkpoints.loading import load_model, read_checkpoint
from fcn_plugin.checkpoints.publish import publish
from fcn_plugin.checkpoints.safe_config import read_config_text
from fcn_plugin.utils.errors import InputError


@pytest.fixture
def of_a_run(trained, tmp_path):
    """What a training writes: with an optimiser, and paths of the machine in the config."""
    found = torch.load(trained / 'best.pth', weights_only=True)
    config = Config.fromstring(found['meta']['cfg'], '.py')
    config.merge_from_dict(dict(
        work_dir='/home/somebody/runs', load_from='/home/x.pth',
        val_dataloader=dict(dataset=dict(data_root='/home/somebody/streets', serialize_data=[
            'C:\\Users\\somebody\\list.txt', '/', 'a/b', 'https://example.org/somewhere']))))
    found['meta'].update(cfg=config.pretty_text, iter=7, seed=3)
    found['optimizer'] = dict(state={0: dict(momentum_buffer=torch.zeros(1000, 1000))})
    torch.save(found, tmp_path / 'run.pth')
    return tmp_path / 'run.pth'


def test_half_the_bytes_and_nothing_of_the_run(of_a_run, tmp_path, capsys):
    out = publish(of_a_run, tmp_path / 'new' / 'small.pth', notes=dict(terms='CC BY-NC'))
    found = read_checkpoint(out)
    assert set(found) == {'meta', 'state_dict'} and b'somebody' not in out.read_bytes()
    # of a path that names the machine's folders, what is called so remains
    config = read_config_text(found['meta']['cfg'])
    assert not {'work_dir', 'load_from', 'resume', 'launcher'} & set(config)
    kept = config.val_dataloader.dataset
    assert kept.data_root == 'streets' and kept.serialize_data == [
        'list.txt', '', 'a/b', 'https://example.org/somewhere']
    assert found['meta']['notes'] == dict(terms='CC BY-NC') and found['meta']['iter'] == 7
    before = read_checkpoint(of_a_run)['state_dict']
    for key, value in found['state_dict'].items():
        half = before[key].is_floating_point() and before[key].dim() > 1
        assert value.dtype == (torch.float16 if half else before[key].dtype), key
        torch.testing.assert_close(value.float(), before[key].float(), rtol=1e-3, atol=1e-5)
    assert 'M numbers' in capsys.readouterr().out


def test_notes_are_kept_as_they_are(of_a_run, tmp_path):
    succeed('model_converters/publish_model.py', of_a_run, tmp_path / 'small.pth', '--notes',
            'data=CamVid, 11 classes', 'mIoU=73.2', 'by=a = b', 'year=2012')
    notes = read_checkpoint(tmp_path / 'small.pth')['meta']['notes']
    assert notes == dict(data='CamVid, 11 classes', mIoU=73.2, by='a = b', year=2012)
    assert str(notes['year']) == '2012'


@pytest.mark.parametrize('value', ['1.10', '007', '44e1234', '12e4', 'nan', '2_012', ' 7'])
def test_notes_that_only_look_like_numbers_stay_text(of_a_run, tmp_path, value):
    """A version, a number with zeros before it, a commit."""
    succeed('model_converters/publish_model.py', of_a_run, tmp_path / 'small.pth', '--notes',
            f'of={value}')
    assert read_checkpoint(tmp_path / 'small.pth')['meta']['notes'] == dict(of=value)


def test_it_loads_as_a_model(of_a_run, tmp_path):
    model = load_model(None, publish(of_a_run, tmp_path / 'small.pth'), 'cpu')
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    assert model.dataset_meta['classes'][1] == 'bar'
    assert model.dataset_meta['palette'][2] == [2, 4, 6]


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_classes_of_further_tasks_keep_their_names(of_a_run, tmp_path, suffix):
    found = torch.load(of_a_run, weights_only=True)
    tasks = dict(height=('low', 'high'))
    found['meta']['dataset_meta']['tasks'] = tasks
    torch.save(found, of_a_run)
    again = read_checkpoint(publish(of_a_run, tmp_path / f'small{suffix}'))['meta']
    assert {task: tuple(names) for task, names in again['dataset_meta']['tasks'].items()
            } == tasks


def test_the_mean_of_stages(of_a_run, tmp_path):
    found = torch.load(of_a_run, weights_only=True)
    key = 'backbone.conv1.weight'
    # a learned number, and a table of places as Swin's
    found['meta']['notes'] = dict(mIoU=50)
    found['state_dict'].update(scale=torch.tensor(2.), places=torch.arange(6).view(2, 3))
    torch.save(found, of_a_run)
    counts = [name for name, value in found['state_dict'].items()
              if not value.is_floating_point()]
    for factor, name in ((3., 'earlier.pth'), (5., 'first.pth')):
        torch.save(dict(found, state_dict={
            each: value + 1 if each in counts else value * factor
            for each, value in found['state_dict'].items()}), tmp_path / name)
    out = tmp_path / 'mean.pth'
    publish(of_a_run, out, 'float32',
            average=[tmp_path / 'earlier.pth', tmp_path / 'first.pth'])
    mean = read_checkpoint(out)['state_dict']
    torch.testing.assert_close(mean[key], found['state_dict'][key] * 3)
    assert mean['scale'] == 6
    assert read_checkpoint(out)['meta']['notes'] == {}  # those were of one of them
    for each in counts:
        torch.testing.assert_close(mean[each], found['state_dict'][each])
    # of half files, whose sum no half number holds
    half = dict(found, state_dict={key: found['state_dict'][key].half().fill_(4e4)})
    torch.save(half, tmp_path / 'half.pth')
    publish(tmp_path / 'half.pth', tmp_path / 'of_half.pth', average=[tmp_path / 'half.pth'])
    assert (read_checkpoint(tmp_path / 'of_half.pth')['state_dict'][key] == 4e4).all()
    # whose shapes differ, or whose layers
    for change, named in ((lambda state: state.update({key: state[key][:1]}), key),
                          (lambda state: state.pop(key), key),
                          (lambda state: state.update(more=state[key]), 'more')):
        other = dict(found, state_dict=dict(found['state_dict']))
        change(other['state_dict'])
        torch.save(other, tmp_path / 'other.pth')
        with pytest.raises(InputError, match=f"other.pth' cannot be averaged.*'{named}'"):
            publish(of_a_run, tmp_path / 'bad.pth', average=[tmp_path / 'other.pth'])
        assert not (tmp_path / 'bad.pth').exists()


@pytest.mark.parametrize('spoil, change, words', [
    (lambda found: found['meta'].pop('cfg'), {}, 'run.pth. keeps no config'),
    (lambda found: found['meta'].pop('dataset_meta'), {}, 'run.pth. keeps no classes'),
    (lambda found: found['state_dict']['backbone.conv1.weight'].fill_(1e6), {},
     "backbone.conv1.weight' holds 1e.06, which float16 does not"),
    (lambda found: found['state_dict']['backbone.bn1.running_var'].fill_(float('nan')), {},
     "'backbone.bn1.running_var' holds nan, which is no number that a model computes with"),
    (lambda found: found['state_dict']['backbone.conv1.weight'].fill_(float('inf')),
     dict(dtype='float32'), "'backbone.conv1.weight' holds inf, which is no number"),
    (lambda found: None, dict(dtype='int8'), "dtype is 'int8', expected float32"),
    (lambda found: None, dict(out='run.pth'), 'overwrite'),
    (lambda found: None, dict(out='a.onnx'), "a.onnx' ends in '.onnx', expected .pth"),
    (lambda found: None, dict(out='street'), "street' ends in '', expected .pth")])
def test_what_cannot_be_given_away(of_a_run, tmp_path, spoil, change, words):
    found = torch.load(of_a_run, weights_only=True)
    spoil(found)
    torch.save(found, of_a_run)
    out = tmp_path / change.pop('out', 'small.pth')
    before = out.read_bytes() if out.exists() else None
    with pytest.raises((ValueError, FileExistsError), match=words):
        publish(of_a_run, out, **change)
    assert (out.read_bytes() if out.exists() else None) == before
