"""Images and random states by their place in a run."""
import random
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.model import BaseModel
from mmengine.runner import Runner
from tiny_runs import forget_runs
from torch import distributed, nn
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from fcn_plugin.engine.resume import (Draw, ExactResumeHook, SeededImages, make_repeatable,
                                      resume_exactly, seeded)


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
    return SeededImages(Noise(), seed)([Draw.at(0, 0, place)])[0][1:]


@pytest.mark.parametrize('numbers', [of_step, of_image])
def test_random_numbers_are_of_a_seed_a_place_and_a_process(numbers):
    """Two processes that drew the same would drop and flip alike."""
    def all_of():
        return [numbers(seed, place) for seed in (3, 4) for place in (0, 1)]

    found = []
    for rank in (0, 1):
        with in_process(rank):
            found.append(all_of())
            assert found[-1] == all_of()
    assert found[0] == all_of()  # one process is the first of several
    assert len({numbers for each in found for numbers in each}) == 8


class Drawing(BaseModel):
    """Notes the images and the random numbers of each step."""

    def __init__(self):
        super().__init__()
        self.weight, self.seen = nn.Parameter(torch.zeros(1)), []

    def forward(self, mode, **images):
        self.seen.append((images, draws()))
        return dict(loss=self.weight.sum())


def seen(folder, own, meta=None):
    """What a run of three steps sees, whose config has a seed of its own."""
    forget_runs()
    loop = dict(by_epoch=False, max_iters=3)
    runner = Runner(
        Drawing(), str(folder), train_cfg=loop, cfg=dict(train_cfg=loop),
        train_dataloader=dict(
            dataset=Noise(), batch_size=2, num_workers=0, collate_fn=_named,
            sampler=dict(type='InfiniteSampler', shuffle=True)),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)), randomness=dict(seed=own),
        default_hooks=dict(logger=None, checkpoint=None), experiment_name=folder.name,
        log_level='WARNING', default_scope='mmengine')
    resume_exactly(runner, meta)
    runner.train()
    return runner.seed, runner.model.seen


def _named(images):
    return dict(images=images)


def test_the_seed_of_the_run_that_is_gone_on_with_is_kept(tmp_path, capfd):
    """Whatever the config says by now: all images and steps are that run's."""
    seed, expected = seen(tmp_path / 'unbroken', 5)
    assert seed == 5 and len(expected) == 3
    assert seen(tmp_path / 'new', 1)[1] != expected
    assert seen(tmp_path / 'resumed', 1, dict(seed=5, iter=0, epoch=0)) == (5, expected)
    said = capfd.readouterr()
    assert 'randomness.seed=1' in said.out + said.err
    assert seen(tmp_path / 'unsaid', None, dict(seed=5, iter=0, epoch=0)) == (5, expected)
    said = capfd.readouterr()
    assert 'randomness.seed' not in said.out + said.err
