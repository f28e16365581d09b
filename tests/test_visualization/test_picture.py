"""What of any image can be seen."""
import numpy as np
import pytest
from PIL import Image

from fcn_plugin.visualization import as_picture, save_picture


@pytest.mark.parametrize('values, seen', [
    (np.uint8([0, 7, 255]), [0, 7, 255]),
    (np.uint16([0, 100, 255]), [0, 100, 255]),
    (np.float32([0.4, 100.6, 255]), [0, 101, 255]),
    (np.float32([-1, 0, 1]), [0, 128, 255]),
    (np.int16([-50, 0, 50]), [0, 128, 255]),
    (np.uint16([1000, 1500, 2000]), [0, 128, 255])])
def test_values_within_a_byte_stay_and_others_are_stretched(values, seen):
    picture = as_picture(np.repeat(values[:, None, None], 3, axis=2))
    assert picture.dtype == np.uint8
    assert picture[:, 0].tolist() == [[value] * 3 for value in seen]


@pytest.mark.parametrize('channels, shown', [
    (1, [0, 0, 0]), (2, [0, 1, 1]), (3, [0, 1, 2]), (5, [0, 1, 2])])
def test_the_first_three_channels_are_seen(channels, shown):
    image = np.tile(np.arange(channels, dtype=np.uint8), (2, 4, 1))
    assert (as_picture(image) == np.uint8(shown)).all()


@pytest.mark.parametrize('name, kind', [
    ('a.JPG', 'JPEG'), ('a.Png', 'PNG'), ('a.webp', 'WEBP')])
def test_the_suffix_says_the_format(tmp_path, name, kind):
    save_picture(tmp_path / name, np.zeros((4, 5, 3), np.uint8))
    with Image.open(tmp_path / name) as picture:
        assert picture.format == kind and picture.size == (5, 4)


def test_a_jpeg_is_hardly_changed(tmp_path):
    rows, columns = np.mgrid[:64, :64]
    picture = np.stack([4 * rows, 2 * (rows + columns), 4 * columns], 2).astype(np.uint8)
    save_picture(tmp_path / 'a.jpg', picture)
    with Image.open(tmp_path / 'a.jpg') as read:
        assert np.abs(np.asarray(read).astype(int) - picture).mean() < 1.5
