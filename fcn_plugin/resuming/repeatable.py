"""Random numbers that depend on the run's seed and a place in the run alone.

So there is no random state to keep, and a run that goes on from a checkpoint draws what an
unbroken one does, in as many worker processes as there are.
"""
from collections.abc import Iterator, Sized
from itertools import chain, count, islice
from typing import Any

from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_dist_info, get_world_size
from mmseg.registry import DATA_SAMPLERS, DATASETS
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    Sampler,
    SequentialSampler,
)

from ..datasets.guarded import DatasetAround
from .seeding import IMAGE, ORDER, seeded


class Draw(int):
    """An index into a data set, with its place in the run.

    Attributes:
        place (tuple): The number of the pass through the data, and that in the pass, counted
            over all processes.
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

    Several processes take turns. What mmengine's ``InfiniteSampler`` draws is one order for
    all, in which a step takes the next images, however many processes share them.

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
        #: Whether the order is the same for any number of processes.
        self.shared = type(sampler) is InfiniteSampler
        if self.shared:  # it is dealt out here, from any place on
            sampler.rank, sampler.world_size = 0, 1
        self.sampler, self.order_seed = sampler, order_seed
        self.left_out = 0, 0  # batches and images that are done, see leave_out
        self.skip()

    def skip(self, passes: int = 0, drawn: int = 0) -> None:
        """Says what of the run is done; call before anything is drawn.

        Args:
            passes (int): How many passes through the data. Defaults to 0.
            drawn (int): How many indices of the next pass are to be left out, of all
                processes where the order is shared, else of this one. Defaults to 0.
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
        rank, processes = get_dist_info()
        if self.shared:
            turns = islice(chain(head, indices), first + rank, None, processes)
        else:
            turns, first = islice(chain(head, indices), first, None), first * processes
        return (Draw.at(index, number, place)
                for place, index in zip(count(first + rank, processes), turns))

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

    So its augmentation depends neither on which process makes it, nor on the images made
    there before. This holds for transforms that draw from the global states of Python,
    numpy and torch. An index without a place, from another library's batch sampler, is
    passed on as it is.

    Args:
        dataset (Dataset or dict): Any data set, or its config.
        seed (int): The run's.
    """
    own = ('dataset', '_key')

    def __init__(self, dataset: Any, seed: int) -> None:
        super().__init__(dataset)
        self._key = IMAGE, seed, 0

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


def drawn(loader: DataLoader, batches: int) -> int | None:
    """How many images all processes have drawn from a loader after so many batches; None
    where their order is not one for all."""
    sampler = placed_sampler(loader)
    if sampler is None or not sampler.shared or type(loader.batch_sampler) is not BatchSampler:
        return None
    batches_before, images_before = sampler.left_out
    return images_before + (batches - batches_before) * (
        loader.batch_sampler.batch_size * get_world_size())


def leave_out(loader: DataLoader, batches: int, images: int | None = None) -> bool:
    """Makes a loader begin after the batches that are done, without loading their images.

    Call before anything iterates over the loader.

    Args:
        loader (DataLoader): Of ``FCNRunner.build_dataloader``.
        batches (int): How many are done.
        images (int, optional): How many all processes drew for them, which differs from what
            this loader would where the run was on other processes. Defaults to None: as many.

    Returns:
        bool: Whether they are left out. They are for mmengine's samplers in torch's own
        batches: only of those the images are known without loading them.
    """
    sampler, batch_sampler = placed_sampler(loader), loader.batch_sampler
    done = drawn(loader, batches)
    if done is not None:
        images = done if images is None else images
        sampler.left_out = batches, images
        sampler.skip(drawn=images)
        return True
    # A subclass may draw in another way.
    if (sampler is None or type(batch_sampler) is not BatchSampler
            or type(sampler.sampler) is not DefaultSampler):
        return False
    passes, batches = divmod(batches, len(loader))  # it ends
    sampler.skip(passes, batches * batch_sampler.batch_size)
    return True
