"""What a training leaves in its work dir: checkpoints, scalars, and what it was made with."""
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from ..utils.errors import InputError
from ..utils.files import write_text
from .naming import CHECKPOINT, checkpoint_of, numbered_checkpoints, peek, written
from .reading import read_checkpoint

_SETTINGS = 'settings.json'
#: What changes neither the weights nor the figures of validation.
_LEFT_OUT = ('work_dir', 'resume', 'launcher', 'log_level', 'log_processor', 'visualizer',
             'vis_backends', 'env_cfg', 'default_hooks.timer', 'default_hooks.logger',
             'default_hooks.visualization', 'test_dataloader', 'test_evaluator', 'test_cfg',
             'tta_model', 'tta_pipeline')
#: Runners, loops and hooks that train to the same weights; 0.1 named no runner.
_ALIKE = {'runner_type': ("'FCNRunner'", ), 'train_cfg.type': (
    "'ExactResumeTrainLoop'", "'IterBasedTrainLoop'"), 'default_hooks.checkpoint.type': (
        "'FCNCheckpointHook'", "'CheckpointHook'")}
_OF_LOADING = ('num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor')


# --- checkpoints ----------------------------------------------------------------------


def latest_readable(work_dir: str) -> str | None:
    """The checkpoint to go on from: the last one that is whole.

    Args:
        work_dir (str): Of the run.

    Returns:
        str, optional: None where there is no checkpoint at all.

    Raises:
        ValueError: If there are some, but none can be read.
    """
    numbered = numbered_checkpoints(work_dir)
    named = checkpoint_of(Path(work_dir), 'last')
    found = []
    if named:
        # Behind it what was written since: the process may have been killed between
        # writing a checkpoint and noting its name. Not what an earlier run has left.
        noted = named.stat().st_mtime_ns
        for path in numbered:
            if path.name == named.name:
                break
            if path.stat().st_mtime_ns > noted:
                found.append(str(path))
        found.append(str(named))
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


def noted_here(known: dict[str, Any], work_dir: str) -> dict[str, str]:
    """The checkpoints that a run has noted, as they lie in its work dir.

    That may have been moved, or be a copy: then what is noted lies in the other, where a run
    that goes on would judge it, and remove it for a better one.

    Args:
        known (dict): What mmengine's hook notes: 'best_ckpt', 'last_ckpt' and others.
        work_dir (str): Of the run.

    Returns:
        dict: Of these the ones whose files are there.
    """
    here = {key: Path(work_dir, Path(path).name) for key, path in known.items()
            if key == 'last_ckpt' or key.startswith('best_ckpt')}
    return {key: str(path) for key, path in here.items() if path.is_file()}


def is_finished(work_dir: Path, config: Config) -> bool:
    """Whether a run has reached its last iteration and was validated there.

    The last checkpoint is written before the last validation, in which a run may be cut
    off. Where nothing was logged, the checkpoint alone counts.

    Args:
        work_dir (Path): The run's work dir.
        config (Config): Of the run; ``train_cfg`` is read, and whether it validates.
    """
    last = checkpoint_of(work_dir, 'last')
    max_iters = config.train_cfg.max_iters
    found = peek(last) if last else {}
    if (found.get('meta') or {}).get('iter', 0) < max_iters:
        return False
    # Written again after a validation that was the best.
    known = (found.get('message_hub') or {}).get('runtime_info') or {}
    if not validates_at_its_end(config) or known.get('validated_iter') == max_iters:
        return True
    train, val = read_log(work_dir)
    return not (train or val) or any(values['step'] >= max_iters for values in val)


def validates_at_its_end(config: Config) -> bool:
    """Whether a run of so many iterations ends with a validation."""
    loop = config.train_cfg
    return bool(config.get('val_cfg')) and loop.get('val_begin', 1) <= loop.max_iters


# --- scalars --------------------------------------------------------------------------


def read_log(work_dir: Path) -> tuple[list[dict], list[dict]]:
    """The scalars of all starts of a run: of training, and of validation.

    Returns:
        tuple: Two lists of dicts with 'step', in its order. What a start did again counts
        once, and of a run that was begun anew in the same folder nothing of the one
        before is left.
    """
    train: list[dict] = []
    val: list[dict] = []
    for start in starts_of_last_run(work_dir):
        more_train, more_val = read_scalars(start / 'vis_data/scalars.json')
        first = min((values['step'] for values in more_train), default=None)
        judged = min((values['step'] for values in more_val), default=None)
        # A resumed run may begin by validating the step that it goes on from.
        train = [values for values in train if (first is None or values['step'] < first)
                 and (judged is None or values['step'] <= judged)] + more_train
        val = [values for values in val if (first is None or values['step'] < first)
               and (judged is None or values['step'] < judged)] + more_val
    return train, val


def starts_of_last_run(work_dir: Path) -> list[Path]:
    """The folders of the starts of a run, of the last one where there were several.

    They are those that have logged a scalar, from the last that did not resume on.
    """
    found: list[Path] = []
    for scalars in sorted(work_dir.glob('*/vis_data/scalars.json')):
        if not any(read_scalars(scalars)):
            continue
        start, config = scalars.parents[1], scalars.with_name('config.py')
        if config.is_file() and not re.search(r'^resume ?= ?True$', config.read_text('utf-8'),
                                              re.M):
            found = []
        found.append(start)
    return found


def of_last_run(checkpoint: Path) -> bool:
    """Whether a checkpoint was written since the last run in its folder was begun."""
    starts = starts_of_last_run(checkpoint.parent)
    time, _ = written(checkpoint)
    return not starts or not time or time >= starts[0].name


def read_scalars(path: Path) -> tuple[list[dict], list[dict]]:
    """The lines of mmengine's ``scalars.json``: of training, and of validation."""
    train: list[dict] = []
    val: list[dict] = []
    for line in path.read_text(encoding='utf-8').splitlines():
        try:
            values = json.loads(line)
        except json.JSONDecodeError:  # cut off where the run was killed
            continue
        if isinstance(values, dict) and 'step' in values:
            (train if any('loss' in key for key in values) else val).append(values)
    return train, val


# --- settings -------------------------------------------------------------------------


def settings_of(config: Config, arguments: Sequence[str] = ()) -> dict[str, str]:
    """What decides how a run ends, setting by setting.

    Args:
        config (Config): With all overrides and the seed.
        arguments (Sequence[str]): Of the script that trains, such as ``--amp``.

    Returns:
        dict: Dotted names to values as Python writes them, lists and tuples alike. Where
        the run lies, how it logs, loads and is tested is left out.
    """
    found = {key: value for key, value in _flat(config.to_dict())
             if key.rpartition('.')[2] not in _OF_LOADING
             and not any(f'{key}.'.startswith(f'{name}.') for name in _LEFT_OUT)}
    return dict(found, arguments=' '.join(arguments))


def _flat(value: Any, key: str = '') -> Iterator[tuple[str, str]]:
    if isinstance(value, tuple):
        value = list(value)
    parts: Any = None
    if isinstance(value, dict) and value:
        parts = value.items()
    elif isinstance(value, list) and any(isinstance(v, (dict, list, tuple)) for v in value):
        parts = enumerate(value)
    if parts is None:
        yield key, repr(value)
        return
    for name, part in parts:
        yield from _flat(part, f'{key}.{name}' if key else str(name))


def keep_settings(work_dir: Path, settings: dict[str, str]) -> None:
    """Writes what a run is made with into its work dir, before it begins."""
    write_text(work_dir / _SETTINGS, json.dumps(settings, indent=1, sort_keys=True) + '\n')


def other_settings(work_dir: Path, settings: dict[str, str]) -> str | None:
    """How the run whose checkpoints are in a work dir differs from one that is wanted.

    Args:
        work_dir (Path): Of the run.
        settings (dict): Those that are wanted, see :func:`settings_of`.

    Returns:
        str: For people; None where they are the same, or nothing has been trained.

    Raises:
        ValueError: If the file that says so cannot be read.
    """
    if not any(CHECKPOINT.fullmatch(path.name) for path in work_dir.glob('*.pth')):
        return None
    path = work_dir / _SETTINGS
    if not path.is_file():
        return f'it has no {_SETTINGS}, which says with what it was trained'
    try:
        kept = dict(json.loads(path.read_text(encoding='utf-8')))
    except (ValueError, TypeError) as error:
        raise InputError(f"'{path}' cannot be read ({error}): expected the settings that the "
                         'run was trained with') from error
    apart = [key for key in {**kept, **settings}
             if _common(key, kept.get(key)) != _common(key, settings.get(key))]
    if not apart:
        return None
    key = apart[0]
    more = f', and {len(apart) - 1} more' if len(apart) > 1 else ''
    return (f'{key} was {kept.get(key, "not set")} and is '
            f'{settings.get(key, "not set")} now{more}')


def _common(key: str, value: str | None) -> str | None:
    """None for all values that are alike, and for none."""
    # A stage has the settings of those before it as 'before: KEY'.
    return None if value in _ALIKE.get(key.rpartition(': ')[2], ()) else value


def require_same_settings(wanted: dict[Path, dict[str, str]]) -> None:
    """Refuses to go on with, or to take for finished, runs that were made otherwise.

    Args:
        wanted (dict): Work dirs to settings.

    Raises:
        ValueError: With the runs, a setting that differs and the way out.
    """
    others = [f"'{work_dir}' ({words})" for work_dir, settings in wanted.items()
              if (words := other_settings(work_dir, settings))]
    if others:
        raise InputError(
            f'other settings than those asked for: {"; ".join(others)}. Move or delete '
            f'{"that folder" if len(others) == 1 else "those folders"} to train with the '
            'settings of now, ask for those of then, or give another --work-dir')

