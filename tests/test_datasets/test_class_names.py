"""Names of classes in the files of annotation programs, as these and people write them."""
import pytest

from fcn_plugin.masks.class_names import ClassNames, does_not_count, read_class_names


def read(root, name, text, encoding='utf-8'):
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(encoding))
    return read_class_names(root)


@pytest.mark.parametrize('text, names', [
    ('road\ncar\n', ['road', 'car']),
    ('road\r\ncar\r\n\r\n', ['road', 'car']),
    ('road\rcar\r', ['road', 'car']),
    ('# mine\n\nroad\n   \n  car  \n', ['road', 'car']),
    ('a, b\n"c": d\n道路\n🚗\nStraße\n', ['a, b', '"c": d', '道路', '🚗', 'Straße']),
    ('__ignore__\n_background_\ncar\n', ['_background_', 'car']),
])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_lists(tmp_path, text, names, encoding):
    for name in ('classes.txt', 'masks/class_names.txt'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        found, notes = read(tmp_path, name, text, encoding)
        assert found == ClassNames(name, dict(enumerate(names)), 'order') and not notes
        (tmp_path / name).unlink()


@pytest.mark.parametrize('text, names', [
    ('1 road\n0 the sea\n', {1: 'road', 0: 'the sea'}),
    ('7: road\n8 : 道路\n', {7: 'road', 8: '道路'}), ('0. a\n1. b 2', {0: 'a', 1: 'b 2'}),
    ('road=3\nsea=1', {3: 'road', 1: 'sea'}), ('road\t3\nsea\t1', {3: 'road', 1: 'sea'}),
])
def test_lists_that_say_the_values(tmp_path, text, names):
    found, notes = read(tmp_path, 'classes.txt', text)
    assert found == ClassNames('classes.txt', names, 'values') and not notes


@pytest.mark.parametrize('names', [
    ['2 wheeler', 'car'], ['2 wheels', '2 doors'], ['0', '1'], ['disc 1', 'disc 2'],
    ['a: 1', 'b'], ['0 128 9 road', '128 0 9 car'], ['1. FC', '2.']])
def test_names_with_numbers_are_names(tmp_path, names):
    found, _ = read(tmp_path, 'codes.txt', '\n'.join(names))
    assert found == ClassNames('codes.txt', dict(enumerate(names)), 'order')


def test_lists_of_older_windows_programs(tmp_path):
    assert read(tmp_path, 'classes.txt', 'Straße\nBäume', 'cp1252')[0].names == {
        0: 'Straße', 1: 'Bäume'}


@pytest.mark.parametrize('text, names', [
    ('# label:color_rgb:parts:actions\nroad:1,2,3::\nsea:0,0,255::\n',
     {0x010203: 'road', 0x0000FF: 'sea'}),
    ('a:b:0,0,0::\nc, "d":255,255,255:left,right:walk\n', {0: 'a:b', 0xFFFFFF: 'c, "d"'}),
    ('道路 : 0, 0, 9\r\n\r\n车:0,0,8', {9: '道路', 8: '车'}),
    ('12:1,2,3::\n', {0x010203: '12'}),
])
def test_colours(tmp_path, text, names):
    found, notes = read(tmp_path, 'labelmap.txt', text)
    assert found == ClassNames('labelmap.txt', names, 'colours') and not notes
    assert list(found.names) == list(names)  # in the order of the file


@pytest.mark.parametrize('text, names', [
    ('Pixel Value, Class\n0, road\n1, car\n', {0: 'road', 1: 'car'}),
    ('5,road\n2,car', {5: 'road', 2: 'car'}),
    ('Pixel Value,Class\r\n0,"a, b"\r\n1,"say ""hi"""\r\n\r\n', {0: 'a, b', 1: 'say "hi"'}),
    ('0, a, b\n1, 道路', {0: 'a, b', 1: '道路'}),
    ('value,name,r,g,b\n0,road,128,64,128\n', {0: 'road'}),
    ('0,road,128,64,128\n', {0: 'road'}),
    ('value,name,note\n0,road,of any kind\n', {0: 'road'}),
])
def test_values(tmp_path, text, names):
    found, notes = read(tmp_path, 'train/_classes.csv', text, 'utf-8-sig')
    assert found == ClassNames('train/_classes.csv', names, 'values') and not notes


@pytest.mark.parametrize('name, text, said', [
    ('classes.txt', 'a\nb\na\n', r"classes.txt: 'a' is the name of several.*number 1, 3"),
    ('labelmap.txt', 'a:0,0,0::\na:1,1,1::', "labelmap.txt: 'a' is the name of several"),
    ('labelmap.txt', 'a:0,0,0::\nb:0,0,0::', "#000000 stands for 'a' and 'b'"),
    ('labelmap.txt', 'a:0,0,0::\nb:::', "'b:::' is not of the form NAME:R,G,B::"),
    ('labelmap.txt', 'a:0,0,0::\nb:0,0,256', "'b:0,0,256' is not of the form"),
    ('_classes.csv', '0,a\n0,b', "_classes.csv: 0 stands for 'a' and 'b'"),
    ('_classes.csv', '0,a\n1,a', "'a' is the name of several classes"),
    ('_classes.csv', '0,a\nx,b', "'x, b' is not of the form VALUE, NAME"),
    ('_classes.csv', '0,a\n1,', "'1, ' is not of the form VALUE, NAME"),
])
def test_what_cannot_be_right(tmp_path, name, text, said):
    with pytest.raises(ValueError, match=said):
        read(tmp_path, name, text)


def test_files_that_hold_no_names(tmp_path):
    assert read_class_names(tmp_path) == (None, [])
    found, (note, ) = read(tmp_path, 'labelmap.txt', 'road\ncar\n')
    assert found is None and note.startswith('labelmap.txt holds no names')
    assert read(tmp_path, 'labelmap.txt', '# nothing\n')[0] is None


def test_a_second_file_is_named_where_it_differs(tmp_path):
    read(tmp_path, 'train/_classes.csv', '0,a\n1,b')
    assert read(tmp_path, 'valid/_classes.csv', '0, a\n1, b\n')[1] == []
    found, notes = read(tmp_path, 'valid/_classes.csv', '0,b\n1,a')
    assert found.file == 'train/_classes.csv'
    assert notes == ['valid/_classes.csv differs from train/_classes.csv and is not read']


def test_a_file_beside_masks_far_below(tmp_path):
    """As the Semantic Drone Dataset has it, in the folder that its archive makes."""
    file = 'a/training_set/gt/semantic/class_dict.csv'
    found, _ = read(tmp_path, file, 'name,r,g,b\nx,0,0,0\n')
    assert found.names == {0: 'x'}


@pytest.mark.parametrize('name, expected', [
    ('void', True), ('__ignore__', True), ('_ignore_', True), ("Don't care", True),
    ('UNLABELED', True), ('out of roi', True), ('background', False), ('avoid', False),
    ('_background_', False), ('道路', False), ('other', False)])
def test_names_of_what_does_not_count(name, expected):
    assert does_not_count(name) == expected
