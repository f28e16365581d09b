"""Light and lenses that images are judged in."""
import cv2
import numpy as np
import pytest

from fcn_plugin.evaluation.conditions import CONDITIONS, find_conditions

RAMP = np.tile(np.arange(256, dtype=np.uint8)[:, None, None], (1, 40, 3))


@pytest.mark.parametrize('name', CONDITIONS)
def test_an_image_stays_one_and_nothing_is_left_to_chance(name):
    before = RAMP.copy()
    once, twice = CONDITIONS[name](RAMP), CONDITIONS[name](RAMP)
    assert once.dtype == np.uint8 and once.shape == RAMP.shape
    assert (once == twice).all() and (before == RAMP).all()
    assert (once == RAMP).all() == (name == 'as taken')


def test_two_stops_are_a_quarter_of_the_light():
    dark = CONDITIONS['dark'](RAMP)[:, 0, 0] / 255
    assert np.allclose(dark ** 2.2, (RAMP[:, 0, 0] / 255) ** 2.2 / 4, atol=4e-3)


def test_casts_keep_green():
    for name, sign in (('warm', 1), ('cold', -1)):
        cast = CONDITIONS[name](RAMP).astype(int)[100, 0] - 100
        assert cast[1] == 0 and np.sign(cast[0]) == sign == -np.sign(cast[2])


def test_dusk_haze_and_blur_are_as_strong_as_they_say():
    dusk = CONDITIONS['dusk'](np.full((90, 80, 3), 200, np.uint8)).reshape(-1, 3)
    assert np.allclose(dusk.mean(0), 200 * 2 ** (-3 / 2.2) * np.array([1.1, 1, 0.9]), atol=0.5)
    assert np.allclose(dusk.std(0), 5, atol=0.3)
    assert CONDITIONS['dusk'](np.zeros((90, 80, 3), np.uint8)).max() < 50  # noise below 0 is 0
    assert CONDITIONS['haze'](RAMP)[[0, 1, 100, 255], 0, 0].tolist() == [100, 101, 155, 240]
    for height, sigma in ((240, 1), (480, 2)):  # that of a lens, whatever the pixels
        image = np.random.default_rng(0).integers(0, 256, (height, 120, 3), np.uint8)
        assert (CONDITIONS['blurred'](image) == cv2.GaussianBlur(image, (0, 0), sigma)).all()


def test_names():
    assert list(find_conditions(['all'])) == list(CONDITIONS)
    assert list(find_conditions(['haze', 'dark'])) == ['dark', 'haze']
    with pytest.raises(ValueError, match="no condition 'night': expected all, as taken"):
        find_conditions(['night'])
