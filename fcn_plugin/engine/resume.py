"""Going on from a checkpoint to the very weights that an unbroken run ends with.

mmengine 0.10.7 restores the weights, the optimiser, the schedules and what was logged. The
rest is made a function of the run's seed and of a place in it, so that there is no state
to keep: the random states of every step (:class:`ExactResumeHook`) and of every image
(:func:`make_repeatable`), in as many processes as there are.
"""
import random
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_rank
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner
from mmseg.registry import HOOKS
from torch.utils.data import BatchSampler, DataLoader, Sampler

# Apart, though their numbers may be the same.
_STEP, _IMAGE, _BUILD, _ORDER = range(4)


def _seed_of(*key: int) -> int:
    """A number below 2**63 that stands for all the numbers of a key, each at least 0."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)


def _seed_cpu(seed: int) -> None:
    """Python's, numpy's and torch's random states; not those of a GPU."""
    random.seed(seed)
    np.random.seed(seed & 0xffffffff)
    # torch.manual_seed would seed the GPUs too.
    torch.default_generator.manual_seed(seed)


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Has random numbers on the CPU depend on a key alone; outside all is as it was.

    Args:
        *key (int): Numbers of at least 0.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    _seed_cpu(_seed_of(*key))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class Draw(int):
    """An index into a data set that knows which one of the run it is.

    Attributes:
        place (tuple): The number of the pass through the data, and that in the pass.
    """
    place: Tuple[int, ...] = (0, 0)

    @classmethod
    def at(cls, index: int, *place: int) -> 'Draw':
        """An index with its place."""
        draw = cls(index)
        draw.place = place
        return draw


class PlacedSampler(Sampler):
    """Yields what another sampler does, each with its place in the run.

    Args:
        sampler (Sampler): Its ``set_epoch`` is called with the number of each pass.
        passes (int): How many passes were ended before. Defaults to 0.
        drawn (int): How many indices of the next one to leave out. Defaults to 0.
        seed (int): The run's, for samplers without one of their own. Defaults to 0.
    """

    def __init__(self, sampler: Sampler, passes: int = 0, drawn: int = 0,
                 seed: int = 0) -> None:
        self.sampler, self.passes, self.drawn = sampler, passes, drawn
        self.seed = seed

    def __iter__(self) -> Iterator[Draw]:
        number, first = self.passes, self.drawn
        self.passes, self.drawn = number + 1, 0
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(number)
        # torch's RandomSampler draws its seed with the first index
        with seeded(_ORDER, self.seed, number):
            indices = iter(self.sampler)
            head = list(islice(indices, 1))
        indices = islice(chain(head, indices), first, None)
        return (Draw.at(index, number, place)
                for place, index in enumerate(indices, first))

    def __len__(self) -> int:
        return len(self.sampler)


class SeededImages:
    """A data set's ``__getitems__``: each image under a seed of its own.

    So its augmentation does not depend on which worker process makes it, nor on what
    that made before.

    Args:
        dataset (Dataset): Any.
        seed (int): The run's.
    """

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset, self.key = dataset, (_IMAGE, seed, get_rank())

    def __call__(self, draws: List[Draw]) -> List[Any]:
        """The images of a batch."""
        return [self._one(draw) for draw in draws]

    def _one(self, draw: Draw) -> Any:
        with seeded(*self.key, *draw.place):
            return self.dataset[int(draw)]


def make_repeatable(loader: DataLoader, seed: int, passes: int = 0,
                    batches: int = 0) -> bool:
    """Has the n-th image of a run depend on the run's seed and n alone, in place.

    Call before anything iterates over the loader. Randomness is meant that comes from the
    global states of Python, numpy and torch.

    Args:
        loader (DataLoader): As ``Runner.build_dataloader`` makes it.
        seed (int): The run's.
        passes (int): Passes through the data that are done. Defaults to 0.
        batches (int): Batches after them that are to be left out. Defaults to 0.

    Returns:
        bool: Whether they are left out: only of mmengine's samplers in torch's own
        batches is known without loading them which images they are.
    """
    sampler = getattr(loader.batch_sampler, 'sampler', None)
    if sampler is None:
        return False
    # A subclass may draw in another way.
    known = type(loader.batch_sampler) is BatchSampler and type(sampler) in (
        InfiniteSampler, DefaultSampler)
    if not known:
        batches = 0
    elif type(sampler) is DefaultSampler:  # which ends
        more, batches = divmod(batches, len(loader))
        passes += more
    loader.batch_sampler.sampler = PlacedSampler(
        sampler, passes, batches * loader.batch_sampler.batch_size if batches else 0, seed)
    dataset: Any = loader.dataset
    dataset.__getitems__ = SeededImages(dataset, seed)
    return known


class _Advanced:
    """A loop's batches of which the first are done already.

    mmengine's loop draws, after a resume, as many as were trained on, and has all their
    images decoded; those it does not get here were left out by the sampler.
    """

    def __init__(self, batches: Iterator[Any], done: int) -> None:
        self.batches, self.done = batches, done

    def __next__(self) -> Any:
        if self.done:
            self.done -= 1
            return None
        return next(self.batches)


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Has a run that was killed and resumed end as if it never had been.

    * Before each step the random states, a GPU's too, are set to what the run's seed, the
      process and the number of the step say.
    * The images of the steps that were done are not loaded again.
    * A validation that was due at the step of the checkpoint and is not in it is made up
      for, in loops that count iterations.

    :func:`resume_exactly` puts it into a run.

    Args:
        left_out (bool): Whether the sampler leaves out the steps that were done.
            Defaults to False.
    """
    priority = 'HIGHEST'  # before any other hook draws a random number

    def __init__(self, left_out: bool = False) -> None:
        self.left_out = left_out

    def before_train_epoch(self, runner: Runner) -> None:
        """Takes up what the checkpoint does not say."""
        loop = runner.train_loop
        if not isinstance(loop, IterBasedTrainLoop) or not loop.iter:
            return
        if self.left_out:
            loop.dataloader_iterator = _Advanced(loop.dataloader_iterator, loop.iter)
        known = runner.message_hub.runtime_info
        for hook in runner.hooks:
            # Without it the hook does not save again after the best score so far.
            if isinstance(hook, CheckpointHook) and hook.last_ckpt is None:
                hook.last_ckpt = known.get('last_ckpt')
        loop._decide_current_val_interval()
        if (runner.val_loop is not None and loop.iter >= loop.val_begin
                and (loop.iter % loop.val_interval == 0 or loop.iter == loop.max_iters)
                and known.get('validated_iter') != loop.iter):
            runner.val_loop.run()

    def before_train_iter(self, runner: Runner, batch_idx: int,
                          data_batch: Optional[dict] = None) -> None:
        """Sets the random states, those of GPUs too."""
        seed = _seed_of(_STEP, runner.seed, get_rank(), runner.iter)
        _seed_cpu(seed)
        torch.manual_seed(seed)

    def after_val_epoch(self, runner: Runner,
                        metrics: Optional[Dict[str, float]] = None) -> None:
        """Notes, for checkpoints, which validation was the last."""
        runner.message_hub.update_info('validated_iter', runner.iter)


def resume_exactly(runner: Runner, meta: Optional[dict] = None) -> None:
    """Has a run end the same whether or not it is killed and resumed on its way.

    Call before ``runner.train()``.

    Args:
        runner (Runner): Its training data's loader is made repeatable
            (:func:`make_repeatable`).
        meta (dict, optional): 'seed', 'iter' and 'epoch' of the checkpoint to go on from.
            Its seed is taken instead of the config's. Defaults to None, a new run.
    """
    meta = meta or {}
    _take_seed(runner, meta.get('seed'))
    hook = ExactResumeHook()
    runner.register_hook(hook)
    build = runner.build_dataloader

    def build_dataloader(dataloader, *args, **kwargs):
        if dataloader is not runner._train_dataloader:
            return build(dataloader, *args, **kwargs)
        with seeded(_BUILD, runner.seed):  # where a sampler draws its seed
            loader = build(dataloader, *args, **kwargs)
        loop = runner.cfg.train_cfg
        if loop.get('type') == 'IterBasedTrainLoop' or loop.get('by_epoch') is False:
            hook.left_out = make_repeatable(loader, runner.seed,
                                            batches=meta.get('iter', 0))
        else:
            make_repeatable(loader, runner.seed, passes=meta.get('epoch', 0))
        return loader

    runner.build_dataloader = build_dataloader


def _take_seed(runner: Runner, seed: Optional[int]) -> None:
    """Seeds a run anew, as the one that it goes on with, which mmengine does too late."""
    own = runner._randomness_cfg.get('seed')
    if seed is None or seed == own:
        return
    if own is not None:
        print_log(f'the config has randomness.seed={own}, but the run that is gone on with '
                  f'had {seed}, which is kept', 'current', 30)
    runner._randomness_cfg.update(seed=seed)
    runner.set_randomness(**runner._randomness_cfg)
