"""Random numbers that depend on the run's seed and a place in the run alone.

So there is no random state to keep, and a run that goes on from a checkpoint draws what an
unbroken one does, in as many worker processes as there are.
"""
import random
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_rank
from mmseg.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    Sampler,
    SequentialSampler,
)

from ..datasets.guarded import DatasetAround

# The first number of a key: steps, images and so on have different seeds, even where the
# other numbers are equal.
STEP, IMAGE, BUILD, ORDER = range(4)


def seed_of(*key: int) -> int:
    """A number below 2**63 that stands for all the numbers of a key, each at least 0."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)


def seed_cpu(seed: int) -> None:
    """Python's, numpy's and torch's random states; not those of a GPU."""
    random.seed(seed)
    np.random.seed(seed & 0xffffffff)
    # torch.manual_seed would seed the GPUs too.
    torch.default_generator.manual_seed(seed)


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Inside, random numbers on the CPU depend on a key alone; afterwards the random states
    are those from before.

    Args:
        *key (int): Numbers of at least 0.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed_cpu(seed_of(*key))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class Draw(int):
    """An index into a data set, with its place in the run.

    Attributes:
        place (tuple): The number of the pass through the data, and that in the pass.
    """
    place: tuple[int, ...] = (0, 0)

    @classmethod
    def at(cls, index: int, *place: int) -> 'Draw':
        """An index with its place."""
        draw = cls(index)
        draw.place = place
        return draw


@DATA_SAMPLERS.register_module()
class PlacedSampler(Sampler):
    """Yields what another sampler does, each index with its place in the run.

    Args:
        sampler (Sampler or dict, optional): The other one, or its config. Its
            ``set_epoch``, where it has one, is called with the number of each pass.
            Defaults to None: as torch does without a sampler.
        dataset (Sized, optional): For a sampler that is built here.
        seed (int, optional): For a sampler that is built here. Defaults to None.
        shuffle (bool): Without a sampler, whether to draw in random order. Defaults to
            False.
        order_seed (int): The run's, for samplers without a seed of their own. Defaults
            to 0.
    """

    def __init__(self, sampler: Any = None, dataset: Sized | None = None,
                 seed: int | None = None, shuffle: bool = False,
                 order_seed: int = 0) -> None:
        if sampler is None:
            sampler = (RandomSampler if shuffle else SequentialSampler)(dataset)
        elif isinstance(sampler, dict):
            sampler = DATA_SAMPLERS.build(
                sampler, default_args=dict(dataset=dataset, seed=seed))
        self.sampler, self.order_seed = sampler, order_seed
        self.skip()

    def skip(self, passes: int = 0, drawn: int = 0) -> None:
        """Says what of the run is done; call before anything is drawn.

        Args:
            passes (int): How many passes through the data. Defaults to 0.
            drawn (int): How many indices of the next pass are to be left out. Defaults to
                0.
        """
        self._passes, self._drawn = passes, drawn

    def __iter__(self) -> Iterator[Draw]:
        number, first = self._passes, self._drawn
        self.skip(number + 1)
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(number)
        # torch's RandomSampler draws its seed with the first index
        with seeded(ORDER, self.order_seed, number):
            indices = iter(self.sampler)
            head = list(islice(indices, 1))
        indices = islice(chain(head, indices), first, None)
        return (Draw.at(index, number, place)
                for place, index in enumerate(indices, first))

    def __len__(self) -> int:
        return len(self.sampler)

    def __getattr__(self, name: str) -> Any:
        # A batch sampler may ask its sampler for the data set.
        if name == 'sampler' or name.startswith('__'):
            raise AttributeError(f'PlacedSampler has no attribute {name!r}')
        return getattr(self.sampler, name)


@DATASETS.register_module()
class RepeatableDataset(DatasetAround):
    """Makes each image under a seed of its own, by its place in the run.

    So its augmentation does not depend on which worker process makes it, nor on the images
    made there before. This holds for transforms that draw from the global states of Python,
    numpy and torch. An index without a place, from another library's batch sampler, is
    passed on as it is.

    Args:
        dataset (Dataset or dict): Any data set, or its config.
        seed (int): The run's.
    """
    own = ('dataset', '_key')

    def __init__(self, dataset: Any, seed: int) -> None:
        super().__init__(dataset)
        self._key = IMAGE, seed, get_rank()

    def __getitem__(self, idx: int) -> Any:
        """The image of a :class:`Draw`, or of an index."""
        if not isinstance(idx, Draw):
            return self.dataset[idx]
        with seeded(*self._key, *idx.place):
            return self.dataset[int(idx)]

    def __getitems__(self, draws: list[int]) -> list[Any]:
        """The images of a batch."""
        return [self[draw] for draw in draws]


def placed_sampler(loader: DataLoader) -> PlacedSampler | None:
    """The sampler of a loader that counts places, where it has one."""
    for sampler in (getattr(loader.batch_sampler, 'sampler', None), loader.sampler):
        if isinstance(sampler, PlacedSampler):
            return sampler
    return None


def leave_out(loader: DataLoader, batches: int) -> bool:
    """Makes a loader begin after the batches that are done, without loading their images.

    Call before anything iterates over the loader.

    Args:
        loader (DataLoader): Of ``FCNRunner.build_dataloader``.
        batches (int): How many are done.

    Returns:
        bool: Whether they are left out. They are for mmengine's samplers in torch's own
        batches: only of those the images are known without loading them.
    """
    sampler, batch_sampler = placed_sampler(loader), loader.batch_sampler
    # A subclass may draw in another way.
    if (sampler is None or type(batch_sampler) is not BatchSampler
            or type(sampler.sampler) not in (InfiniteSampler, DefaultSampler)):
        return False
    passes = 0
    if type(sampler.sampler) is DefaultSampler:  # which ends
        passes, batches = divmod(batches, len(loader))
    sampler.skip(passes, batches * batch_sampler.batch_size)
    return True
