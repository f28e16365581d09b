"""Files are whole under their final name, or not there."""
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tiny_runs import run_tool

from fcn_plugin.checkpoints.writing import write_checkpoint
from fcn_plugin.utils.errors import InputError
from fcn_plugin.utils.files import (
    check_outputs,
    decoded_text,
    move_into,
    naming_disk,
    new_folder,
    no_outputs,
    output_folder,
    read_list,
    replacing,
    staging_folder,
    write_text,
)


def left(folder):
    return {path.relative_to(folder).as_posix(): path.read_text()
            for path in Path(folder).rglob('*') if path.is_file()}


@pytest.mark.parametrize('tool, arguments', [
    ('predict.py', ['--img-path', '{photos}', '--weight-path', '{best}', '--out-dir']),
    ('predict_show.py', ['--img-path', '{photos}', '--weight-path', '{best}', '--out-dir']),
    ('analysis_tools/suggest.py', ['{best}', '{photos}', '--out-dir']),
    ('analysis_tools/evaluate_folder.py', ['{best}', '{photos}', '{photos}', '--out-dir'])])
def test_a_folder_is_not_called_like_a_picture(trained, photos, tmp_path, tool, arguments):
    (photos / 'A.png').write_bytes((photos / 'b.png').read_bytes())
    done = run_tool(tool, *(each.format(photos=photos, best=trained / 'best.pth')
                            for each in arguments), tmp_path / 'out.png')
    assert done.code == 2 and "out.png' ends in .png, expected a folder" in done.err, done
    assert not (tmp_path / 'out.png').exists()


def test_a_list_is_read_without_the_mark_of_windows(tmp_path):
    (tmp_path / 'train.txt').write_text('ä b\nc\n', encoding='utf-8-sig')
    assert read_list(tmp_path / 'train.txt') == ['ä b', 'c']
    (tmp_path / 'train.txt').write_text(' \n\n', encoding='utf-8-sig')
    with pytest.raises(InputError, match='train.txt is an empty list'):
        read_list(tmp_path / 'train.txt')


@pytest.mark.parametrize('encoding, mark', [
    ('utf-8', b''), ('utf-8-sig', b''), ('utf-16-le', b'\xff\xfe'), ('utf-16-be', b'\xfe\xff'),
    ('cp1252', b'')])
def test_text_of_windows_programs(tmp_path, encoding, mark):
    (tmp_path / 'classes.txt').write_bytes(mark + 'Büro, 5 €\n'.encode(encoding))
    assert decoded_text(tmp_path / 'classes.txt') == 'Büro, 5 €\n'


def test_outputs_are_no_inputs_in_their_own_folder_alone(tmp_path):
    inputs = [tmp_path / 'in/a.png', tmp_path / 'out/a.png', None,
              tmp_path / 'in/../out/a.png']
    assert no_outputs(inputs, [tmp_path / 'out/a.png']) == [0, 2]


def test_text_that_cannot_be_written_leaves_the_file_as_it_was(tmp_path):
    write_text(tmp_path / 'new/page.html', 'ä\n')
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / 'new/page.html', 'longer than before\udc80')
    assert left(tmp_path) == {'new/page.html': 'ä\n'}
    write_text(tmp_path / 'new/page.html', 'b')
    assert left(tmp_path) == {'new/page.html': 'b'}


def test_a_reader_keeps_the_text_that_it_has_opened(tmp_path):
    """As the file is renamed into its place, never written there."""
    path = tmp_path / 'runs.md'
    write_text(path, 'before')
    with open(path) as reader:
        write_text(path, 'after')
        assert reader.read() == 'before'


@pytest.mark.skipif(not Path('/sys/kernel').is_dir(), reason='no /sys, which takes no files')
def test_a_place_that_may_not_be_written_is_told_before_any_work(trained, photos, tmp_path):
    place = Path('/sys/kernel/new/a.html')
    with pytest.raises(PermissionError, match="to '/sys/kernel' .+ another place by --out$"):
        check_outputs([tmp_path / 'a.png', place], True)
    check_outputs([tmp_path / 'new' / 'a.png', Path('a.png')], True)
    assert [each.name for each in tmp_path.iterdir()] == ['photos'], 'nothing is left of it'
    done = run_tool('predict.py', '--img-path', photos, '--weight-path',
                    trained / 'best.pth', '--out-dir', place.parent)
    assert done.code == 2 and "error: nothing can be written to '/sys/kernel'" in done.err
    for tool, *arguments in (('test.py', trained / 'config.py', trained / 'best.pth'),
                             ('train.py', trained / 'config.py'), ('train.py', photos)):
        done = run_tool(tool, *arguments, '--work-dir', place.parent)
        assert done.code == 2 and done.err.rstrip().endswith('another place by --work-dir')


def test_a_full_disk_is_told_once(tmp_path):
    with pytest.raises(OSError, match=r'a\.tif') as found, replacing(
            tmp_path / 'a.tif') as beside:
        with naming_disk('; what was there is as it was', 'b'):
            raise OSError(errno.ENOSPC, 'full', str(beside))
    assert str(found.value).count('as it was') == 1


def test_several_that_make_the_same_folder_at_once(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        names = list(pool.map(partial(new_folder, tmp_path / 'work'), ['run'] * 40))
    assert sorted(names) == sorted(['run', *(f'run_{i}' for i in range(2, 41))])
    assert sorted(path.name for path in tmp_path.glob('work/*')) == sorted(names)


def test_several_that_write_the_same_file_at_once(tmp_path):
    """As two calls of run_experiments.py in one work dir do."""
    path, texts = tmp_path / 'runs.md', [str(number) * 9 for number in range(400)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(partial(write_text, path), texts))
    assert list(left(tmp_path)) == ['runs.md'] and path.read_text() in texts


def test_a_file_in_place_of_another(tmp_path):
    path = tmp_path / 'iter_8.pth'
    with replacing(path) as beside:
        beside.write_text('whole')
        assert beside.suffix == '.pth' and not path.exists()
    with pytest.raises(KeyboardInterrupt), replacing(path) as beside:
        beside.write_text('ha')
        raise KeyboardInterrupt
    assert left(tmp_path) == {'iter_8.pth': 'whole'}


def test_what_must_outlive_a_power_cut_waits_for_the_disk(tmp_path, monkeypatch):
    waited, fsync = [], os.fsync

    def note(file):
        waited.append(os.fstat(file).st_ino)
        fsync(file)

    monkeypatch.setattr(os, 'fsync', note)
    write_checkpoint(tmp_path / 'a.pth', {})
    with replacing(tmp_path / 'b.onnx', to_disk=True) as beside:
        beside.write_text('whole')
    write_text(tmp_path / 'c.txt', 'soon written again')
    assert waited == [(tmp_path / name).stat().st_ino for name in ('a.pth', 'b.onnx')]


def test_a_staging_folder_is_empty_and_goes_away(tmp_path):
    target = tmp_path / 'data'
    leftover = tmp_path / 'data.part/old'
    leftover.mkdir(parents=True)
    (leftover / 'half.png').write_text('of a process that was killed')
    with staging_folder(target) as staging:
        assert not list(staging.iterdir())
        (staging / 'a').write_text('1')
        move_into(staging, target)
    assert left(tmp_path) == {'data/a': '1'}
    with pytest.raises(ZeroDivisionError), staging_folder(target) as staging:
        (staging / 'a').write_text('2')
        raise ZeroDivisionError
    assert left(tmp_path) == {'data/a': '1'}


def test_what_is_moved_in_replaces_files_of_the_same_names_alone(tmp_path):
    source, target = tmp_path / 'source', tmp_path / 'target'
    for path in (source / 'x/a', source / 'x/y/b', target / 'x/b'):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.relative_to(tmp_path).as_posix())
    (target / 'x/a').write_text('old')
    move_into(source, target)
    assert left(target) == {'x/a': 'source/x/a', 'x/y/b': 'source/x/y/b', 'x/b': 'target/x/b'}


@pytest.mark.parametrize('name, words', [
    ('notes', "notes' is a file, expected a folder"), ('new.png', "new.png' ends in .png"),
    ('folder.png', None), ('new', None)])
def test_folders_to_write_into(tmp_path, name, words):
    (tmp_path / 'notes').touch()
    (tmp_path / 'folder.png').mkdir()
    if words is None:
        assert output_folder(str(tmp_path / name)) == tmp_path / name
        return
    with pytest.raises(NotADirectoryError, match=words):
        output_folder(tmp_path / name)
