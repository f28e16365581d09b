"""Pairs of labels counted by each engine, against numpy."""
import numpy as np
import pytest
import torch

from fcn_plugin.ops import count_pairs
from fcn_plugin.ops.labels import compiled

ENGINES = ['torch', pytest.param('numba', marks=pytest.mark.skipif(
    compiled() is None, reason='numba does not run here'))]


@pytest.fixture(params=ENGINES)
def count(request):
    return lambda prediction, truth, classes, ignored: count_pairs(
        torch.tensor(prediction), torch.tensor(truth), classes, ignored, request.param)


@pytest.mark.parametrize('ignored', [0, 2, 255])
def test_pairs_are_counted_but_for_the_ignored(count, ignored):
    random = np.random.default_rng(ignored)
    truth = random.choice([0, 1, 2, ignored], 500)
    prediction = random.integers(0, 3, 500)
    expected = np.zeros((3, 3), int)
    np.add.at(expected, (truth[truth != ignored], prediction[truth != ignored]), 1)
    assert count(prediction, truth, 3, ignored).tolist() == expected.tolist()


@pytest.mark.parametrize('prediction, truth', [
    ([0, 3], [0, 0]), ([0, -1], [0, 0]), ([0, 0], [0, 3]), ([0, 0], [0, -1]),
    ([0, 3], [0, 255])], ids=['high prediction', 'low prediction', 'high truth', 'low truth',
                              'high prediction where nothing counts'])
def test_a_label_that_is_no_class_is_told(count, prediction, truth):
    assert count(prediction, truth, 3, 255) is None


def test_no_pixel_is_no_pair(count):
    nothing = np.zeros(0, int)
    assert count(nothing, nothing, 3, 255).tolist() == [[0] * 3] * 3


def test_a_photograph_may_be_of_one_class(count):
    """More pixels than 16 bits count."""
    same = np.ones(400_003, np.uint8)
    assert count(same, same, 2, 255).tolist() == [[0, 0], [0, len(same)]]
