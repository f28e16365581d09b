"""Light and lenses that images are judged in."""
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


def test_names():
    assert list(find_conditions(['all'])) == list(CONDITIONS)
    assert list(find_conditions(['haze', 'dark'])) == ['dark', 'haze']
    with pytest.raises(ValueError, match="no condition 'night': expected all, as taken"):
        find_conditions(['night'])
