"""Images and random states by their place in a run."""
import pickle
import random
from contextlib import contextmanager
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from noise_runs import Noise, draws
from torch import distributed
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from fcn_plugin.engine import ExactResumeHook, PlacedSampler, RepeatableDataset
from fcn_plugin.resuming.repeatable import drawn, leave_out, placed_sampler
from fcn_plugin.resuming.seeding import BUILD, IMAGE, ORDER, STEP, seed_of, seeded


class Pairs(BatchSampler):
    """Another way of making batches."""


class Endless(InfiniteSampler):
    """It may draw in another way than what it derives from."""


class Ending(DefaultSampler):
    """It may, too."""


def loader(sampler=InfiniteSampler, batches=BatchSampler, workers=0, run=7, **kwargs):
    data = RepeatableDataset(Noise(), run)
    return DataLoader(
        data, num_workers=workers, collate_fn=list, batch_sampler=batches(
            PlacedSampler(sampler(data, **kwargs), order_seed=run), 4, False))


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
    assert len({seed_of(kind, 3, 5) for kind in (STEP, IMAGE, BUILD, ORDER)}) == 4


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('sampler', [InfiniteSampler, DefaultSampler])
def test_batches_after_those_that_are_done(sampler, workers):
    """The same images with the same random numbers, and none of the others loaded."""
    expected = take(loader(sampler, seed=7), 9)
    assert len({numbers[1] for batch in expected for numbers in batch}) == sum(
        map(len, expected))
    rest = loader(sampler, workers=workers, seed=7)
    assert leave_out(rest, 4)
    Noise.loaded = 0
    assert take(rest, 5) == expected[4:]
    assert workers or Noise.loaded == sum(map(len, expected[4:]))


@pytest.mark.parametrize('sampler', [InfiniteSampler, DefaultSampler])
def test_the_order_is_the_sampler_s(sampler):
    plain = BatchSampler(sampler(Noise(), seed=7), 4, False)
    found = [[number for number, *_ in batch] for batch in take(loader(
        lambda data: sampler(data, seed=7)), 3)]
    assert found == [batch for batch, _ in zip(plain, range(3))]


def test_another_seed_other_images():
    one, other = (take(loader(lambda data: InfiniteSampler(data, seed=7), run=seed), 2)
                  for seed in (7, 8))
    assert [number for number, *_ in one[0]] == [number for number, *_ in other[0]]
    assert one != other


@pytest.mark.parametrize('kind', [
    dict(sampler=RandomSampler),
    dict(sampler=lambda data: InfiniteSampler(data, seed=7), batches=Pairs),
    dict(sampler=lambda data: DefaultSampler(data, seed=7), batches=Pairs),
    dict(sampler=lambda data: Endless(data, seed=7)),
    dict(sampler=lambda data: Ending(data, seed=7))])
def test_other_samplers_are_drawn_from_the_start(kind):
    """Random numbers by place, but nothing is left out that nobody knows."""
    found = [loader(**kind) for _ in range(2)]
    assert not leave_out(found[1], 2)
    assert take(found[0], 3) == take(found[1], 3)


@pytest.mark.parametrize('kind', [RandomSampler, lambda data: DefaultSampler(data, seed=7)])
def test_every_pass_has_an_order_of_its_own(kind):
    sampler = PlacedSampler(kind(range(50)), order_seed=7)
    first, second = list(sampler), list(sampler)
    assert first != second and sorted(first) == sorted(second) == list(range(50))
    sampler.skip(1)
    assert list(sampler) == second


def test_batch_samplers_with_indices_of_their_own():
    """They are passed on, drawn from the process's random numbers."""
    data = RepeatableDataset(Noise(), 7)
    batch, = DataLoader(data, collate_fn=list, batch_sampler=[[4, 2]])
    assert [number for number, *_ in batch] == [4, 2]
    assert placed_sampler(DataLoader(data)) is None


def test_a_sampler_is_asked_for_its_own():
    """As batch samplers do, in copies too."""
    data = Noise()
    sampler = PlacedSampler(dict(type='DefaultSampler', shuffle=False), data, seed=3)
    assert sampler.dataset is data and sampler.seed == 3 and len(sampler) == 10
    assert pickle.loads(pickle.dumps(sampler)).seed == 3
    assert list(sampler) == list(range(10))
    with pytest.raises(AttributeError, match='colour'):
        _ = sampler.colour


# --- what random numbers depend on --------------------------------------------------------


@contextmanager
def in_process(rank):
    """As the process of that rank, of two that exchange nothing."""
    distributed.init_process_group('fake', store=FakeStore(), rank=rank, world_size=2)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def of_step(seed, step):
    ExactResumeHook().before_train_iter(SimpleNamespace(seed=seed, iter=step), 0)
    return draws()


def of_image(seed, place):
    """The numbers of the place-th image that this process makes."""
    sampler = PlacedSampler(InfiniteSampler(Noise(), seed=7))
    draw = next(islice(sampler, place, None))
    return RepeatableDataset(Noise(), seed)[draw][1:]


def of_other_image(seed, place):
    """The same by a sampler that knows its own process's images alone."""
    draw = next(islice(PlacedSampler(DefaultSampler(Noise(), seed=7)), place, None))
    return RepeatableDataset(Noise(), seed)[draw][1:]


@pytest.mark.parametrize('numbers', [of_image, of_other_image])
def test_random_numbers_of_images_are_of_a_seed_and_a_place(numbers):
    """The second of two processes makes what one process makes second, and so on."""
    alone = [[numbers(seed, place) for place in range(4)] for seed in (3, 4)]
    shared = []
    for rank in (0, 1):
        with in_process(rank):
            shared.append([[numbers(seed, place) for place in range(2)] for seed in (3, 4)])
    assert [[one for pair in zip(*each) for one in pair] for each in zip(*shared)] == alone
    assert len({numbers for each in alone for numbers in each}) == 8


@pytest.mark.parametrize('workers', [0, 2])
def test_another_number_of_processes_goes_on_with_the_rest(workers):
    """From any place, also in the middle of what would be its turn."""
    whole = [one for batch in take(loader(seed=7), 6) for one in batch]
    for images in (12, 5):
        found = []
        for rank in (0, 1):
            with in_process(rank):
                rest = loader(workers=workers, seed=7)
                assert leave_out(rest, 3, images)
                assert drawn(rest, 3) == images and drawn(rest, 5) == images + 2 * 8
                found.append([one for batch in take(rest, 1) for one in batch])
        assert [one for pair in zip(*found) for one in pair] == whole[images:images + 8]


@pytest.mark.parametrize('rank', [0, 1])
def test_each_process_leaves_out_what_it_has_done(rank):
    """Of images that a sampler has dealt out; each keeps its random numbers."""
    with in_process(rank):
        expected = take(loader(DefaultSampler, seed=7), 6)
        for done in (1, 3, 4):
            rest = loader(DefaultSampler, seed=7)
            assert leave_out(rest, done)
            assert take(rest, 6 - done) == expected[done:]


def test_random_numbers_of_steps_are_of_a_seed_a_place_and_a_process():
    """Two processes that drew the same would drop out alike."""
    def all_of():
        return [of_step(seed, place) for seed in (3, 4) for place in (0, 1)]

    found = []
    for rank in (0, 1):
        with in_process(rank):
            found.append(all_of())
            assert found[-1] == all_of()
    assert found[0] == all_of()  # one process is the first of several
    assert len({numbers for each in found for numbers in each}) == 8


def test_random_numbers_of_gpus_are_those_of_the_step_too(monkeypatch):
    seeds = []
    monkeypatch.setattr(torch.cuda, 'manual_seed_all', seeds.append)
    of_step(3, 8)
    assert seeds == [seed_of(STEP, 3, 0, 8)]
