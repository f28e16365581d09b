"""Paths and commands as they are printed."""
import shlex
import subprocess
import sys

import pytest
from tiny_runs import ROOT

from fcn_plugin.utils.paths import python_command, shown, tool_command


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
