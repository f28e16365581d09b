"""A TIFF that lacks a part of its pixels is named by all readers; others are as before."""
import struct

import numpy as np
import pytest

from fcn_plugin.datasets.bad_samples import BadSampleError, check_file
from fcn_plugin.images.multichannel import read_channels
from fcn_plugin.images.opening import open_picture
from fcn_plugin.images.reading import read_image
from fcn_plugin.masks.reading import read_mask

tifffile = pytest.importorskip('tifffile')
PIXELS = np.arange(1, 1 + 40 * 24, dtype=np.uint16).astype(np.uint8).reshape(40, 24) | 1
KINDS = [dict(rowsperstrip=7), dict(tile=(16, 16)), dict(rowsperstrip=40)]


def offsets_of(data):
    """Where the table of a file's tiles or strips stands, and how many they are."""
    for tag in (273, 324):
        at = data.find(struct.pack('<HH', tag, 4), 8)
        if at >= 0:
            return at, struct.unpack_from('<I', data, at + 4)[0]


def write(path, pixels=PIXELS, **how):
    tifffile.imwrite(path, pixels, photometric='rgb' if pixels.ndim == 3 else 'minisblack',
                     metadata=None, **how)
    return bytearray(path.read_bytes())


def refused(path, words):
    for read in (read_image, read_mask):
        with pytest.raises(ValueError, match=words):
            read(path)
    with pytest.raises(BadSampleError, match=f"cannot use '{path}': .*{words}"):
        check_file(str(path))
    with pytest.raises(ValueError, match=words):
        read_image(path.read_bytes())


@pytest.mark.parametrize('how', KINDS)
def test_whole_ones_are_read(tmp_path, how):
    write(tmp_path / 'a.tif', **how)
    assert (read_mask(tmp_path / 'a.tif').values == PIXELS).all()
    assert (read_image(tmp_path / 'a.tif') == PIXELS[..., None]).all()
    check_file(str(tmp_path / 'a.tif'))


@pytest.mark.parametrize('how', KINDS[:2])
def test_a_table_that_is_too_short(tmp_path, how):
    """The rest was read as zeros."""
    path = tmp_path / 'a.tif'
    data = write(path, **how)
    at, count = offsets_of(data)
    data[at + 4:at + 8] = struct.pack('<I', count - 1)
    path.write_bytes(data)
    refused(path, f'it is damaged, as its {count - 1} tiles or strips hold [0-9]+ of 960')


@pytest.mark.parametrize('planar', ['contig', 'separate'])
def test_a_tile_that_is_left_out(tmp_path, planar):
    """GDAL leaves out what is not known; the file's first bytes were read in its place."""
    path = tmp_path / 'a.tif'
    pixels = np.stack([PIXELS] * 3, 0 if planar == 'separate' else 2)
    data = write(path, pixels, tile=(16, 16), planarconfig=planar)
    assert (read_mask(path).values == PIXELS).all()
    at, count = offsets_of(data)
    where, = struct.unpack_from('<I', data, at + 8)
    data[where:where + 4] = bytes(4)
    path.write_bytes(data)
    refused(path, f'1 of its {count} tiles or strips are missing: write it again in full')
    assert not read_channels(bytes(data), 'a.tif')[:16, :16, 0].all()  # unknown, thus zero


def test_a_plane_that_is_missing(tmp_path):
    path = tmp_path / 'a.tif'
    data = write(path, np.stack([PIXELS] * 3), planarconfig='separate', rowsperstrip=20)
    at, count = offsets_of(data)
    data[at + 4:at + 8] = struct.pack('<I', count - 2)
    path.write_bytes(data)
    refused(path, 'tiles or strips hold 1920 of 2880 pixels')


def test_files_are_closed(tmp_path):
    write(tmp_path / 'a.tif')
    with open_picture(tmp_path / 'a.tif') as picture:
        file = picture.fp
    assert file.closed and picture.fp is None
