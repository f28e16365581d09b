"""Distances to boundaries against their definition, pixel by pixel."""
import numpy as np
import pytest

from fcn_plugin.evaluation import boundary_distance


def by_definition(truth, ignored):
    """Of every pixel to every boundary pixel, in float64."""
    height, width = truth.shape
    padded = np.pad(truth, 1, mode='edge')
    neighbours = [padded[1 + y:1 + y + height, 1 + x:1 + x + width]
                  for y, x in ((0, 1), (0, -1), (1, 0), (-1, 0))]
    edge = np.argwhere(np.any([n != truth for n in neighbours], axis=0))
    pixels = np.argwhere(np.ones_like(truth, bool))
    squares = ((pixels[:, None].astype(np.float64) - edge[None])**2).sum(-1)
    nearest = squares.min(1, initial=np.inf).reshape(truth.shape)
    return np.where(truth == ignored, np.inf, np.sqrt(nearest))


def blocks(rng, height, width, side, ignored=255):
    """Label maps with areas about ``side`` pixels wide, some of them ignored."""
    coarse = rng.choice([0, 1, 2, ignored], (height // side + 1, width // side + 1),
                        p=(0.5, 0.2, 0.15, 0.15))
    return coarse.repeat(side, 0).repeat(side, 1)[:height, :width]


@pytest.mark.parametrize('shape', [(1, 1), (1, 40), (37, 1), (23, 41), (48, 32)])
@pytest.mark.parametrize('side', [1, 5, 17])
@pytest.mark.parametrize('ignored', [255, 0, -1])
def test_equals_definition(shape, side, ignored):
    rng = np.random.default_rng(side)
    truth = blocks(rng, *shape, side, ignored)
    found, expected = boundary_distance(truth, ignored), by_definition(truth, ignored)
    assert found.dtype == np.float32 and found.shape == truth.shape
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for width in (1, 2, 5, 10, 13):  # the bands, to the pixel
        np.testing.assert_array_equal(found < width, expected < width)


def test_bands_across_a_straight_boundary():
    """As many pixels on each side as the width says."""
    truth = np.zeros((3, 20), np.uint8)
    truth[:, 10:] = 1
    for width in (1, 4, 9):
        counted = np.flatnonzero((boundary_distance(truth) < width)[1])
        assert counted.tolist() == list(range(10 - width, 10 + width))


def test_ignored_band_over_a_boundary():
    """Measured from its rims, and not counted itself."""
    truth = np.zeros((3, 20), np.uint8)
    truth[:, 8:12] = 255
    truth[:, 12:] = 1
    counted = np.flatnonzero((boundary_distance(truth) < 2)[1])
    assert counted.tolist() == [6, 7, 12, 13]


@pytest.mark.parametrize('label', [3, 255])
def test_no_boundary(label):
    truth = np.full((300, 200), label, np.uint8)
    assert np.isinf(boundary_distance(truth)).all()
    assert boundary_distance(truth[:0]).shape == (0, 200)


def test_shape():
    with pytest.raises(ValueError, match=r'shape \(1, 4, 5\), expected \(H, W\)'):
        boundary_distance(np.zeros((1, 4, 5), np.uint8))
