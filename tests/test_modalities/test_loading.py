"""Training and testing see the pixels that prediction sees."""
import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image, ImageCms

from fcn_plugin.datasets.bad_samples import check_sizes
from fcn_plugin.images.exif import turn
from fcn_plugin.images.reading import read_image, to_rgb
from fcn_plugin.layouts.pairs import Pair
from fcn_plugin.masks.reading import read_mask
from fcn_plugin.own_data.inspect_pairs import inspect_pairs

tifffile = pytest.importorskip('tifffile')
Y, X = np.mgrid[:70, :90]
COLOUR = np.stack([2 * X, 3 * Y, 255 - X - Y], 2).astype(np.uint8)
GREY = COLOUR[..., 2]
DEEP = COLOUR.astype(np.uint16) * 257
CLEAR = np.where(X < 30, 0, np.where(X < 60, 120, 255)).astype(np.uint8)
RGB = dict(photometric='rgb')
ALPHA = dict(RGB, extrasamples=['unassalpha'])
PLANES = dict(RGB, planarconfig='separate')


def lab(image):
    return ImageCms.profileToProfile(
        Image.fromarray(image), ImageCms.createProfile('sRGB'),
        ImageCms.createProfile('LAB'), outputMode='LAB')


@pytest.mark.parametrize('pixels, how', [
    (np.dstack([COLOUR, CLEAR]), ALPHA),
    (np.dstack([DEEP, CLEAR]), ALPHA),
    (GREY.astype(np.uint16) * 257, dict(tile=(64, 64), compression='deflate')),
    (COLOUR, dict(RGB, tile=(16, 16))),
    (DEEP.transpose(2, 0, 1), PLANES),
    (DEEP.transpose(2, 0, 1), dict(PLANES, tile=(64, 64))),
    (DEEP.transpose(2, 0, 1), dict(PLANES, compression='deflate')),
    (COLOUR.transpose(2, 0, 1), PLANES),
], ids=['transparent', '16 bits and transparent', '16-bit grey in tiles', 'small tiles',
        '16-bit planes', '16-bit planes in tiles', '16-bit planes packed', 'planes'])
def test_tiff(tmp_path, pixels, how):
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, pixels, **how)
    seen = np.repeat(GREY[..., None], 3, 2) if pixels.ndim == 2 else COLOUR
    loaded = TRANSFORMS.build(dict(type='LoadImageFromFile'))(dict(img_path=path))
    assert loaded['img'].flags.c_contiguous and loaded['img'].dtype == np.uint8
    assert loaded['img_shape'] == loaded['ori_shape'] == (70, 90)
    np.testing.assert_array_equal(loaded['img'][..., ::-1], seen)
    np.testing.assert_array_equal(read_image(path), seen)
    np.testing.assert_array_equal(to_rgb(Image.open(path)), seen)


@pytest.mark.parametrize('orientation', range(2, 9))
@pytest.mark.parametrize('packed', ['raw', 'tiff_lzw'])
def test_turned_tiff(tmp_path, orientation, packed):
    """Pillow says the size as shown, and turns as it loads; other formats it leaves."""
    path, mask, exif = tmp_path / 'a.tif', tmp_path / 'mask.png', Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOUR).save(path, exif=exif, compression=packed)
    back = turn(np.arange(GREY.size).reshape(GREY.shape), orientation)
    seen = COLOUR.reshape(-1, 3)[back]
    Image.fromarray(turn(CLEAR, orientation)).save(mask)
    load = TRANSFORMS.build(dict(type='LoadImageFromFile'))
    np.testing.assert_array_equal(load(dict(img_path=str(path)))['img'][..., ::-1], seen)
    np.testing.assert_array_equal(read_image(path), seen)
    check_sizes(str(path), str(mask), [load])
    Image.fromarray(GREY).save(tmp_path / 'grey.tif', exif=exif, compression=packed)
    for found in (read_mask(tmp_path / 'grey.tif').values,
                  read_image(tmp_path / 'grey.tif')[..., 0]):
        np.testing.assert_array_equal(found, GREY.reshape(-1)[back])
    for image in (path, tmp_path / 'grey.tif'):
        inspected, = inspect_pairs([Pair(image, mask, None)])
        assert inspected.fault is None and not inspected.turned


def test_checks_of_data_have_no_objection(tmp_path):
    """OpenCV cannot read either."""
    Image.fromarray(CLEAR).save(tmp_path / 'mask.png')
    for number, how in enumerate((dict(tile=(16, 16)), dict(compression='zstd'))):
        tifffile.imwrite(tmp_path / f'{number}.tif', COLOUR, **RGB, **how)
        found, = inspect_pairs([Pair(tmp_path / f'{number}.tif', tmp_path / 'mask.png', None)])
        assert found.fault is None
    Image.fromarray(COLOUR).save(tmp_path / 'a.tga')
    found, = inspect_pairs([Pair(tmp_path / 'a.tga', tmp_path / 'mask.png', None)])
    assert found.fault.startswith(f"{tmp_path / 'a.tga'}: training cannot read it (failed to")


@pytest.mark.parametrize('orientation', [1, 6])
def test_cmyk(tmp_path, orientation):
    path, exif = tmp_path / 'a.jpg', Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOUR).convert('CMYK').save(path, exif=exif, quality=95)
    loaded = TRANSFORMS.build(dict(type='LoadImageFromFile'))(dict(img_path=path))
    seen = read_image(path)
    assert seen.shape[:2] == loaded['img_shape'] == ((70, 90), (90, 70))[orientation == 6]
    np.testing.assert_array_equal(loaded['img'][..., ::-1], seen)


@pytest.mark.parametrize('white', [100, 255, 4095, 65535])
@pytest.mark.parametrize('kind, suffix, pixels', [('5', 'pgm', GREY), ('6', 'ppm', COLOUR)])
def test_the_white_of_pgm_and_ppm(tmp_path, kind, suffix, pixels, white):
    """Cameras of 12 bits write 4095. OpenCV takes 255 or 65535, whatever the file says."""
    path = tmp_path / f'a.{suffix}'
    numbers = (pixels / 255 * white).astype('>u2' if white > 255 else 'u1')
    path.write_bytes(b'P%s 90 70 %d\n' % (kind.encode(), white) + numbers.tobytes())
    seen = read_image(path)
    assert abs(seen - np.atleast_3d(pixels).astype(float)).max() <= 255 / white + 1
    loaded = TRANSFORMS.build(dict(type='LoadImageFromFile'))(dict(img_path=path))['img']
    np.testing.assert_array_equal(loaded[..., ::-1], seen)


def test_lab(tmp_path):
    lab(COLOUR).save(tmp_path / 'a.tif')
    loaded = TRANSFORMS.build(dict(type='LoadImageFromFile', to_float32=True))(
        dict(img_path=str(tmp_path / 'a.tif')))['img']
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded[..., ::-1], read_image(tmp_path / 'a.tif'))
    there = (COLOUR > 20).all(2) & (COLOUR < 235).all(2)  # colours that LAB's bytes hold
    assert abs(loaded[..., ::-1] - COLOUR)[there].mean() < 2


def test_other_files_and_other_ways_are_mmcv_s(tmp_path):
    for name in ('a.png', 'a.jpg', 'a.webp'):
        Image.fromarray(COLOUR).save(tmp_path / name)
        loaded = TRANSFORMS.build(dict(type='LoadImageFromFile'))(
            dict(img_path=str(tmp_path / name)))['img']
        np.testing.assert_array_equal(loaded[..., ::-1], read_image(tmp_path / name))
    tifffile.imwrite(tmp_path / 'a.tif', np.dstack([COLOUR, CLEAR]), **ALPHA)
    whole = TRANSFORMS.build(dict(type='LoadImageFromFile', color_type='unchanged'))(
        dict(img_path=str(tmp_path / 'a.tif')))['img']
    assert whole.shape == (70, 90, 4)


def test_what_cannot_be_read_is_named_or_left_out(tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', np.dstack([DEEP, CLEAR]).transpose(2, 0, 1),
                     planarconfig='separate', **ALPHA)
    (tmp_path / 'b.tif').write_bytes((tmp_path / 'a.tif').read_bytes()[:300])
    for name, said in (('a.tif', 'INTERLEAVE=PIXEL'), ('b.tif', 'cannot read the image')):
        with pytest.raises(ValueError, match=said):
            read_image(tmp_path / name)
        found = dict(img_path=str(tmp_path / name))
        with pytest.raises(ValueError, match=said):
            TRANSFORMS.build(dict(type='LoadImageFromFile'))(found)
        assert TRANSFORMS.build(dict(type='LoadImageFromFile', ignore_empty=True))(
            found) is None
