"""Runs in several processes: those that go away, and the end."""
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.dist import get_rank, get_world_size, is_distributed

# What gloo, torch's store and NCCL say of a peer that does not answer. gloo's are plain
# RuntimeErrors.
_LOST = re.compile(r'gloo|NCCL|Connection (closed|reset) by|Broken pipe|Socket closed'
                   r'|Timed out (after )?waiting', re.I)
_ADDRESS = re.compile(r'\[[^\]]*/[^\]]*\] *')  # of the line in gloo's sources


@contextmanager
def explain_lost_processes(way_out: str) -> Iterator[None]:
    """Says of a failed exchange with the other processes what it means.

    Args:
        way_out (str): What to do then, a clause.

    Raises:
        ConnectionError: With this process's rank, and what the library said.
    """
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, torch.distributed.DistError) or _LOST.search(str(error))
        if not (lost and is_distributed()):
            raise
        said = _ADDRESS.sub('', str(error).strip().splitlines()[0])
        said = said.partition('. This is typically')[0]  # gloo's guesses, and wishes
        raise ConnectionError(
            f'rank {get_rank()} of {get_world_size()} on {socket.gethostname()} lost '
            f'another process ({said}): it has ended, or its machine does not answer. '
            f'{way_out}') from error


def leave_processes() -> None:
    """Ends the exchange with the other processes, where there is one.

    For a process that has nothing more to do: without it some abort as they end, one in
    thirty of two that shared a core, when Python goes while gloo's threads still run.
    """
    if is_distributed():
        torch.distributed.destroy_process_group()
