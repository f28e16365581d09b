"""Images and random states by their place in a run."""
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from fcn_plugin.engine.resume import make_repeatable, seeded


def draws():
    return random.random(), np.random.rand(), torch.rand(1).item()


class Noise(Dataset):
    """Its index, and what a transform might draw."""
    loaded = 0

    def __len__(self):
        return 10

    def __getitem__(self, index):
        type(self).loaded += 1
        return (index, *draws())


class Pairs(BatchSampler):
    """Another way of making batches."""


def loader(sampler=InfiniteSampler, batches=BatchSampler, workers=0, **kwargs):
    data = Noise()
    return DataLoader(data, batch_sampler=batches(sampler(data, **kwargs), 4, False),
                      num_workers=workers, collate_fn=list)


def take(loader, count):
    """So many batches, pass after pass."""
    found = []
    while len(found) < count:
        for batch in loader:
            found.append(batch)
            if len(found) == count:
                break
    return found


def test_seeded():
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    with seeded(3, 5):
        once = draws()
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    with seeded(3, 5):
        assert draws() == once
    with seeded(5, 3):
        assert not set(draws()) & set(once)


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('sampler', [InfiniteSampler, DefaultSampler])
def test_batches_after_those_that_are_done(sampler, workers):
    """The same images with the same random numbers, and none of the others loaded."""
    whole = loader(sampler, seed=7)
    assert make_repeatable(whole, 7)
    expected = take(whole, 9)
    assert len({numbers[1] for batch in expected for numbers in batch}) == sum(
        map(len, expected))
    rest = loader(sampler, workers=workers, seed=7)
    assert make_repeatable(rest, 7, batches=4)
    Noise.loaded = 0
    assert take(rest, 5) == expected[4:]
    assert workers or Noise.loaded == sum(map(len, expected[4:]))


def test_another_seed_other_images():
    found = []
    for seed in (7, 8):
        found.append(loader(seed=7))
        make_repeatable(found[-1], seed)
    one, other = (take(each, 2) for each in found)
    assert [number for number, *_ in one[0]] == [number for number, *_ in other[0]]
    assert one != other


@pytest.mark.parametrize('kind', [dict(sampler=RandomSampler), dict(batches=Pairs, seed=7)])
def test_other_samplers_are_drawn_from_the_start(kind):
    """Random numbers by place, but nothing is left out that nobody knows."""
    found = []
    for done in (0, 2):
        found.append(loader(**kind))
        assert not make_repeatable(found[-1], 7, batches=done)
    assert take(found[0], 3) == take(found[1], 3)
