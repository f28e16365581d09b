"""Which checkpoint a run goes on from."""
import os

from mmengine.config import Config
from mmengine.logging import print_log

from ..checkpoints.naming import numbered_checkpoints
from ..checkpoints.work_dir import latest_readable
from ..utils.errors import InputError


def go_on_after_restart(config: Config) -> None:
    """Has a run that torchrun has restarted go on from its last checkpoint, in place.

    Args:
        config (Config): ``launcher``, ``work_dir`` and ``resume`` are read; in a restart
            ``resume`` and ``load_from`` are set by :func:`checkpoint_of_restart`.
    """
    latest = checkpoint_of_restart(config.get('launcher'), config.work_dir,
                                   bool(config.get('resume')))
    if latest:
        config.load_from, config.resume = latest, True


def checkpoint_of_restart(launcher: str | None, work_dir: str, resume: bool) -> str | None:
    """The checkpoint that a run goes on from which torchrun has restarted.

    With ``--max-restarts`` torchrun starts the same command again, which knows nothing of
    the iterations that are done.

    Args:
        launcher (str, optional): What has started the processes.
        work_dir (str): Of the run.
        resume (bool): Whether the run goes on from a checkpoint by itself.

    Returns:
        str, optional: None where this is no restart, or there is no checkpoint yet.

    Raises:
        ValueError: At the first start of a run that may be restarted, if the work dir
            holds checkpoints of another run, from which a restart would go on.
    """
    if launcher != 'pytorch':
        return None
    restarts = int(os.environ.get('TORCHELASTIC_RESTART_COUNT', 0))
    if restarts:
        latest = latest_readable(work_dir)
        print_log(f'restart {restarts}: '
                  + (f'going on from {latest}' if latest else 'no checkpoint yet, anew'),
                  logger='current')
        return latest
    if int(os.environ.get('TORCHELASTIC_MAX_RESTARTS', 0)) and not resume and (
            earlier := numbered_checkpoints(work_dir)):
        raise InputError(
            f'{earlier[0]} is of an earlier run, and a restart (--max-restarts) would go on '
            'from there: add --resume to continue that run, or give this one another '
            '--work-dir')
    return None
