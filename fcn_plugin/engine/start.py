"""Which checkpoint a run goes on from."""
import os
import re
from pathlib import Path

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import find_latest_checkpoint

from ..checkpoints.reading import read_checkpoint
from ..utils.errors import InputError


def latest_readable(work_dir: str) -> str | None:
    """The checkpoint to go on from: the last one that is whole.

    Args:
        work_dir (str): Of the run.

    Returns:
        str, optional: None where there is no checkpoint at all.

    Raises:
        ValueError: If there are some, but none can be read.
    """
    numbered = _numbered_checkpoints(work_dir)
    named = find_latest_checkpoint(work_dir)
    found = []
    if named and Path(named).is_file():
        # Behind it what was written since: the process may have been killed between
        # writing a checkpoint and noting its name. Not what an earlier run has left.
        noted = Path(named).stat().st_mtime_ns
        for path in numbered:
            if path.name == Path(named).name:
                break
            if path.stat().st_mtime_ns > noted:
                found.append(str(path))
        found.append(named)
    found += [str(path) for path in numbered if str(path) not in found]
    for checkpoint in found:
        try:
            read_checkpoint(checkpoint)
        except ValueError as error:
            print_log(f'{error}; the one before it is tried', 'current', 30)
            continue
        return checkpoint
    if found:
        raise InputError(f'none of the checkpoints in {work_dir} can be read '
                         f'({", ".join(found)}): start anew without --resume')
    return None


def _numbered_checkpoints(work_dir: str) -> list[Path]:
    """``iter_*.pth`` and ``epoch_*.pth`` of a run, the last one first."""
    return sorted(
        (path for path in Path(work_dir).glob('*.pth')
         if re.fullmatch(r'(iter|epoch)_\d+', path.stem)),
        key=lambda path: int(path.stem.partition('_')[2]), reverse=True)


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
        earlier = _numbered_checkpoints(config.work_dir)
        if earlier:
            raise InputError(
                f'{earlier[0]} is of an earlier run, and a restart (--max-restarts) would go '
                'on from there: add --resume to continue that run, or give this one '
                'another --work-dir')
