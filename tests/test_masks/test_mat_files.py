"""Files of MATLAB: what they may hold is read, what would end the process is refused."""
import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from fcn_plugin.masks.mat_files import load_mat

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
    dict(a=np.eye(2), b=dict(c='deep', d=CELLS)), csc_matrix(np.eye(3)), np.ones(3, bool)],
    ids=str)
def test_what_scipy_writes_is_read(tmp_path, value, packed):
    savemat(tmp_path / 'a.mat', dict(S=value, T=np.ones(1000)), do_compression=packed)
    found = load_mat(tmp_path / 'a.mat', ('S', 'T'))
    assert found['T'].sum() == 1000
    assert repr(found['S']) == repr(loadmat(tmp_path / 'a.mat')['S'])


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


@pytest.mark.parametrize('order', ['<', '>'])
@pytest.mark.parametrize('holds, sizes, fields', [
    (1, (1, 2 ** 28), 0), (1, (40, 1), 0), (2, (2 ** 14, 2 ** 14), 1), (2, (1, 20), 3),
    (3, (2 ** 30, 1), 1)])
def test_more_cells_than_bytes(tmp_path, holds, sizes, fields, order):
    """scipy made room for them: 280 bytes took 3 GB."""
    names = element(5, struct.pack(f'{order}i', 2), order) + element(1, b'a\0' * fields, order)
    parts = (element(6, struct.pack(f'{order}II', holds, 0), order)
             + element(5, struct.pack(f'{order}ii', *sizes), order) + element(1, b'S', order)
             + element(1, b'kind', order) * (holds == 3) + names * (holds > 1))
    parts += element(14, order=order) * 4  # empty arrays
    path = write(tmp_path / 'a.mat', element(14, parts, order), order=order)
    with pytest.raises(ValueError, match=rf'{sizes[0]} x {sizes[1]} cells in \d+ bytes'):
        load_mat(path, ('S', ))


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
