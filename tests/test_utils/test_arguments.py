"""What the tools' command lines share."""
import os
import re

import pytest

from fcn_plugin.utils.arguments import ToolParser, options_of
from fcn_plugin.utils.errors import InputError


def parsed(monkeypatch, parser, *arguments, **how):
    monkeypatch.setattr('sys.argv', ['tool.py', *arguments])
    return parser.parse(**how)


def test_parse_gives_what_a_function_takes(monkeypatch):
    parser = ToolParser('Does it.')
    parser.add_shared('--cfg-options')
    parser.add_shared('--opacity', default=0.5)
    given = parsed(monkeypatch, parser, '--debug', '--cfg-options', 'a.b=1', 'c=[1,2]')
    assert given == dict(cfg_options={'a.b': 1, 'c': [1, 2]}, opacity=0.5)


def test_options_given_twice_add_up(monkeypatch):
    parser = ToolParser('Does it.')
    parser.add_shared('--cfg-options')
    given = parsed(monkeypatch, parser, '--cfg-options', 'a=1', 'c=4', '--cfg-options', 'a=3')
    assert given == dict(cfg_options=dict(a=3, c=4))


def test_changes_leave_the_next_parser_alone(monkeypatch):
    ToolParser('One.').add_shared('--opacity', default=0.1)
    other = ToolParser('Two.')
    other.add_shared('--opacity')
    assert parsed(monkeypatch, other) == dict(opacity=0.6)


def test_an_override_without_a_value_is_named(monkeypatch, capsys):
    parser = ToolParser('Does it.')
    parser.add_shared('--cfg-options')
    with pytest.raises(SystemExit) as end:
        parsed(monkeypatch, parser, '--cfg-options', 'train_cfg.max_iters', '100')
    assert end.value.code == 2
    assert "expected KEY=VALUE" in (said := capsys.readouterr().err)
    assert "not 'train_cfg.max_iters'" in said


@pytest.mark.parametrize('text, value', [
    ('/data/my images/x  y', '/data/my images/x  y'), ("'x y'", 'x y'), (' 5 ', 5),
    ('[traffic light, car]', ['traffic light', 'car']), ('[1, 2,  3]', [1, 2, 3]),
    ('( [a b, 1.5] , c )', (['a b', 1.5], 'c')), ('1, True', [1, True])])
def test_values_keep_their_blanks(text, value):
    assert options_of([f'a.b={text}']) == {'a.b': value}


@pytest.mark.parametrize('text, value', [
    ('"/data/a, b"', '/data/a, b'), ("'a (1, 2], b'", 'a (1, 2], b'),
    ('["x, y", z, (\'u,v\', 1)]', ['x, y', 'z', ('u,v', 1)]), ('"a","b"', ['a', 'b']),
    ("it's, b's", ["it's", "b's"]), ('"[1,2]"', [1, 2]), ('"1,2"', [1, 2]), ('"1"', 1),
    ("('0016E5',)", ('0016E5', )), ("['007', '08, 9', 7]", ['007', '08, 9', 7]),
    ("'0.5'", 0.5), ("'1e-3'", 0.001), ('x,y', ['x', 'y'])])
def test_what_stands_in_quotes_is_one_text(text, value):
    assert options_of([f'a.b={text}']) == {'a.b': value}


@pytest.mark.parametrize('key', ['work_dir', 'test_dataloader.dataset.data_root', 'load_from'])
def test_a_path_with_a_comma_is_not_several(key):
    """It was an error of Python's that a list is no path."""
    with pytest.raises(InputError, match='one with a comma stands in quotes'):
        options_of([f'{key}=/data/a,b'])
    assert options_of([f'{key}="/data/a,b"']) == {key: '/data/a,b'}


@pytest.mark.parametrize('value', [
    '[dict(type=LoadImageFromFile),dict(type=PackSegInputs)]', 'dict(type=FPN)', '[(1,2]',
    "{'type': 'FPN'}", "[{'type': 'FPN'}]",
    'a(1,2),b(3,4)'])
def test_a_value_that_cannot_be_read_is_named(monkeypatch, value):
    parser = ToolParser('Does it.')
    parser.add_shared('--cfg-options')
    with pytest.raises(InputError, match=re.escape(f"'a.b={value}': expected a value")):
        parsed(monkeypatch, parser, '--cfg-options', 'c=1', f'a.b={value}')


@pytest.mark.parametrize('given', ['--local_rank=3', '--local-rank=3'])
def test_the_launcher_says_the_local_rank(monkeypatch, given):
    monkeypatch.setenv('LOCAL_RANK', '')  # restored afterwards
    monkeypatch.delenv('LOCAL_RANK')
    parser = ToolParser('Does it.')
    parser.add_launcher()
    assert parsed(monkeypatch, parser, given, '--launcher', 'pytorch') == dict(
        launcher='pytorch')
    assert os.environ['LOCAL_RANK'] == '3'


def test_torchrun_says_the_local_rank_by_the_environment(monkeypatch):
    monkeypatch.setenv('LOCAL_RANK', '2')
    parser = ToolParser('Does it.')
    parser.add_launcher()
    parsed(monkeypatch, parser)
    assert os.environ['LOCAL_RANK'] == '2'


def test_help_keeps_the_lines_of_the_docstring(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        parsed(monkeypatch, ToolParser('Does it.\n\n    python tool.py 1\n'), '--help')
    out = capsys.readouterr().out
    assert '\n    python tool.py 1\n' in out and '--debug' in out
