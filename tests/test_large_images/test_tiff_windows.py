"""Windows of TIFF files: what is refused, and that pixels are those of the whole."""
import struct
import sys
import tracemalloc

import numpy as np
import pytest

from fcn_plugin.large_images import tiff_windows
from fcn_plugin.large_images.tiff_windows import open_windows

tifffile = pytest.importorskip('tifffile')
pytest.importorskip('imagecodecs')
RGB = dict(photometric='rgb')


def noise(*shape, kind=np.uint8):
    return np.random.randint(0, np.iinfo(kind).max, shape).astype(kind)


def read_all(path, channels=3, side=50):
    """The image put together of windows that share some pixels."""
    with open_windows(path, channels) as image:
        height, width = image.size
        whole = None
        for top in range(0, height, side):
            for left in range(0, width, side):
                window = image.read(slice(max(top - 9, 0), min(top + side, height)),
                                    slice(max(left - 9, 0), min(left + side, width)))
                if whole is None:
                    whole = np.zeros((height, width, window.shape[2]), window.dtype)
                whole[max(top - 9, 0):top + side, max(left - 9, 0):left + side] = window
    return whole


# --- what is refused -------------------------------------------------------------------


def write(path, image, **how):
    tifffile.imwrite(path, image, **how)
    return path


@pytest.mark.parametrize('image, how, words', [
    (noise(40, 50), dict(photometric='palette', colormap=noise(3, 256, kind=np.uint16)),
     'places in a palette: convert it .gdal_translate -expand rgb'),
    (noise(40, 50, 2), dict(photometric='minisblack', extrasamples=['unassalpha']),
     'it has 2 channels of the kind MINISBLACK, expected RGB, RGBA or one of grey'),
    (noise(40, 50, 4), dict(photometric='minisblack', planarconfig='contig'),
     'it has 4 channels of the kind MINISBLACK.*PHOTOMETRIC=RGB'),
    (noise(40, 50, 4), dict(photometric='separated'), 'of the kind SEPARATED'),
    (noise(40, 50), dict(photometric='miniswhite'), 'of the kind MINISWHITE'),
    (np.zeros((40, 50, 3), np.float32), RGB, '32 bits a channel .float32., expected uint8'),
    (np.zeros((40, 50, 3), np.uint32), RGB, 'it has 32 bits a channel .uint32.'),
    (np.zeros((40, 50), bool), dict(photometric='minisblack'), 'it has 1 bits a channel'),
    (noise(40, 50, 3), dict(RGB, extratags=[(274, 'H', 1, 6, True)]),
     "tag 'Orientation' says that it is to be turned"),
    (noise(2, 48, 64, 3), dict(RGB, volumetric=True, tile=(2, 16, 16)),
     'it has 2 layers of 64x48 pixels, expected one'),
])
def test_kinds_that_would_be_misread(tmp_path, image, how, words):
    with pytest.raises(ValueError, match=f'(?s)cannot read the image .*a.tif.*{words}'):
        read_all(write(tmp_path / 'a.tif', image, **how))


@pytest.mark.parametrize('channels', [5, 2])
def test_other_channels_than_the_network_takes(tmp_path, channels):
    path = write(tmp_path / 'a.tif', noise(40, 50, 4), photometric='minisblack',
                 planarconfig='contig')
    with pytest.raises(ValueError, match=f'it has 4 channels, expected {channels}'):
        read_all(path, channels)


def test_pixels_of_12_bits(tmp_path):
    """Of whose values the upper 8 of 16 bits would be nearly black."""
    path = write(tmp_path / 'a.tif', noise(40, 50, kind=np.uint16), photometric='minisblack')
    data = path.read_bytes()
    bits = struct.pack('<HHIH', 258, 3, 1, 16)
    assert data.count(bits) == 1
    path.write_bytes(data.replace(bits, struct.pack('<HHIH', 258, 3, 1, 12)))
    with pytest.raises(ValueError, match='it has 12 bits a channel'):
        read_all(path)


@pytest.mark.parametrize('how', [dict(tile=(16, 16)), dict(rowsperstrip=8), dict(),
                                 dict(tile=(16, 16), compression='lzw')])
def test_cut(tmp_path, how):
    """Before anything is labelled, wherever the directory stands."""
    path = write(tmp_path / 'a.tif', noise(90, 70, 3), **RGB, **how)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match='it is cut: .* first the (tile|strip) at row'):
        read_all(path)


def test_missing_tiles(tmp_path):
    tiles = [noise(16, 16, 3) if number != 4 else None for number in range(9)]
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, iter(tiles), shape=(40, 48, 3), dtype=np.uint8, tile=(16, 16),
                     compression='zlib', **RGB)
    with pytest.raises(ValueError, match='1 of 9 tiles or strips are missing, first the tile '
                       'at row 16, column 16'):
        read_all(path)


@pytest.mark.parametrize('packing', ['zlib', 'lzw', 'jpeg'])
def test_damaged_tile(tmp_path, packing):
    """Named, and not filled with grey."""
    path = write(tmp_path / 'a.tif', noise(64, 64, 3), tile=(32, 32), compression=packing,
                 **RGB)
    with tifffile.TiffFile(path) as file:
        start, count = (each[3] for each in (file.pages[0].dataoffsets,
                                             file.pages[0].databytecounts))
    data = bytearray(path.read_bytes())
    data[start + count // 2:start + count] = bytes(count - count // 2)
    path.write_bytes(data)
    with pytest.raises(ValueError, match='the tile at row 32, column 32 cannot be decoded'):
        read_all(path)


@pytest.mark.parametrize('name, said', [('TileOffsets', '3 places and 4 lengths'),
                                        ('TileByteCounts', '4 places and 3 lengths')])
def test_lists_that_are_too_short(tmp_path, name, said):
    path = write(tmp_path / 'a.tif', noise(64, 64, 3), tile=(32, 32), **RGB)
    with tifffile.TiffFile(path, mode='r+b') as file:
        tag = file.pages[0].tags[name]
        tag.overwrite(tag.value[:3])
    with pytest.raises(ValueError, match=f'it lists {said} of tiles or strips, expected 4'):
        read_all(path)


def test_one_strip_that_nothing_packs(tmp_path, monkeypatch):
    """Of whatever size: its rows are read alone."""
    monkeypatch.setattr(tiff_windows, '_KEPT_STRIPS', 1000)
    image = noise(40, 50, 3)
    assert (read_all(write(tmp_path / 'a.tif', image, **RGB)) == image).all()
    with pytest.raises(ValueError, match='TILED=YES'):
        read_all(write(tmp_path / 'b.tif', image, compression='zlib', **RGB))


def test_one_strip_that_is_packed(tmp_path):
    path = write(tmp_path / 'a.tif', np.zeros((10_000, 9_000, 3), np.uint8),
                 rowsperstrip=10_000, compression='zlib', **RGB)
    with pytest.raises(ValueError, match='pieces of 9000x10000 pixels.*TILED=YES'):
        read_all(path)


def test_tags_without_sense(tmp_path):
    """Found by fuzzing: tiles of no width, and one that is a text."""
    path = write(tmp_path / 'a.tif', noise(64, 64, 3), tile=(32, 32), **RGB)
    data = path.read_bytes()
    at = data.index(struct.pack('<H', 322), 8)  # the width of a tile
    for kind, value in ((4, 0), (2, 0x41414141)):
        path.write_bytes(data[:at + 2] + struct.pack('<HII', kind, 1, value) + data[at + 12:])
        with pytest.raises(ValueError, match='cannot read the image .*a.tif'):
            read_all(path)


def test_no_tiff(tmp_path):
    (tmp_path / 'a.tif').write_bytes(b'no picture')
    with pytest.raises(ValueError, match='cannot read the image .*a.tif'):
        read_all(tmp_path / 'a.tif')
    with pytest.raises(FileNotFoundError):
        read_all(tmp_path / 'none.tif')


def test_what_is_not_installed(tmp_path, monkeypatch):
    path = write(tmp_path / 'a.tif', noise(40, 50, 3), compression='lzw', **RGB)
    monkeypatch.setattr(tifffile.TIFF, 'DECOMPRESSORS', {1: None})
    with pytest.raises(ImportError, match=r"packed by LZW.*pip install .*\[large\]"):
        read_all(path)
    monkeypatch.setitem(sys.modules, 'tifffile', None)
    with pytest.raises(ImportError, match=r"large TIFF needs.*pip install .*\[large\]"):
        read_all(path)


# --- pixels ----------------------------------------------------------------------------


@pytest.mark.parametrize('how', [
    dict(tile=(64, 48)), dict(tile=(16, 16), compression='zlib', predictor=True),
    dict(tile=(256, 256), compression='lzw'), dict(rowsperstrip=1, compression='packbits'),
    dict(rowsperstrip=37, compression='zlib'), dict(rowsperstrip=20), dict(),
    dict(planarconfig='separate', tile=(32, 32)), dict(planarconfig='separate'),
    dict(planarconfig='separate', rowsperstrip=30, compression='lzw', predictor=True),
    dict(bigtiff=True, byteorder='>', tile=(32, 32), compression='zstd'), dict(byteorder='>'),
])
@pytest.mark.parametrize('kind', [np.uint8, np.uint16])
def test_windows_are_parts_of_the_whole(tmp_path, how, kind):
    image = noise(131, 173, 3, kind=kind)
    stored = image.transpose(2, 0, 1) if how.get('planarconfig') == 'separate' else image
    path = write(tmp_path / 'a.tif', stored, **RGB, **how)
    assert (read_all(path) == (image if kind == np.uint8 else image >> 8)).all()


@pytest.mark.parametrize('filled', [False, True])
@pytest.mark.parametrize('how', [dict(tile=(32, 64)), dict(rowsperstrip=24)])
def test_jpeg_is_decoded_as_by_tifffile(tmp_path, how, filled):
    """Of YCbCr with halved colours, too, and filled up with zeros as some programs do."""
    smooth = np.kron(noise(10, 12, 3), np.ones((14, 15, 1), np.uint8))
    path = write(tmp_path / 'a.tif', smooth, photometric='rgb', compression='jpeg',
                 subsampling=(2, 2), **how)
    if filled:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            pieces = [path.read_bytes()[at:at + length] + bytes(3) for at, length in zip(
                page.dataoffsets, page.databytecounts)]
        end = path.stat().st_size
        path.write_bytes(path.read_bytes() + b''.join(pieces))
        lengths = [len(piece) for piece in pieces]
        with tifffile.TiffFile(path, mode='r+b') as file:
            tags, kind = file.pages[0].tags, 'Tile' if 'tile' in how else 'Strip'
            tags[f'{kind}Offsets'].overwrite([
                end + sum(lengths[:i]) for i in range(len(lengths))])
            tags[f'{kind}ByteCounts'].overwrite(lengths)
    assert tifffile.imread(path).shape == smooth.shape
    assert (read_all(path) == tifffile.imread(path)).all()


def test_channels(tmp_path):
    """Grey is repeated, transparency dropped; other networks get all, as it is."""
    grey = noise(60, 70)
    assert (read_all(write(tmp_path / 'a.tif', grey, photometric='minisblack'))
            == grey[..., None]).all()
    image = noise(60, 70, 4)
    path = write(tmp_path / 'b.tif', image, extrasamples=['unassalpha'], tile=(32, 32), **RGB)
    assert (read_all(path) == image[..., :3]).all() and (read_all(path, 4) == image).all()
    deep = (noise(60, 70, 5, kind=np.int16) - 500).astype(np.int16)
    path = write(tmp_path / 'c.tif', deep, photometric='minisblack', planarconfig='contig')
    found = read_all(path, 5)
    assert found.dtype == np.int16 and (found == deep).all()
    real = deep / np.float32(4)
    real[1, 2, 3] = np.nan  # where there are no data
    path = write(tmp_path / 'd.tif', real, photometric='minisblack', planarconfig='contig')
    assert (read_all(path, 5) == np.nan_to_num(real)).all()


def test_bits_that_are_stored_the_other_way_round(tmp_path):
    image = noise(40, 50, 3)
    path = write(tmp_path / 'a.tif', image, extratags=[(65000, 'H', 1, 2, True)], **RGB)
    path.write_bytes(path.read_bytes().replace(
        struct.pack('<HH', 65000, 3), struct.pack('<HH', 266, 3)))  # which tifffile leaves out
    turned = np.packbits(np.unpackbits(image[..., None], axis=3)[..., ::-1], axis=3)[..., 0]
    assert (read_all(path) == turned).all()


def test_first_of_several_images(tmp_path):
    """The others are smaller copies, as in a cloud-optimised GeoTIFF."""
    image = noise(120, 140, 3)
    with tifffile.TiffWriter(tmp_path / 'a.tif') as file:
        file.write(image, tile=(32, 32), subifds=1, **RGB)
        file.write(image[::2, ::2], tile=(32, 32), subfiletype=1, **RGB)
        file.write(image[:8], **RGB)
    assert (read_all(tmp_path / 'a.tif') == image).all()
    with open_windows(tmp_path / 'a.tif') as windows:
        file = windows._page.parent.filehandle
    assert file.closed


def test_memory_does_not_grow_with_the_image(tmp_path):
    """Of 40 tiles of 7 MB those of the last windows are kept."""
    path = tmp_path / 'a.tif'
    tile = np.zeros((112, 20_000, 3), np.uint8)
    tifffile.imwrite(path, (tile for _ in range(40)), shape=(4480, 20_000, 3), dtype=np.uint8,
                     tile=tile.shape[:2], compression='zlib', **RGB)
    with open_windows(path) as image:
        tracemalloc.start()
        for top in range(0, 4480, 224):
            assert image.read(slice(top, top + 224), slice(0, 100)).shape == (224, 100, 3)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 80e6


def test_the_tiles_that_were_used_last_are_kept(tmp_path):
    path = write(tmp_path / 'a.tif', noise(64, 64, 3), tile=(16, 16), compression='zlib',
                 **RGB)
    with open_windows(path) as image:
        image._most = 2 * 16 * 16 * 3
        for index in (0, 1, 0, 2):
            image._decoded(index)
        assert list(image._kept) == [0, 2]
        image._most //= 2
        image._decoded(5)
        assert list(image._kept) == [5]


def test_tiles_of_each_channel_are_named_by_their_places(tmp_path):
    path = write(tmp_path / 'a.tif', noise(3, 64, 48), planarconfig='separate', tile=(32, 16),
                 **RGB)
    with open_windows(path) as image:
        assert image._named(2 * 3 * 1 + 5) == 'the tile at row 32, column 32'
