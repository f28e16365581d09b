"""A config is named by its file or by its name, the same way wherever one is asked for."""
from collections import Counter
from pathlib import Path

import pytest
from mmengine.config import Config
from tiny_runs import BUILT_IN, CONFIGS, write_config

from fcn_plugin.checkpoints.loading import find_config
from fcn_plugin.diagnosis.describe import print_backbone
from fcn_plugin.utils.config import load_config
from fcn_plugin.utils.paths import config_file

NAME = BUILT_IN.stem
NAMED = [NAME, f'{NAME}.py', f'fcn/{NAME}', f'fcn/{NAME}.py']


@pytest.mark.parametrize('name', [*NAMED, str(BUILT_IN), BUILT_IN])
def test_by_file_or_by_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert config_file(name).resolve() == BUILT_IN


def test_both_readers_take_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = Config.fromfile(BUILT_IN).model
    for name in NAMED:
        config = load_config(name)
        assert config.model == expected and config.work_dir == f'work_dirs/{NAME}'
        assert find_config(name, {})[0].model == expected


def test_a_file_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, 'mine = True', f'{NAME}.py')
    (tmp_path / NAME).mkdir()  # as a work dir may be called
    assert load_config(f'{NAME}.py').mine
    assert config_file(NAME).resolve() == BUILT_IN


@pytest.mark.parametrize('read', [load_config, lambda name: find_config(name, {})])
def test_a_name_that_is_none_gives_the_closest(tmp_path, monkeypatch, read):
    monkeypatch.chdir(tmp_path)
    for wrong in ('fcn-8s_r18-half_shapes', f'configs/fcn/{NAME}.py'):
        with pytest.raises(FileNotFoundError, match=f'^{wrong}: no such config file.*{NAME}'):
            read(wrong)
    with pytest.raises(FileNotFoundError, match="no config 'camvid'"):
        read('camvid')  # the name of a plan of experiments
    with pytest.raises(FileNotFoundError, match='^nosuch: no such config file or folder'):
        read('nosuch')


def test_a_packed_data_set_is_no_config(tmp_path):
    (tmp_path / 'mine.zip').touch()
    with pytest.raises(ValueError, match="ends in '.zip', expected .py. Unpack it"):
        load_config(str(tmp_path / 'mine.zip'))


def test_a_file_that_is_no_python_is_refused_by_both_readers(tmp_path):
    path = write_config(tmp_path, 'this is a text, (')
    for read in (load_config, lambda name: find_config(name, {})):
        with pytest.raises(ValueError, match='tiny.py cannot be read as a config'):
            read(str(path))


def test_no_two_configs_have_one_name():
    names = Counter(path.stem for path in Path(CONFIGS).glob('[!_]*/*.py'))
    assert max(names.values()) == 1


def test_a_backbone_is_described_by_the_name_of_its_config(capsys):
    print_backbone(NAME)
    assert 'ResNet' in capsys.readouterr().out


def test_names_that_begin_so_come_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match='the closest are fcn-8s_vgg19_1xb16.*, fcn-8s_'
                       'vgg19_1xb16'):
        config_file('fcn-8s_vgg19')
