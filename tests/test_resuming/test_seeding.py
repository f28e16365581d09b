"""Random states that follow from numbers alone."""
import random

import numpy as np
import pytest
import torch

from fcn_plugin.resuming.seeding import seed_of, seeded


def seed_all(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def draw():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_what_is_drawn_inside_follows_from_the_key_alone():
    found = []
    for seed, key in ((1, (3, 4)), (2, (3, 4)), (2, (4, 3))):
        seed_all(seed)
        with seeded(*key):
            found.append(draw())
    assert found[0] == found[1]
    assert all(one != other for one, other in zip(*found[1:]))
    assert seed_of(2 ** 40) != seed_of(0) and 0 <= seed_of(7) < 2 ** 63


def test_what_is_drawn_afterwards_is_as_if_nothing_had_been_between():
    seed_all(0)
    expected = draw()
    seed_all(0)
    with pytest.raises(ZeroDivisionError), seeded(5):
        draw()
        _ = 1 / 0
    assert draw() == expected
