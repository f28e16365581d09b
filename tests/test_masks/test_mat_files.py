"""Files of MATLAB: what they may hold is read, what would end the process is refused."""
import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from fcn_plugin.masks.mat_files import load_mat, read_mat

CELLS = np.empty((1, 2), object)
CELLS[0] = [np.arange(3), 'a text']


def element(kind, content=b'', order='<'):
    return struct.pack(f'{order}II', kind, len(content)) + content + b'\0' * (
        -len(content) % 8)


def numbers(kind, content, order='<'):
    """A 1x1 array S of uint8 whose numbers are an element of that type."""
    head = (element(6, struct.pack(f'{order}II', 9, 0), order)
            + element(5, struct.pack(f'{order}ii', 1, 1), order) + element(1, b'S', order))
    return element(14, head + element(kind, content, order), order)


def write(path, *elements, order='<'):
    mark = b'\0\1IM' if order == '<' else b'\1\0MI'
    path.write_bytes(b'MATLAB 5.0 MAT-file'.ljust(124) + mark + b''.join(elements))
    return path


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('value', [
    np.arange(6, dtype=np.uint16).reshape(2, 3), 2.5, 1 + 2j, 'a text', [], CELLS,
    dict(a=np.eye(2), b=dict(c='deep', d=CELLS)), dict(a=1 + 2j, b=np.eye(2)),
    csc_matrix(np.eye(3)), np.ones(3, bool)],
    ids=str)
def test_what_scipy_writes_is_read(tmp_path, value, packed):
    savemat(tmp_path / 'a.mat', dict(S=value, T=np.ones(1000)), do_compression=packed)
    found = load_mat(tmp_path / 'a.mat', ('S', 'T'))
    assert found['T'].sum() == 1000
    assert repr(found['S']) == repr(loadmat(tmp_path / 'a.mat')['S'])


def test_a_file_of_matlab_4_shorter_than_the_head_of_5(tmp_path):
    savemat(tmp_path / 'a.mat', dict(S=np.eye(2)), format='4')
    assert (tmp_path / 'a.mat').stat().st_size < 124
    assert load_mat(tmp_path / 'a.mat', ('S', ))['S'].tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize('order', ['<', '>'])
def test_both_orders_of_bytes(tmp_path, order):
    path = write(tmp_path / 'a.mat', numbers(2, b'\7', order), order=order)
    assert load_mat(path, ('S', ))['S'].tolist() == [[7]]


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('kind', [0, 8, 14, 15, 19, 40, 65535])
def test_numbers_of_a_type_that_has_none(tmp_path, kind, order, packed):
    """They ended the process."""
    array = numbers(kind, b'', order)
    if packed:
        content = zlib.compress(array)
        array = struct.pack(f'{order}II', 15, len(content)) + content
    with pytest.raises(ValueError, match=f'type {kind} is out of place'):
        load_mat(write(tmp_path / 'a.mat', array, order=order), ('S', ))


def array(holds, sizes, *parts, order='<', name=b'S'):
    return element(14, element(6, struct.pack(f'{order}II', holds, 0), order) + element(
        5, struct.pack(f'{order}{len(sizes)}i', *sizes), order) + element(1, name, order)
        + b''.join(parts), order)


def fields(count, length=2, order='<'):
    return element(5, struct.pack(f'{order}i', length), order) + element(
        1, b'a\0' * count, order)


@pytest.mark.parametrize('array', [
    lambda: array(1, (1, 2 ** 28), element(14)), lambda: array(1, (1, 5), element(14) * 4),
    lambda: array(2, (2 ** 14, 2 ** 14), fields(1), element(14) * 9),
    lambda: array(2, (1, 2), fields(3), element(14) * 5),
    lambda: array(3, (2 ** 30, 1), element(1, b'kind'), fields(1), element(14) * 9),
    lambda: array(2, (1, 1), fields(1), array(1, (1, 2 ** 28), element(14), name=b'')),
    lambda: array(4, (1, 2 ** 30), element(16)), lambda: array(2, (1, 1), fields(1, 0)),
    lambda: array(9, (-1, -1), element(2, b'1')), lambda: array(9, (), element(2, b'1')),
    lambda: array(16, (1, 1), element(2, b'1')), lambda: array(18, (1, 1), element(2, b'1')),
    lambda: array(9, (1, 1), element(2)[:-4]),
    lambda: array(5, (1, 1), element(5, b'1') * 2),
    lambda: array(9, (1, 1), struct.pack('<HH', 2, 5) + b'1234', element(2, b'1')),
    lambda: element(14, element(6, b'\t\0\0\0')), lambda: array(9, (1, 1), element(2))[:60]])
def test_arrays_that_are_not_what_they_say(tmp_path, array):
    """Some ended the process, and scipy made room for all cells first: 280 bytes took 3 GB."""
    with pytest.raises(ValueError, match=(
            'a.mat is no MATLAB 5 file .* (out of place|no room|requires a buffer|a text of|'
            'without its flags|the class|the sizes|a length of)')):
        load_mat(write(tmp_path / 'a.mat', array()), ('S', ))


def test_what_unpacks_to_more_than_any_mask_has(tmp_path, monkeypatch):
    savemat(tmp_path / 'a.mat', dict(S=np.zeros(200)), do_compression=True)
    assert load_mat(tmp_path / 'a.mat', ('S', ))['S'].size == 200
    monkeypatch.setattr('fcn_plugin.masks.mat_files._MOST_BYTES', 1000)
    with pytest.raises(ValueError, match='an element of 1600 bytes has no room'):
        load_mat(tmp_path / 'a.mat', ('S', ))


def test_what_matlab_writes_for_an_empty_cell(tmp_path):
    """An array without bytes; the one after it is read."""
    cells = array(1, (1, 2), element(14), numbers(2, b'\7'))
    found = load_mat(write(tmp_path / 'a.mat', cells), ('S', ))['S']
    assert found[0, 0].size == 0 and found[0, 1].tolist() == [[7]]


@pytest.mark.parametrize('kind, coding', [(16, 'utf-8'), (17, 'utf-16-le'), (18, 'utf-32-le')])
def test_texts_in_unicode(tmp_path, kind, coding):
    text = array(4, (1, 2), element(kind, 'né'.encode(coding)))
    assert load_mat(write(tmp_path / 'a.mat', text), ('S', ))['S'].tolist() == ['né']


def test_other_variables_are_passed(tmp_path):
    broken = array(9, (1, 1), element(40), name=b'T')
    path = write(tmp_path / 'a.mat', broken, numbers(2, b'\7'), broken)
    assert load_mat(path, ('S', ))['S'].tolist() == [[7]]


def test_an_array_that_goes_on_beyond_its_end(tmp_path):
    """scipy reads on where the parts say, not where the array ends: the process ended."""
    inner = array(9, (1, 1), element(2, b'1'), name=b'')
    short = inner[:4] + struct.pack('<I', 8) + inner[8:-16] + element(40, b'1')
    with pytest.raises(ValueError, match='type 40 is out of place'):
        load_mat(write(tmp_path / 'a.mat', array(1, (1, 1), short)), ('S', ))


@pytest.mark.parametrize('value', ['text', csc_matrix(np.eye(3)), dict(a=1)], ids=str)
def test_what_is_no_array_of_numbers(tmp_path, value):
    savemat(tmp_path / 'a.mat', dict(S=value))
    with pytest.raises(ValueError, match="a.mat has no 'S', expected numbers"):
        read_mat(tmp_path / 'a.mat', ('S', ))


@pytest.mark.parametrize('shape', [(0, 0), (1, 1), (50, 1), (4, 5)])
@pytest.mark.parametrize('kind', [object, [('a', object)], [('a', object), ('bc', object)]])
def test_as_many_cells_as_bytes(tmp_path, shape, kind):
    cells = np.empty(shape, kind)
    for place in np.ndindex(shape):
        cells[place] = tuple([[]] * len(kind)) if isinstance(kind, list) else []
    savemat(tmp_path / 'a.mat', dict(S=cells))
    assert load_mat(tmp_path / 'a.mat', ('S', ))['S'].shape == shape


@pytest.mark.parametrize('content', [
    element(14, b'12345678'), element(14)[:4], struct.pack('<II', 14, 99),
    element(15, b'no zlib'), element(14) * 3 + element(99)])
def test_broken_files(tmp_path, content):
    with pytest.raises(ValueError, match='a.mat is no MATLAB 5 file'):
        load_mat(write(tmp_path / 'a.mat', content), ('S', ))
