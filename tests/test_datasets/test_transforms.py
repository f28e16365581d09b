"""Augmentation, against its formula."""
import numpy as np
import pytest
from mmseg.registry import TRANSFORMS

from fcn_plugin.datasets import RandomLowLight


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_light_and_noise_follow_the_formula(dtype):
    """Means give the stops, deviations the noise; uniform over what was asked for."""
    np.random.seed(0)
    transform = TRANSFORMS.build(dict(type='RandomLowLight', prob=1., max_stops=2.,
                                      max_noise=6.))
    image = np.full((100, 120, 3), 180, dtype)
    stops, deviations = [], []
    for _ in range(300):
        changed = transform(dict(img=image))['img']
        assert changed.dtype == dtype and changed.shape == image.shape
        values = changed.astype(np.float64)
        stops.append(2.2 * np.log2(180 / values.mean()))
        deviations.append(values.std(axis=(0, 1)).mean())
        # each channel has noise of its own
        assert deviations[-1] < 1 or abs(np.corrcoef(values.reshape(-1, 3).T)[0, 1]) < 0.05
    assert (image == 180).all()
    for found, most in ((stops, 2), (deviations, 6)):
        assert -0.02 < min(found) < 0.1 * most and 0.9 * most < max(found) < 1.02 * most
        assert np.mean(found) == pytest.approx(most / 2, rel=0.1)


def test_only_some_images_and_within_range():
    np.random.seed(0)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    transform = RandomLowLight(prob=0.3, max_stops=0., max_noise=60.)
    results = [transform(dict(img=image))['img'] for _ in range(400)]
    changed = [each for each in results if each is not image]
    assert 0.2 < len(changed) / len(results) < 0.4
    # noise that leads out of the range ends there: neither wraps around
    for each in changed:
        assert not ((image < 10) & (each > 250)).any()


def test_it_repeats_by_numpys_seed():
    image = np.full((8, 9), 100, np.uint8)
    for _ in range(2):
        found = []
        for seed in (1, 1, 2):
            np.random.seed(seed)
            found.append(RandomLowLight(prob=1.)(dict(img=image))['img'])
        assert (found[0] == found[1]).all() and (found[0] != found[2]).any()


@pytest.mark.parametrize('name, value', [
    ('prob', 1.5), ('prob', -0.1), ('max_stops', -1), ('max_noise', float('inf')),
    ('max_noise', float('nan'))])
def test_bad_settings(name, value):
    with pytest.raises(ValueError, match=f'^RandomLowLight: {name} is {value}, expected'):
        RandomLowLight(**{name: value})
