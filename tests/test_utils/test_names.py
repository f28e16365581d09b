"""Files, found by the lines of lists."""
import os
import tempfile
from pathlib import Path

import pytest

from fcn_plugin.utils.errors import InputError
from fcn_plugin.utils.names import (
    NamedFiles,
    every_file,
    name_apart,
    parts_of,
    written_by_predict,
)

ROOT = Path('/data')


@pytest.mark.parametrize('line, files, found', [
    ('1.png', ['a/1.png', 'b/2.png'], ['a/1.png']),
    ('1', ['a/1.png', 'a/1.jpg'], ['a/1.png', 'a/1.jpg']),
    ('1.jpg', ['a/1.png'], ['a/1.png']),
    ('1.png', ['a/1.png', 'b/1.png'], ['a/1.png', 'b/1.png']),
    ('b/1.png', ['a/1.png', 'b/1.png'], ['b/1.png']),
    # the last folder says more than others in another order
    ('/home/a/b/1.png', ['b/a/1.png', 'c/b/1.png'], ['c/b/1.png']),
    (r'..\images\b\1.png', ['a/1.png', 'b/1.png'], ['b/1.png']),
    # then a folder anywhere, then the fewest folders
    ('train/left/1.png', ['train/x/1.png', 'val/x/1.png'], ['train/x/1.png']),
    ('1.png', ['a/1.png', 'a/b/1.png'], ['a/1.png']),
    ('1.png masks/1.png', ['x/1.png'], ['x/1.png']),
    ('my 1.png, mine', ['x/my 1.png', 'x/1.png'], ['x/my 1.png']),
    # what stands behind a point and is no end of images is of the name
    ('1.2', ['x/1.png'], []), ('1.2', ['x/1.png', 'x/1.2.png'], ['x/1.2.png']),
    ('3.png', ['x/1.png'], []), ('', ['x/1.png'], [])])
def test_files_of_a_line(line, files, found):
    named = NamedFiles(ROOT, [ROOT / file for file in files])
    assert named.of_line(line) == [ROOT / file for file in found]


def test_names_have_as_many_folders_as_tell_them_apart():
    seen = {}
    assert [name_apart(path, seen) for path in (
        'a/x/1.png', 'b/x/1.png', 'c/x/1.png', 'a/x/1.png')] == [
        '1.png', 'x_1.png', 'c_x_1.png', '1.png']


def test_folders_of_a_path_are_those_that_have_names():
    assert parts_of('./../a//b/1.png') == parts_of(r'a\b\1.png') == ('a', 'b', '1.png')


def test_what_predict_wrote_is_known_by_what_lies_beside_it(tmp_path):
    names = ['1_labels.png', '1_overlay.jpg', '1_heatmap_car.jpg', '2_overlay.jpg',
             'a.MP4', 'a_overlay.mp4', 'b_overlay.mp4', '3.png']
    for name in names:
        (tmp_path / name).touch()
    files = [tmp_path / name for name in names]
    assert {file.name: what for file, what in written_by_predict(files).items()} == {
        '1_labels.png': 'labels', '1_overlay.jpg': 'overlay',
        '1_heatmap_car.jpg': 'heatmap_car', 'a_overlay.mp4': 'overlay'}


@pytest.mark.skipif(not hasattr(os, 'geteuid'), reason='the system has no such rights')
@pytest.mark.parametrize('name', ['masks', 'lost+found'])
def test_a_folder_that_may_not_be_read_is_not_passed_over(name):
    """Masks that may not be read, say, of which nothing else would speak."""
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / '1.png').touch()
        (root / name).mkdir(mode=0)
        if not user:
            os.seteuid(65534)  # root may read all
        try:
            if name == 'masks':
                with pytest.raises(InputError, match='masks: what is in this folder cannot'):
                    list(every_file(root))
            else:
                assert list(every_file(root)) == [root / '1.png']
        finally:
            os.seteuid(user)
            (root / name).chmod(0o700)
