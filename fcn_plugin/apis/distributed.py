"""Runs in several processes: shards of the network, and processes that go away."""
import re
import socket
from contextlib import contextmanager
from typing import Iterator

import torch
from mmengine.config import Config
from mmengine.dist import get_rank, get_world_size, is_distributed

from ..utils.errors import InputError

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
        raise ConnectionError(
            f'rank {get_rank()} of {get_world_size()} on {socket.gethostname()} lost '
            f'another process ({said}): it has ended, or its machine does not answer. '
            f'{way_out}') from error


def use_fsdp(config: Config) -> None:
    """Shards weights, gradients and the optimiser's state over the processes, in place.

    By mmengine's ``FlexibleRunner`` and :mod:`fcn_plugin.engine.sharded` (torch's
    FullyShardedDataParallel). A module is gathered for as long as it computes, from
    100,000 parameters on. Checkpoints are whole, those of any other run.

    Raises:
        ValueError: If there is one process, or the config has a runner of its own or clips
            gradients, whose norm would be that of each process's shard.
    """
    if config.get('launcher', 'none') == 'none':
        raise InputError('--fsdp: shares the network among several processes, but there is '
                         'one: tools/dist_train.sh CONFIG PROCESSES --fsdp')
    if 'runner_type' in config or 'strategy' in config:
        raise InputError('--fsdp: the config has a runner_type or strategy of its own; '
                         'leave out one of the two')
    if config.optim_wrapper.get('clip_grad'):
        raise InputError("--fsdp: optim_wrapper.clip_grad would clip by the norm of each "
                         "process's shard; leave it out, or train without --fsdp")
    config.runner_type = 'ShardedRunner'
    config.optim_wrapper.setdefault('constructor', 'ShardedOptimWrapperConstructor')
    config.strategy = dict(
        type='ShardedStrategy', state_dict_cfg='full',
        model_wrapper=dict(
            type='MMFullyShardedDataParallel', use_orig_params=True,
            auto_wrap_policy=dict(
                type='torch.distributed.fsdp.wrap.size_based_auto_wrap_policy',
                min_num_params=100_000)))
    if not torch.cuda.is_available():
        # torch 2.13 stops without an accelerator unless it is told, and what it moves "to
        # the CPU" for a checkpoint is memory that it frees: a segmentation fault.
        config.strategy.model_wrapper.device_id = 'cpu'
        config.strategy.state_dict_cfg = dict(
            state_dict_type='FULL_STATE_DICT',
            state_dict_config=dict(
                type='FullStateDictConfig', rank0_only=True, offload_to_cpu=False),
            optim_state_dict_config=dict(
                type='FullOptimStateDictConfig', rank0_only=True, offload_to_cpu=False))
