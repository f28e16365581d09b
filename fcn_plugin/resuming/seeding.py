"""Random states that follow from numbers alone: see repeatable.py."""
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

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
