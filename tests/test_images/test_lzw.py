"""Bytes packed by LZW: what is refused before imagecodecs sees it, and nothing else."""
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from fcn_plugin.images.lzw import check_lzw
from fcn_plugin.images.multichannel import read_channels
from fcn_plugin.large_images.tiff_windows import open_windows

imagecodecs = pytest.importorskip('imagecodecs')
PAGE = SimpleNamespace(compression=5, fillorder=1)


def first_fault(data):
    """The bit of the first code that names an entry of an empty table, code by code."""
    bits = ''.join(f'{byte:08b}' for byte in data)
    place, entries, cleared = 0, 258, False
    while True:
        width = 9 + (entries >= 511) + (entries >= 1023) + (entries >= 2047)
        if place + (9 if cleared else width) > len(bits):
            return None
        width = 9 if cleared else width
        code = int(bits[place:place + width], 2)
        if cleared and code > 257:
            return place
        place += width
        if code == 257:
            return None
        if code == 256:
            entries, cleared = 258, True
        elif cleared:
            cleared = False
        else:
            entries += 1


def packed_codes(*codes, lowest_first):
    """Codes of nine bits each."""
    if lowest_first:
        number = sum(code << 9 * place for place, code in enumerate(codes))
        return number.to_bytes(-(-9 * len(codes) // 8), 'little')
    bits = ''.join(f'{code:09b}' for code in codes)
    bits += '0' * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, 'big')


@pytest.mark.parametrize('kind', ['noise', 'steps', 'zeros', 'few'])
@pytest.mark.parametrize('size', [1, 300, 30_000, 400_000])
def test_what_is_whole_passes(kind, size):
    rng = np.random.default_rng(size)
    pixels = dict(noise=rng.integers(0, 256, size), steps=np.arange(size) // 7,
                  zeros=np.zeros(size), few=rng.integers(0, 3, size))[kind].astype(np.uint8)
    packed = imagecodecs.lzw_encode(pixels.tobytes())
    assert first_fault(packed[:20_000]) is None
    check_lzw(PAGE, packed)
    turned = np.packbits(np.unpackbits(np.frombuffer(packed, np.uint8), bitorder='little'))
    check_lzw(SimpleNamespace(compression=5, fillorder=2), turned.tobytes())
    assert imagecodecs.lzw_decode(packed, out=size) == pixels.tobytes()


def test_what_is_damaged_is_refused_as_code_by_code():
    rng = np.random.default_rng(0)
    faults = 0
    for _ in range(80):
        data = bytes([128, 32, *rng.integers(0, 256, 1500).astype(np.uint8)])
        fault = first_fault(data)
        faults += fault is not None
        if fault is None:
            check_lzw(PAGE, data)
        else:
            with pytest.raises(ValueError, match=f'at bit {fault} names'):
                check_lzw(PAGE, data)
    assert 20 < faults < 70


@pytest.mark.parametrize('lowest_first', [False, True])
def test_either_order_of_bits(lowest_first):
    def packed(*codes):
        return packed_codes(*codes, lowest_first=lowest_first)

    whole = packed(256, 65, 258, 66, 256, 256, 67, 257, 400)
    check_lzw(PAGE, whole)
    assert imagecodecs.lzw_decode(whole, out=5) == b'AAABC'
    for codes, bit in (((256, 258), 9), ((256, 65, 66, 256, 400, 65), 36),
                       ((256, 256, 511), 18)):
        with pytest.raises(ValueError, match=f'at bit {bit} names an entry of a table'):
            check_lzw(PAGE, packed(*codes))


@pytest.mark.parametrize('fillorder', [1, 2])
def test_memory(fillorder):
    """A strip may be as large as a quarter of a gigabyte."""
    packed = imagecodecs.lzw_encode(bytes(range(256)) * 20_000)
    if fillorder == 2:
        packed = imagecodecs.bitorder_decode(packed)
    tracemalloc.start()
    check_lzw(SimpleNamespace(compression=5, fillorder=fillorder), packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < fillorder * len(packed) + 1_000_000


def test_other_packings_are_left_alone():
    check_lzw(SimpleNamespace(compression=8, fillorder=1), bytes([0x80, 0x61, 0x20]))
    check_lzw(PAGE, b'')
    check_lzw(PAGE, b'\x80')


@pytest.fixture
def damaged(tmp_path):
    """A TIFF that ended the process once in some thousand times that it was read."""
    tifffile = pytest.importorskip('tifffile')
    path = tmp_path / 'street.tif'
    tifffile.imwrite(path, np.zeros((40, 24, 3), np.uint8), compression='lzw',
                     photometric='rgb')
    with tifffile.TiffFile(path) as file:
        at = file.pages[0].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[at:at + 4] = packed_codes(256, 471, 258, lowest_first=False)
    path.write_bytes(content)
    return path


def test_an_image_of_any_channels_is_named(damaged):
    with pytest.raises(ValueError, match=r'image .*street.tif.*: the code 471 at bit 9'):
        read_channels(damaged.read_bytes(), str(damaged))


def test_a_large_image_s_strip_is_named(damaged):
    with open_windows(damaged) as image:
        with pytest.raises(ValueError, match='street.tif.*the strip at row 0, column 0 .*471'):
            image.read(slice(0, 4), slice(0, 4))
