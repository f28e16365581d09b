"""A TIFF that lacks a part of its pixels is named by all readers; others are as before."""
import struct
import sys

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


@pytest.mark.parametrize('how', [dict(), dict(compression='lzw'), dict(tile=(16, 16))])
@pytest.mark.parametrize('count', [2, 4])
@pytest.mark.parametrize('kind', ['uint8', 'uint16', 'float32'])
def test_planes_that_are_no_colours(tmp_path, kind, count, how):
    """The first was taken for all of a grey picture, where something packed them."""
    path = tmp_path / 'a.tif'
    planes = np.stack([PIXELS.astype(kind)] + [PIXELS.astype(kind)[::-1]] * (count - 1))
    tifffile.imwrite(path, planes, photometric='minisblack', planarconfig='separate',
                     metadata=None, **how)
    for source in (path, path.read_bytes()):
        with pytest.raises(ValueError, match='save three channels .* or train a network that '
                                             'takes channels as they are'):
            read_image(source)
    with pytest.raises(ValueError, match=f'it has {count} channels or pages, expected one'):
        read_mask(path)
    check_file(str(path))  # of a network that takes them all
    assert (read_channels(path.read_bytes(), 'a.tif') == planes.transpose(1, 2, 0)).all()


def test_files_are_closed(tmp_path):
    write(tmp_path / 'a.tif')
    with open_picture(tmp_path / 'a.tif') as picture:
        file = picture.fp
    assert file.closed and picture.fp is None


# --- numbers of other types and orders -------------------------------------------------

NUMBERS = np.arange(40 * 24).reshape(40, 24) % 23


@pytest.mark.parametrize('how', [
    dict(), dict(compression='zlib'), dict(compression='lzw'),
    dict(compression='packbits', rowsperstrip=7), dict(compression='zlib', tile=(16, 16))])
@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('kind', ['uint8', 'uint16', 'int16', 'uint32', 'int32', 'uint64',
                                  'int64', 'float16', 'float32', 'float64'])
def test_masks_of_any_type_in_either_order_of_bytes(tmp_path, kind, order, how):
    """Pillow exchanges the bytes of some that are packed, and lacks others."""
    path, numbers = tmp_path / 'a.tif', NUMBERS.astype(kind)
    if kind[0] != 'u':
        numbers[:2] = -1  # no label
    write(path, numbers, byteorder=order, **how)
    mask = read_mask(path)
    assert (mask.values == numbers).all() and not mask.colours
    assert mask.plain == (kind == 'uint8')  # others are not left to mmcv's reader


def test_smaller_copies_behind_a_mask_change_nothing(tmp_path):
    path = tmp_path / 'a.tif'
    with tifffile.TiffWriter(path, byteorder='>') as file:
        for side in (1, 2):
            file.write(NUMBERS[::side, ::side].astype(np.int16), subfiletype=side - 1,
                       photometric='minisblack', compression='zlib', metadata=None)
    assert (read_mask(path).values == NUMBERS).all()


def test_what_such_a_mask_needs_is_said(tmp_path, monkeypatch):
    path = tmp_path / 'a.tif'
    write(path, np.stack([NUMBERS] * 3, axis=2))
    with pytest.raises(ValueError, match='it has 3 channels or pages, expected one whose'):
        read_mask(path)
    write(path, NUMBERS)
    monkeypatch.setitem(sys.modules, 'tifffile', None)
    with pytest.raises(ValueError, match=r"\[multispectral\]'; or save the numb"):
        read_mask(path)


def test_fractions_of_a_type_that_pillow_lacks(tmp_path):
    write(tmp_path / 'a.tif', NUMBERS / 2)
    with pytest.raises(ValueError, match='its pixels are fractions, not labels'):
        read_mask(tmp_path / 'a.tif')


@pytest.mark.parametrize('how', [
    dict(), dict(compression='lzw', predictor=True), dict(tile=(16, 16)), dict(rowsperstrip=7),
    dict(compression='zlib', tile=(16, 16))])
@pytest.mark.parametrize('order', '<>')
@pytest.mark.parametrize('kind, channels', [
    ('int16', 1), ('int32', 1), ('float32', 1), ('uint16', 1), ('uint16', 3)])
def test_images_of_16_bits_lose_the_lower_ones(tmp_path, kind, channels, order, how):
    image = np.random.default_rng(0).integers(0, 2 ** 15, (40, 24, channels))
    expected = np.broadcast_to(image >> 8, (40, 24, 3))
    if kind == 'float32':
        image = image >> 8
    write(tmp_path / 'a.tif', image.astype(kind).squeeze(), byteorder=order, **how)
    np.testing.assert_array_equal(read_image(tmp_path / 'a.tif'), expected)
