"""What the tools print of errors: a user's is told, any other says where it happened."""
import sys

import pytest

from fcn_plugin.utils.cli import run
from fcn_plugin.utils.errors import (
    InputError,
    InputTypeError,
    LeftOutError,
    NotFiniteError,
    UserError,
)


def failing(error):
    def main():
        raise error
    return main


def printed(error, capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tool'])
    with pytest.raises(SystemExit) as ended:
        run(failing(error))
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and err.startswith('error: ')
    return err.strip()


@pytest.mark.parametrize('error', [
    InputError('--tile is -1,\nexpected more than 0'), UserError('no run'),
    FileNotFoundError(2, 'No such file or directory', 'a.jpg'),
])
def test_a_users_error_is_told_and_nothing_more(error, capsys, monkeypatch):
    assert printed(error, capsys, monkeypatch) == f'error: {" ".join(str(error).split())}'


@pytest.mark.parametrize('error', [
    TypeError('f() takes 1 argument'), KeyError('palette'), AssertionError(),
    RuntimeError('size mismatch'), AttributeError('no such thing'), ZeroDivisionError('1/0'),
    ValueError('of some library'), OSError(),
])
def test_any_other_error_says_where_it_happened(error, capsys, monkeypatch):
    said = printed(error, capsys, monkeypatch)
    assert f'({type(error).__name__} in test_utils/test_cli.py, line ' in said
    assert said.endswith('; --debug shows all of it)')
    assert str(error.args[0] if error.args else '') in said


@pytest.mark.parametrize('error, code, said', [
    (KeyboardInterrupt(), 130, '\ninterrupted\n'), (BrokenPipeError(), 1, ''),
    (LeftOutError('1 of 2'), 1, 'error: 1 of 2\n'), (InputError('no'), 2, 'error: no\n')])
def test_exit_codes(error, code, said, tmp_path, capsys, monkeypatch):
    """What is printed once nobody reads goes nowhere. Freed memory is kept from the start."""
    called = []
    monkeypatch.setattr('fcn_plugin.utils.cli.keep_freed_memory', lambda: called.append(1))
    monkeypatch.setattr(sys, 'argv', ['tool'])
    with (tmp_path / 'out').open('w') as out:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
            patch.setattr(sys, 'stdout', out)
            run(failing(error))
        out.write('more')
    assert ended.value.code == code and capsys.readouterr().err == said and called
    assert (tmp_path / 'out').read_text() == ('' if type(error) is BrokenPipeError else 'more')


def test_debug_shows_the_traceback(monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['tool', '--debug'])
    with pytest.raises(KeyError):
        run(failing(KeyError('palette')))


def test_users_errors_are_built_in_ones_as_well():
    """Code that catches the built-in error goes on to work."""
    assert issubclass(InputError, ValueError) and issubclass(InputTypeError, TypeError)
    assert issubclass(NotFiniteError, FloatingPointError)
