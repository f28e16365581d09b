"""Which checkpoint a run goes on from."""
import os

from mmengine.config import Config
from mmengine.logging import print_log

from ..checkpoints.work_dir import latest_readable, numbered_checkpoints
from ..utils.errors import InputError


def go_on_after_restart(config: Config) -> None:
    """Has a run that torchrun has restarted go on from its last checkpoint, in place.

    With ``--max-restarts`` torchrun starts the same command again, which knows nothing of
    the iterations that are done.

    Args:
        config (Config): ``launcher``, ``work_dir`` and ``resume`` are read; in a restart
            ``resume`` and ``load_from`` are set, where there is a checkpoint.

    Raises:
        ValueError: At the first start of a run that may be restarted, if the work dir
            holds checkpoints of another run, from which a restart would go on.
    """
    if config.get('launcher') != 'pytorch':
        return
    restarts = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0))
    if restarts:
        latest = latest_readable(config.work_dir)
        print_log(f'restart {restarts}: '
                  + (f'going on from {latest}' if latest else 'no checkpoint yet, anew'),
                  logger='current')
        if latest:
            config.load_from, config.resume = latest, True
    elif int(os.environ.get('TORCHELASTIC_MAX_RESTARTS', 0)) and not config.get('resume'):
        earlier = numbered_checkpoints(config.work_dir)
        if earlier:
            raise InputError(
                f'{earlier[0]} is of an earlier run, and a restart (--max-restarts) would go '
                'on from there: add --resume to continue that run, or give this one '
                'another --work-dir')
