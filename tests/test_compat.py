"""Each accommodation acts where it is needed and steps aside where it is not."""
import importlib
import importlib.metadata
import importlib.util
import io
import os
import pickle
import subprocess
import sys
import types
from collections import OrderedDict
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner, load_checkpoint
from mmengine.utils.dl_utils import mmcv_full_available
from mmpretrain.utils import dependency
from torch import nn

from fcn_plugin import compat

ROOT = Path(__file__).resolve().parents[1]


def test_apply_is_idempotent():
    before = {name: sys.modules.get(name) for name in ('mmcv._ext', 'torchvision')}
    schemas = list(compat._torchvision_schemas)
    compat.apply()
    compat.apply()
    assert {name: sys.modules.get(name) for name in before} == before
    assert compat._torchvision_schemas == schemas


# --- mmcv._ext -------------------------------------------------------------


@pytest.mark.skipif(mmcv_full_available(), reason='a full mmcv is installed')
class TestOnMMCVLite:

    def test_placeholder_can_be_imported(self):
        assert importlib.import_module('mmcv._ext') is sys.modules['mmcv._ext']
        importlib.import_module('mmcv.ops')
        assert not mmcv_full_available()

    def test_operators_name_the_way_out(self):
        from mmcv.ops import nms, sigmoid_focal_loss
        with pytest.raises(ImportError, match='focal_loss.*Install a full mmcv'):
            sigmoid_focal_loss(torch.zeros(2, 3), torch.zeros(2).long(), 2., 0.25)
        with pytest.raises(ImportError, match=r'mmcv\._ext\.nms was called'):
            nms(torch.tensor([[0., 0., 1., 1.]]), torch.ones(1), 0.5)

    def test_inspection_is_not_misled(self):
        assert not hasattr(sys.modules['mmcv._ext'], '__wrapped__')
        assert not hasattr(sys.modules['mmcv._ext'], '__file__')


def test_real_extension_is_left_alone(monkeypatch):
    real = types.ModuleType('mmcv._ext')
    real.__spec__ = ModuleSpec('mmcv._ext', loader=object())
    monkeypatch.setitem(sys.modules, 'mmcv._ext', real)
    compat.provide_mmcv_ext()
    assert sys.modules['mmcv._ext'] is real


# --- torchvision -----------------------------------------------------------


@pytest.fixture
def unimported(monkeypatch):
    """As in a process that has not imported torchvision; gone again afterwards."""
    names = [name for name in sys.modules if name.split('.')[0] == 'torchvision']
    for name in names:
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in [name for name in sys.modules if name.split('.')[0] == 'torchvision']:
        del sys.modules[name]


@pytest.fixture
def absent(unimported, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name, *args: (
        None if name == 'torchvision' else find_spec(name, *args)))
    monkeypatch.setattr(sys, 'meta_path', [_NoTorchvision(), *sys.meta_path])


class _NoTorchvision:

    def find_spec(self, name, path=None, target=None):
        if name == 'torchvision':
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


def write_torchvision(folder, init=''):
    """A package of that name, as much as mmpretrain imports, with a _C.so."""
    ops = folder / 'torchvision' / 'ops'
    ops.mkdir(parents=True)
    (ops.parent / '__init__.py').write_text(init)
    (ops.parent / '_C.so').write_bytes(b'built for another torch')
    (ops / '__init__.py').touch()
    (ops / 'boxes.py').write_text("box_area = 'the real one'")


def import_boxes():
    return importlib.import_module('torchvision.ops.boxes')


def test_absent_torchvision_stands_in_for_the_import_only(absent):
    with compat.torchvision_importable():
        with pytest.raises(ImportError, match='pip install torchvision'):
            import_boxes().box_area(None)
        with pytest.raises(ImportError):
            importlib.import_module('torchvision.transforms')
    with pytest.raises(ModuleNotFoundError):
        import_boxes()


def test_absent_torchvision_is_taken_away_after_an_error(absent):
    with pytest.raises(ZeroDivisionError), compat.torchvision_importable():
        1 / 0
    assert not any(name.startswith('torchvision') for name in sys.modules)


def test_empty_folder_is_no_torchvision(unimported, monkeypatch, tmp_path):
    (tmp_path / 'torchvision').mkdir()
    # The only place to look, lest an installed one be found behind it.
    monkeypatch.setattr(sys, 'path', [str(tmp_path)])
    with compat.torchvision_importable():
        assert 'placed by fcn_plugin' in import_boxes().__doc__
    assert 'torchvision' not in sys.modules


def test_working_torchvision_is_used_as_it_is(unimported, monkeypatch, tmp_path):
    write_torchvision(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    loaded = []
    monkeypatch.setattr(torch.ops, 'load_library', loaded.append)
    monkeypatch.setattr(compat, '_torchvision_schemas', [])
    with compat.torchvision_importable():
        assert import_boxes().box_area == 'the real one'
    assert loaded == [str(tmp_path / 'torchvision' / '_C.so')]
    assert compat._torchvision_schemas == []
    assert import_boxes().box_area == 'the real one'  # it stays


@pytest.mark.slow
def test_broken_torchvision_gets_its_operators(tmp_path):
    """In a process of its own, as torch registers a namespace once; beside transformers 5."""
    for name, version in (('transformers', '5.24.0'), ('pycocotools', '2.0')):
        (tmp_path / name).mkdir()
        (tmp_path / name / '__init__.py').touch()
        folder = tmp_path / f'{name}-{version}.dist-info'
        folder.mkdir()
        (folder / 'METADATA').write_text(f'Name: {name}\nVersion: {version}\n')
    write_torchvision(tmp_path, init="""
import torch
for name in ('nms', 'qnms'):  # as its _meta_registrations.py does
    torch.library.register_fake(f'torchvision::{name}')(lambda *args: args[0])
""")
    done = subprocess.run(
        [sys.executable, '-c', """
import fcn_plugin, sys, torch, torchvision
from mmpretrain.models.utils import box_utils
assert sys.modules['torchvision.ops.boxes'].box_area == 'the real one'
names = [f'{name}: {getattr(torch.ops.torchvision, name).default._schema}'
         for name in ('nms', 'qnms')]
print(torchvision.__file__, *names, sep='\\n')
"""], env=dict(os.environ, PYTHONPATH=f'{tmp_path}{os.pathsep}{ROOT}'), text=True,
        capture_output=True)
    assert done.returncode == 0, done.stderr
    file, nms, qnms = done.stdout.splitlines()[-3:]
    assert file == str(tmp_path / 'torchvision' / '__init__.py')
    assert 'Tensor dets, Tensor scores, float iou_threshold' in nms
    assert 'Tensor dets, Tensor scores, float iou_threshold' in qnms


# --- checkpoints -----------------------------------------------------------


class Toy(BaseModel):

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)

    def forward(self, x, mode):
        return dict(loss=self.linear(torch.stack(x)).square().mean())


class NoteTypes(Hook):
    """Puts into the message hub what hooks of other packages may put there."""

    def before_train(self, runner):
        runner.message_hub.update_info('a scalar', np.float64(0.5))
        for kind in '?bBhHiIlLqQefd':
            runner.message_hub.update_info(f'array {kind}', np.arange(3).astype(kind))


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A runner that has trained three iterations, and its checkpoint."""
    folder = tmp_path_factory.mktemp('run')
    runner = Runner(
        Toy(), str(folder), experiment_name='compat',
        train_dataloader=dict(
            batch_size=2, dataset=[dict(x=torch.ones(1) * i) for i in range(6)],
            sampler=dict(type='DefaultSampler', shuffle=False)),
        train_cfg=dict(by_epoch=False, max_iters=3),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=3)),
        custom_hooks=[NoteTypes()])
    runner.train()
    return runner, folder / 'iter_3.pth'


def test_mmengine_checkpoint_loads_weights_only(run):
    runner, path = run
    checkpoint = torch.load(path, weights_only=True)
    saved, loss = MessageHub('loaded'), runner.message_hub.get_scalar('train/loss')
    saved.load_state_dict(checkpoint['message_hub'])
    loaded = saved.get_scalar('train/loss')
    assert type(loaded) is HistoryBuffer and len(loaded.data[0]) == 3
    np.testing.assert_array_equal(loaded.data, loss.data)
    for name in ('min', 'max', 'current', 'mean'):
        assert loaded.statistics(name) == getattr(loss, name)()
    loaded.update(0.25)
    assert loaded.current() == 0.25
    assert saved.get_info('a scalar') == 0.5
    for kind in '?bBhHiIlLqQefd':
        array = saved.get_info(f'array {kind}')
        assert array.dtype == np.dtype(kind) and array.shape == (3, )


def test_mmengine_loads_its_checkpoint(run):
    """As mmengine's own functions call it, without saying how to load."""
    runner, path = run
    model = Toy()
    load_checkpoint(model, str(path))
    assert torch.equal(model.linear.weight, runner.model.linear.weight)


class Calls:
    """Pickled as the call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('attribute', [
    (HistoryBuffer, 'update'), (HistoryBuffer, '__init__'), (OrderedDict, 'mean'),
    (OrderedDict, 'update'), (np.ndarray, 'mean')])
def test_getattr_is_for_statistics_only(tmp_path, attribute):
    torch.save(dict(state_dict=Calls(getattr, *attribute)), tmp_path / 'bad.pth')
    with pytest.raises(pickle.UnpicklingError, match='which no checkpoint of mmengine'):
        torch.load(tmp_path / 'bad.pth')


@pytest.mark.parametrize('function', [os.system, eval, exec], ids=lambda f: f.__name__)
def test_code_is_refused(tmp_path, function):
    victim = tmp_path / 'victim'
    code = f'touch {victim}' if function is os.system else f"open('{victim}', 'w')"
    torch.save(dict(state_dict=Calls(function, code)), tmp_path / 'bad.pth')
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / 'bad.pth')
    assert not victim.exists()


@pytest.mark.parametrize('spelling', [b'numpy.core', b'numpy._core'])
def test_both_spellings_of_numpy(spelling):
    expected = dict(array=np.arange(4.), scalar=np.float32(1.5))
    stream = io.BytesIO()
    torch.save(expected, stream, _use_new_zipfile_serialization=False)
    ours = b'numpy._core' if b'numpy._core' in stream.getvalue() else b'numpy.core'
    data = stream.getvalue().replace(ours, spelling)
    assert data.count(spelling + b'.multiarray') == 2
    found = torch.load(io.BytesIO(data), weights_only=True)
    np.testing.assert_array_equal(found['array'], expected['array'])
    assert found['scalar'] == expected['scalar']


# --- configs ---------------------------------------------------------------


def test_get_config_knows_the_package(monkeypatch):
    assert MODULE2PACKAGE['fcn_plugin'] == 'fcn_plugin'
    monkeypatch.setitem(MODULE2PACKAGE, 'fcn_plugin', 'named-by-mmengine')
    compat.name_package_for_get_config()
    assert MODULE2PACKAGE['fcn_plugin'] == 'named-by-mmengine'


# --- several processes -----------------------------------------------------

VARIABLES = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')


@pytest.fixture
def started(monkeypatch):
    """The backends of the process groups that were asked for; none is started."""
    for name in VARIABLES:
        monkeypatch.setenv(name, '')  # so that it is restored, even to nothing
        monkeypatch.delenv(name)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    backends = []
    monkeypatch.setattr(torch.distributed, 'init_process_group', backends.append)
    return backends


@pytest.mark.parametrize('config', [dict(), dict(launcher='none')])
def test_one_process_needs_no_group(started, config):
    config = Config(config)
    before = config.to_dict()
    compat.init_cpu_distributed(config)
    assert config.to_dict() == before and not started


def test_gpus_are_mmengine_s_business(started, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    config = Config(dict(launcher='pytorch'))
    compat.init_cpu_distributed(config)
    assert 'model_wrapper_cfg' not in config and not started


def test_gloo_on_cpus(started):
    config = Config(dict(launcher='pytorch', find_unused_parameters=True))
    compat.init_cpu_distributed(config)
    assert started == ['gloo']
    assert config.model_wrapper_cfg.device_ids is None
    assert config.model_wrapper_cfg.find_unused_parameters


def test_own_wrapper_and_group_are_kept(started, monkeypatch):
    monkeypatch.setattr(torch.distributed, 'is_initialized', lambda: True)
    config = Config(dict(launcher='pytorch', model_wrapper_cfg=dict(type='Mine')))
    compat.init_cpu_distributed(config)
    assert config.model_wrapper_cfg == ConfigDict(type='Mine') and not started


def test_slurm(started, monkeypatch, tmp_path):
    scontrol = tmp_path / 'scontrol'
    scontrol.write_text('#!/bin/sh\necho $3-1\necho $3-2')
    scontrol.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    for name, value in dict(PROCID=3, NTASKS=4, LOCALID=1, NODELIST='nodes').items():
        monkeypatch.setenv(f'SLURM_{name}', str(value))
    compat.init_cpu_distributed(Config(dict(launcher='slurm')))
    assert started == ['gloo']
    assert [os.environ[name] for name in VARIABLES] == [
        '3', '4', '1', 'nodes-1', '29500']


def test_mpi(started, monkeypatch):
    monkeypatch.setenv('OMPI_COMM_WORLD_RANK', '1')
    monkeypatch.setenv('OMPI_COMM_WORLD_SIZE', '2')
    monkeypatch.setenv('MASTER_ADDR', 'elsewhere')
    compat.init_cpu_distributed(Config(dict(launcher='mpi')))
    assert started == ['gloo']
    assert [os.environ[name] for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR')] == [
        '1', '2', 'elsewhere']


# --- compiling ------------------------------------------------------------------------


def test_one_compilation_serves_all_sizes():
    graphs = []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    from fcn_plugin.models import FullyConvVGG
    module = FullyConvVGG(11, fc_channels=8, fc_kernel_size=3, out_indices=(2, 3))
    keys = list(module.state_dict())
    torch._dynamo.reset()
    compat.compile_for_any_size(module, backend=count)
    for size in ((2, 3, 64, 64), (2, 3, 96, 64), (4, 3, 64, 96), (2, 3, 128, 160)):
        module(torch.randn(size))[-1].sum().backward()
    assert len(graphs) == 1
    assert list(module.state_dict()) == keys
    torch._dynamo.reset()


# --- losses -----------------------------------------------------------------


@pytest.mark.parametrize('ignored', [0, 5, 24])
def test_class_weights_beside_ignored_pixels(ignored):
    """mmseg's loss against torch's weighted mean."""
    from mmseg.registry import MODELS
    weights = [0.5, 2., 4.]
    loss = MODELS.build(dict(type='CrossEntropyLoss', class_weight=weights,
                             avg_non_ignore=True))
    logits, labels = torch.randn(1, 3, 4, 6), torch.randint(0, 3, (1, 4, 6))
    labels.view(-1)[:ignored] = 255
    expected = torch.nn.functional.cross_entropy(
        logits, labels, torch.tensor(weights), ignore_index=255)
    value = loss(logits, labels, ignore_index=255)
    if ignored == labels.numel():
        assert value == 0  # torch's is not a number
    else:
        torch.testing.assert_close(value, expected)


# --- mmpretrain's multimodal models ----------------------------------------


@pytest.mark.parametrize('transformers, mmpretrain, left_out', [
    ('5.24.0', '1.2.0', True), ('10.0.1', '1.2.0', True), ('4.49.0', '1.2.0', False),
    ('5.24.0', '1.3.0', False), (None, '1.2.0', False)])
def test_multimodal_models_beside_transformers_5(monkeypatch, transformers, mmpretrain,
                                                 left_out):
    versions = dict(transformers=transformers, mmpretrain=mmpretrain)

    def version(name):
        if versions[name] is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, 'version', version)
    monkeypatch.setattr(dependency, 'WITH_MULTIMODAL', True)
    compat.leave_multimodal_out()
    assert dependency.WITH_MULTIMODAL is not left_out
    assert any('transformers 5' in each for each in compat.in_force()) is left_out
