"""Images of more than three channels: read, turned, guarded."""
import warnings

import cv2
import numpy as np
import pytest
from mmseg.registry import TRANSFORMS
from PIL import Image

from fcn_plugin.datasets import GuardedDataset, ListDataset
from fcn_plugin.images import multichannel
from fcn_plugin.images.channels import turned
from fcn_plugin.images.inputs import ImageInput
from fcn_plugin.images.multichannel import read_channels
from fcn_plugin.images.reading import to_channels
from fcn_plugin.large_images.tiff_windows import open_windows
from fcn_plugin.visualization import as_picture

tifffile = pytest.importorskip('tifffile')


def write(path, image, planar='contig'):
    planes = image if planar == 'contig' else image.transpose(2, 0, 1)
    tifffile.imwrite(path, planes, photometric='minisblack', planarconfig=planar)
    return path


def load(path, channels):
    return TRANSFORMS.build(dict(type='LoadMultichannelImage', channels=channels))(
        dict(img_path=str(path)))['img']


# --- what is refused ---------------------------------------------------------


def test_another_number_of_channels(tmp_path):
    path = write(tmp_path / 'a.tif', np.zeros((4, 6, 5), np.uint8))
    with pytest.raises(ValueError, match=r"a.tif' has 5 channels, expected 4"):
        load(path, 4)


@pytest.mark.parametrize('content, message', [
    (b'', 'no TIFF, and OpenCV cannot'), (b'text', 'no TIFF, and OpenCV cannot'),
    (b'II*\0\x08\0\0\0', 'cannot read the image'), (b'MM\0*', 'cannot read the image')])
def test_what_is_no_image(content, message):
    with pytest.raises(ValueError, match=f"'a.tif'.*{message}|{message}.*'a.tif'"):
        read_channels(content, 'a.tif')


def test_a_stack_of_colour_images_is_no_image(tmp_path):
    tifffile.imwrite(tmp_path / 'a.tif', np.zeros((2, 4, 6, 3), np.uint8),
                     photometric='rgb')
    with pytest.raises(ValueError, match=r'\(2, 4, 6, 3\) .* expected the height Y'):
        read_channels((tmp_path / 'a.tif').read_bytes(), 'a.tif')


def test_complex_numbers_are_named(tmp_path):
    """Of radar: the imaginary part was dropped."""
    write(tmp_path / 'a.tif', np.ones((4, 6, 2), np.complex64))
    with pytest.raises(ValueError, match="'.*a.tif': its numbers are complex; write their"):
        load(tmp_path / 'a.tif', 2)


# --- what is read ------------------------------------------------------------


@pytest.mark.parametrize('planar', ['contig', 'separate'])
@pytest.mark.parametrize('dtype', ['uint8', 'uint16', 'int16'])
@pytest.mark.parametrize('channels', [2, 4, 6])
def test_every_value_in_the_files_order(tmp_path, channels, dtype, planar):
    limit = np.iinfo(dtype).max
    image = np.random.randint(0, limit, (5, 9, channels)).astype(dtype)
    path = write(tmp_path / 'a.tif', image, planar)
    found = read_channels(path.read_bytes(), 'a.tif')
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, image)
    np.testing.assert_array_equal(load(path, channels), image[..., turned(channels)])


def test_what_is_no_number_is_0(tmp_path):
    """A mosaic has NaN where it has no data; one such pixel spoiled the whole step."""
    image = np.arange(48, dtype=np.float32).reshape(4, 6, 2)
    expected = image.copy()
    image[0, 1] = np.nan
    image[2, 3, 1], image[3, 3, 0] = np.inf, -np.inf
    expected[0, 1] = expected[2, 3, 1] = expected[3, 3, 0] = 0
    path = write(tmp_path / 'a.tif', image)
    for found in (load(path, 2), to_channels(path, 2), to_channels(image, 2)):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    with open_windows(path, 2) as windows:
        np.testing.assert_array_equal(windows.read(slice(0, 3), slice(1, 5)),
                                      expected[:3, 1:5])


def test_a_page_for_each_channel(tmp_path):
    image = np.random.randint(0, 9999, (5, 9, 6)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / 'a.tif') as file:
        for i in range(6):
            file.write(image[..., i], photometric='minisblack', contiguous=True)
    np.testing.assert_array_equal(load(tmp_path / 'a.tif', 6), image[..., turned(6)])
    with warnings.catch_warnings():
        warnings.simplefilter('error')  # pages are channels here, of which none is left out
        (_, found), = ImageInput(tmp_path / 'a.tif', channels=6)
    np.testing.assert_array_equal(found, image)


def test_a_grey_tiff_is_of_one_channel(tmp_path):
    image = np.random.randint(0, 9999, (5, 9)).astype(np.uint16)
    tifffile.imwrite(tmp_path / 'a.tif', image, photometric='minisblack')
    np.testing.assert_array_equal(load(tmp_path / 'a.tif', 1), image[..., None])


def test_a_small_file_may_hold_much_that_is_alike(tmp_path, monkeypatch):
    """Deflate packs zeros into a thousandth."""
    monkeypatch.setattr(multichannel, '_ALWAYS_READ', 0)
    tifffile.imwrite(tmp_path / 'a.tif', np.zeros((999, 999, 4), np.uint8), compression='zlib',
                     photometric='minisblack', planarconfig='contig')
    content = (tmp_path / 'a.tif').read_bytes()
    assert len(content) < 999 * 999 * 4 / 100
    assert read_channels(content, 'a.tif').shape == (999, 999, 4)


@pytest.mark.parametrize('dtype', ['uint8', 'uint16'])
def test_png_of_four_channels(tmp_path, dtype):
    image = np.random.randint(0, 255, (5, 9, 4)).astype(dtype)  # red first
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., turned(4)])
    np.testing.assert_array_equal(read_channels((tmp_path / 'a.png').read_bytes(), ''), image)
    np.testing.assert_array_equal(load(tmp_path / 'a.png', 4), image[..., turned(4)])
    for source in (tmp_path / 'a.png', (tmp_path / 'a.png').read_bytes(), image):
        np.testing.assert_array_equal(to_channels(source, 4), image)


def test_files_are_read_by_the_backend_that_is_asked_for(tmp_path):
    write(tmp_path / 'a.tif', np.zeros((4, 6, 6), np.uint16))
    transform = TRANSFORMS.build(dict(type='LoadMultichannelImage', channels=6,
                                      backend_args=dict(backend='none')))
    with pytest.raises(KeyError, match='none'):
        transform(dict(img_path=str(tmp_path / 'a.tif')))


def test_a_mask_of_another_size_is_named(tmp_path):
    """Pillow knows no TIFF of six channels, so that sizes went unseen."""
    write(tmp_path / 'a.tif', np.zeros((4, 6, 6), np.uint16))
    Image.fromarray(np.zeros((4, 7), np.uint8)).save(tmp_path / 'a.png')
    (tmp_path / 'list.txt').write_text('a.tif\ta.png\n')
    dataset = GuardedDataset(ListDataset(
        'list.txt', data_root=str(tmp_path), metainfo=dict(classes=('x', 'y')), pipeline=[
            dict(type='LoadMultichannelImage', channels=6), dict(type='LoadAnnotations')]))
    with pytest.raises(ValueError, match=r"a.tif': it has 6x4 pixels, but its mask .* 7x4"):
        dataset[0]


# --- pictures ----------------------------------------------------------------


def test_the_first_three_channels_are_seen():
    image = np.random.randint(0, 256, (4, 5, 6)).astype(np.uint8)
    np.testing.assert_array_equal(as_picture(image), image[..., :3])
    np.testing.assert_array_equal(as_picture(image / np.float32(1)), image[..., :3])
    deep = np.array([[[1000, 2000, 3000, 60000]]], np.uint16)
    assert as_picture(deep).tolist() == [[[0, 128, 255]]]
    reflectance = np.array([[[0, .06, .12, .9]]], np.float32)  # they were black
    assert as_picture(reflectance).tolist() == [[[0, 128, 255]]]
    assert not as_picture(np.zeros((2, 2, 5), np.float32)).any()
    assert as_picture(image[..., :1]).tolist() == image[..., [0, 0, 0]].tolist()
    assert as_picture(image[..., :2]).tolist() == image[..., [0, 1, 1]].tolist()
