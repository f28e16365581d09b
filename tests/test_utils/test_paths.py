"""Paths and commands as they are printed."""
import shlex
import subprocess
import sys

import pytest
from tiny_runs import ROOT

from fcn_plugin.utils import paths
from fcn_plugin.utils.paths import python_command, shown, tool_command


def test_configs_of_an_installed_package_are_its_own(tmp_path, monkeypatch):
    """Not those that lie beside it, which may be anybody's."""
    monkeypatch.setattr(paths, '_PACKAGE', tmp_path / 'fcn_plugin')
    (tmp_path / 'configs').mkdir()
    assert paths.config_root() == tmp_path / 'configs'
    (tmp_path / 'fcn_plugin/.mim/configs').mkdir(parents=True)
    assert paths.config_root() == tmp_path / 'fcn_plugin/.mim/configs'


def test_shown_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / 'a' / 'b.pth') == 'a/b.pth'
    assert shown('a') == 'a'
    assert shown(f'{tmp_path}-other/b') == f'{tmp_path}-other/b'


def test_shown_keeps_links(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'python').symlink_to(sys.executable)
    assert shown(tmp_path / 'python') == 'python'


@pytest.mark.parametrize('running', ['train.py', 'misc/check_dataset.py'])
def test_the_command_of_a_tool_beside_the_running_one(monkeypatch, running):
    monkeypatch.setattr('sys.argv', [str(ROOT / 'tools' / running)])
    monkeypatch.chdir(ROOT)
    assert tool_command('misc/doctor.py') == f'{python_command()} tools/misc/doctor.py'


def test_the_command_outside_of_tools(monkeypatch):
    monkeypatch.setattr('sys.argv', ['-c'])
    assert tool_command('test.py').endswith(' tools/test.py')


def test_the_command_runs_where_names_have_spaces(tmp_path, monkeypatch):
    tools = tmp_path / 'my clone' / 'tools'
    tools.mkdir(parents=True)
    (tools / 'hello.py').write_text("print('hello')")
    monkeypatch.setattr('sys.argv', [str(tools / 'misc' / 'x.py')])
    out = subprocess.run(tool_command('hello.py'), shell=True, text=True, check=True,
                         stdout=subprocess.PIPE).stdout
    assert out == 'hello\n'
    assert shlex.split(tool_command('hello.py'))[0] == shown(sys.executable)


def test_the_command_where_fcn_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / 'bin' / 'fcn'
    script.parent.mkdir()
    script.touch(mode=0o755)
    predict = 'predict.py', '--weight-path', 'a.pth', '--img-path', 'b.jpg'
    said = 'predict --checkpoint a.pth b.jpg'
    monkeypatch.setattr('sys.argv', [str(script), 'train'])
    assert tool_command(*predict) == f'bin/fcn {said}'
    monkeypatch.setenv('PATH', str(script.parent))
    assert tool_command(*predict) == f'fcn {said}'
    assert tool_command('misc/check_dataset.py') == 'fcn check-data'
    other = tmp_path / 'other' / 'fcn'  # of another environment
    other.parent.mkdir()
    other.touch(mode=0o755)
    monkeypatch.setenv('PATH', str(other.parent))
    assert tool_command(*predict) == f'bin/fcn {said}'
    monkeypatch.setattr('sys.argv', [str(ROOT / 'fcn_plugin' / '__main__.py'), 'train'])
    assert tool_command(*predict) == f'{python_command()} -m fcn_plugin {said}'
    monkeypatch.setattr('sys.argv', [str(ROOT / 'tools' / 'train.py')])
    assert tool_command(*predict).endswith(
        ' tools/predict.py --weight-path a.pth --img-path b.jpg'.replace(
            ' tools', f' {ROOT}/tools'))
