"""What can be said of Windows without one: names, paths and quotes by its rules."""
import subprocess
from pathlib import PureWindowsPath

import pytest
from mmengine.runner import CheckpointLoader
from tiny_runs import ROOT

from fcn_plugin.checkpoints.naming import is_weights
from fcn_plugin.checkpoints.safe_config import read_config_text
from fcn_plugin.inference.result import output_files
from fcn_plugin.utils.paths import quoted

# What no file may be called there, whatever its suffix.
DEVICES = {'con', 'prn', 'aux', 'nul', *(f'{name}{i}' for name in ('com', 'lpt')
                                         for i in range(1, 10))}


def is_legal(name):
    return not set('<>:"/\\|?*') & set(name) and name == name.rstrip(' .') and (
        name.partition('.')[0].lower() not in DEVICES)


def test_every_file_of_the_project_can_be_checked_out():
    done = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip('no git checkout')
    names = done.stdout.strip('\0').split('\0')
    assert len(names) > 100
    assert [name for name in names if not all(map(is_legal, name.split('/')))] == []
    # Folders of 100 characters leave that much of the 260 that a path may have.
    assert [name for name in names if len(name) > 155] == []
    assert len({name.lower() for name in names}) == len(names)


@pytest.mark.parametrize('name', ['a/b', 'c:d', 'what?', 'con', 'tree ', '"x"', 'x|y'])
def test_a_heat_map_of_any_class_has_a_legal_name(tmp_path, name):
    written = output_files(tmp_path, 'photo', None, ['background', name], heatmap=1)
    assert all(is_legal(path.name) for path in written.values()), written


def test_a_path_with_a_drive_is_a_file():
    path = PureWindowsPath('C:\\Users\\Ann Lee\\models', 'net.safetensors')
    assert is_weights(str(path)) and is_weights('C:\\models\\best.pth')
    for name, loader in ((path, 'load_from_safetensors'),
                         (path.with_suffix('.pth'), 'load_from_local')):
        assert CheckpointLoader._get_checkpoint_loader(str(name)).__name__ == loader


def test_a_folder_comes_through_a_config():
    folder = PureWindowsPath('C:\\new\\table of Ann\\x41')  # \n, \t and \x mean something
    config = read_config_text(f'data_root = {str(folder)!r}\nother = {folder.as_posix()!r}')
    assert PureWindowsPath(config.data_root) == PureWindowsPath(config.other) == folder


def test_commands_are_quoted_as_windows_does():
    assert quoted('C:\\Program Files\\python.exe', windows=True) == (
        '"C:\\Program Files\\python.exe"')
    assert quoted('.venv\\Scripts\\python.exe', windows=True) == '.venv\\Scripts\\python.exe'
    assert quoted('my clone/python', windows=False) == "'my clone/python'"
