"""What read_mask makes of the kinds of files that masks are kept in."""
import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from fcn_plugin.masks.reading import CUT_OUT, label_files, read_mask

VALUES = np.array([[0, 1, 255], [2, 1, 0]], np.uint8)
LARGE = VALUES.repeat(8, 0).repeat(8, 1)
SHADES = np.random.default_rng(0).choice([10, 70, 130, 190], (40, 50, 1)).astype(np.uint8)
SHADES = SHADES.repeat(3, 2)


def test_pages_are_no_mask(tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', np.stack([VALUES, VALUES]), photometric='minisblack')
    with pytest.raises(ValueError, match='it has 2 pages, expected one'):
        read_mask(tmp_path / 'a.tif')


def test_channels_of_16_bits_that_are_no_8_bits(tmp_path):
    deep = np.zeros((2, 3, 3), np.uint16)
    deep[0, 1] = 1, 2, 300
    cv2.imwrite(str(tmp_path / 'a.png'), deep)
    with pytest.raises(ValueError, match='several channels of 16 bits'):
        read_mask(tmp_path / 'a.png')


def test_numbers_of_16_bits_in_three_channels(tmp_path):
    numbers = np.repeat(np.array([[[300], [2], [0]], [[0], [0], [1]]], np.uint16), 3, 2)
    tifffile.imwrite(tmp_path / 'a.tif', numbers, photometric='rgb')
    np.testing.assert_array_equal(read_mask(tmp_path / 'a.tif').values, numbers[..., 0])
    turned = [(274, 'H', 1, 3, True)]  # by half, so that its size does not tell
    tifffile.imwrite(tmp_path / 'a.tif', numbers, photometric='rgb', extratags=turned)
    with pytest.raises(ValueError, match='several channels of 16 bits'):
        read_mask(tmp_path / 'a.tif')


def test_8_bits_stored_in_16_are_these(tmp_path):
    colours = np.array([[[255, 0, 7], [0, 0, 0]]], np.uint16)
    cv2.imwrite(str(tmp_path / 'a.png'), colours * 257)
    found = read_mask(tmp_path / 'a.png')
    assert found.colours and found.values.tolist() == [[0x0700ff, 0]]


def test_what_is_no_number_is_no_class(tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', np.array([[0, 3, np.nan, 2**31]], np.float32))
    assert read_mask(tmp_path / 'a.tif').values.tolist() == [[0, 3, -1, 2**31]]


@pytest.mark.parametrize('highest, plain', [(255, True), (256, False)])
def test_what_mmcv_reads_has_8_bits(tmp_path, highest, plain):
    Image.fromarray(np.array([[0, highest]], np.uint16)).save(tmp_path / 'a.png')
    assert read_mask(tmp_path / 'a.png').plain == plain


def test_a_mask_is_turned_as_it_says_itself(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(VALUES).save(tmp_path / 'a.png', exif=exif)
    found = read_mask(tmp_path / 'a.png')
    assert found.turned and not found.plain  # mmcv does not turn it
    np.testing.assert_array_equal(found.values, np.rot90(VALUES, -1))


def test_two_equal_channels_of_three_are_no_grey(tmp_path):
    pixels = np.stack([VALUES, VALUES, 0 * VALUES], 2)
    Image.fromarray(pixels).save(tmp_path / 'a.png')
    found = read_mask(tmp_path / 'a.png')
    assert found.colours and set(np.unique(found.values)) == {0, 0x10100, 0x20200, 0xffff00}


def test_a_palette_with_transparency(tmp_path):
    palette = Image.fromarray(VALUES, 'P')
    palette.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
    palette.convert('PA').save(tmp_path / 'a.tif')
    found = read_mask(tmp_path / 'a.tif')
    assert found.colours and found.values[0, 1] == 0xc80000 and found.values[1, 0] == 0xc800


@pytest.mark.parametrize('colours, alpha, expected, mode', [
    # all of it is there, black as it is
    (np.zeros((2, 3, 3), np.uint8), np.full((2, 3), 255), np.zeros((2, 3)), 'grey in 4'),
    (np.dstack([LARGE] * 3), LARGE < 255, np.where(LARGE < 255, LARGE, 0), 'grey in 4'),
    (np.zeros((2, 3, 3), np.uint8), VALUES, VALUES, CUT_OUT),
    # a photograph of four shades of grey: a quarter of its pixels are like the next one
    (SHADES, np.indices((40, 50))[1] > 9, np.indices((40, 50))[1] > 9, CUT_OUT)],
    ids=['black', 'transparent', 'cut out of black', 'cut out of a photograph'])
def test_transparency(tmp_path, colours, alpha, expected, mode):
    Image.fromarray(np.dstack([colours, alpha.astype(np.uint8)])).save(tmp_path / 'a.png')
    found = read_mask(tmp_path / 'a.png')
    assert found.mode.startswith(mode)
    np.testing.assert_array_equal(found.values, expected)


def test_thin_things_on_nothing_are_no_photograph(tmp_path):
    """Beside most of their pixels there is none."""
    colours = np.zeros((4, 12, 4), np.uint8)
    colours[:, 1:3], colours[:, 6:8] = (200, 0, 0, 255), (0, 200, 0, 255)
    Image.fromarray(colours).save(tmp_path / 'a.png')
    found = read_mask(tmp_path / 'a.png')
    assert found.colours and set(np.unique(found.values)) == {0, 0xc80000, 0xc800}


def test_files_by_name_whatever_the_letters_of_their_ends(tmp_path):
    names = [f'{i:02d}.{"PNG" if i % 2 else "png"}' for i in range(30)]
    for name in reversed(names):
        (tmp_path / name).touch()
    assert [path.name for path in label_files(tmp_path)] == names


@pytest.mark.parametrize('most', [4, 5, 21, 100, 254, 255, 256, 1000, 40_000, 65_534, 65_535])
@pytest.mark.parametrize('kind', ['P2', 'P5'])
def test_numbers_of_a_pgm_are_those_in_the_file(tmp_path, kind, most):
    """As many as there are: Pillow brightens them where they end below white."""
    numbers = np.append(np.arange(5), np.linspace(0, most, 35)).astype(int).reshape(5, 8)
    content = (' '.join(map(str, numbers.ravel())).encode() if kind == 'P2' else
               numbers.astype('>u2' if most > 255 else 'u1').tobytes())
    (tmp_path / 'a.pgm').write_bytes(f'{kind} 8 5 {most}\n'.encode() + content)
    mask = read_mask(tmp_path / 'a.pgm')
    assert (mask.values == numbers).all()
    assert not mask.plain or most in (255, 65_535)


def test_masks_of_a_folder_are_png_or_else_of_other_kinds_that_lose_nothing(tmp_path):
    for name in ('b.tif', 'a.bmp', 'c.jpg', 'd.txt', '.e.tif'):
        (tmp_path / name).touch()
    assert [path.name for path in label_files(tmp_path)] == ['a.bmp', 'b.tif']
    (tmp_path / 'z.png').touch()
    assert [path.name for path in label_files(tmp_path)] == ['z.png']


@pytest.mark.parametrize('how', [dict(), dict(compression='zlib'), dict(tile=(16, 16))])
@pytest.mark.parametrize('values', [[0, 1, 2], [0], [3, 255], [0, 255]])
def test_classes_of_a_tiff_whose_0_is_white_are_the_numbers_in_it(tmp_path, values, how):
    """Pillow shows 255 less these, and 255 would be no class; objects of ImageJ have 255."""
    numbers = np.resize(values, (20, 30)).astype(np.uint8)
    tifffile.imwrite(tmp_path / 'a.tif', numbers, photometric='miniswhite', **how)
    mask = read_mask(tmp_path / 'a.tif')
    assert (mask.values == numbers).all() and not mask.plain
