"""Timing in alternation, so that what else the machine does falls on all alike."""
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from fcn_plugin.diagnosis.cost import peak_of


@dataclass
class Timing:
    """What one contender took.

    Attributes:
        seconds (list[float]): Of each round, for one call.
        memory (int, optional): Bytes beyond what was held before the call, at its
            peak; None where the system does not tell.
    """
    seconds: list[float]
    memory: int | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def measure(contenders: dict[str, Callable[[], object]], rounds: int = 9,
            warm_up: int = 2) -> dict[str, Timing]:
    """Calls each contender in turn, ``rounds`` times over.

    In several processes all begin a call together, and the slowest counts.

    Args:
        contenders (dict[str, Callable]): By name.
        rounds (int): Timed calls of each. Defaults to 9.
        warm_up (int): Calls before. Defaults to 2.

    Returns:
        dict[str, Timing]: By name.
    """
    timings = {name: Timing([]) for name in contenders}
    for call in contenders.values():
        for _ in range(warm_up):
            call()
    for _ in range(rounds):
        for name, call in contenders.items():
            _wait()
            began = time.perf_counter()
            call()
            _wait()
            timings[name].seconds.append(_slowest(time.perf_counter() - began))
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    for name, call in contenders.items():
        timings[name].memory = peak_of(lambda call=call: (call(), _wait()), device)
    return timings


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def _slowest(seconds: float) -> float:
    if not torch.distributed.is_initialized():
        return seconds
    value = torch.tensor(seconds, dtype=torch.float64)
    if torch.distributed.get_backend() == 'nccl':
        value = value.cuda()
    torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX)
    return float(value)
