import matplotlib
import numpy as np
import pytest

from fcn_plugin.visualization import heatmap
from fcn_plugin.visualization.text import Canvas, text_size


@pytest.mark.parametrize('scores, change, words', [
    (np.zeros((4, 5)), {}, 'do not fit'),
    (np.full((4, 4), 1.5), {}, 'between 0 and 1'),
    (np.full((4, 4), np.nan), {}, 'between 0 and 1'),
    (np.full((4, 4), -0.1), {}, 'between 0 and 1'),
    (np.zeros((4, 4)), dict(alpha=-1), 'alpha'),
    (np.zeros((4, 4)), dict(alpha=1.1), 'alpha'),
    (np.zeros((4, 4)), dict(colormap='nonsense'), 'nonsense'),
])
def test_bad_arguments(scores, change, words):
    with pytest.raises((ValueError, KeyError), match=words):
        heatmap(scores, np.zeros((4, 4, 3), np.uint8), **change)


@pytest.mark.parametrize('size', [(1, 1), (1, 50), (50, 1), (96, 128), (375, 500)])
def test_sizes(size):
    scores, image = np.random.rand(*size), np.zeros((*size, 3), np.uint8)
    plain = heatmap(scores, image, colour_bar=False)
    assert plain.shape == image.shape
    full = heatmap(scores, image, title='probability of cat')
    assert full.shape[0] > size[0] and full.shape[1] > max(size[1], 100)


def test_a_score_has_its_colour_whatever_the_others_are():
    image = np.full((400, 400, 3), 90, np.uint8)
    half = np.round(255 * np.array(matplotlib.colormaps['viridis'](128)[:3]))
    full = heatmap(np.full((400, 400), 0.5), image, alpha=1)
    assert np.abs(full[:400, :400] - half).max() <= 1
    grey = heatmap(np.full((400, 400), 0.5), image, alpha=0, colour_bar=False)
    assert np.ptp(grey, axis=2).max() == 0
    image[:] = 250, 60, 10  # whose grey is 111
    assert (heatmap(np.zeros((400, 400)), image, 0, colour_bar=False) == 116).all()
    bar = full[:, 400 + text_size(400, 400) + 2].sum(1).astype(int)
    assert bar[30] > bar[-30] + 200  # 1 is at the top


def test_what_stands_beside_the_picture(monkeypatch):
    scores, image = np.random.rand(300, 400), np.full((300, 400, 3), 90, np.uint8)
    said = {}
    monkeypatch.setattr(Canvas, 'text', lambda self, text, top, left, size: said.update(
        {text: top}))
    full = heatmap(scores, image, title='cat')
    np.testing.assert_array_equal(full[-300:, :400], heatmap(scores, image, colour_bar=False))
    assert said['cat'] < said['1.0'] < said['0.5'] < said['0.0']
    assert len(heatmap(scores[:20, :30], image[:20, :30])) == 260  # enlarged 13 times


def test_brighter_where_likelier():
    scores = np.repeat(np.linspace(0, 1, 64)[None], 8, axis=0)
    for colormap in ('viridis', 'magma'):
        picture = heatmap(scores, np.full((8, 64, 3), 90, np.uint8), colormap=colormap,
                          colour_bar=False)
        brightness = (picture @ np.array([0.299, 0.587, 0.114])).mean(0)
        assert (np.diff(brightness) > -1).all() and np.ptp(brightness) > 50
