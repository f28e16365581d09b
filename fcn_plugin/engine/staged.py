"""Staged training: FCN-32s, then 16s from its weights, then 8s from those (paper, 4.2)."""
import copy
import ctypes
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmengine.config import Config

from ..checkpoints.naming import checkpoint_of
from ..checkpoints.work_dir import (
    is_finished,
    keep_settings,
    require_same_settings,
    settings_of,
)
from ..utils.arguments import options_of
from ..utils.config import merge_options, read_config
from ..utils.errors import FailedRunError, InputError
from ..utils.paths import shown, tool_command


def stages(config: str) -> list[Path]:
    """The configs to train one after the other, the coarsest first.

    Args:
        config (str): The finest one. Its ``coarser`` names the config file, beside
            it, whose weights it starts from; that one may have a ``coarser`` too.

    Raises:
        FileNotFoundError: If a config is missing.
        ValueError: If ``coarser`` leads in a circle.
    """
    found: list[Path] = []
    path = Path(config)
    while True:
        if not path.is_file():
            raise FileNotFoundError(f'{path}: no such config file' + (
                f', which {found[0]} names as coarser' if found else ''))
        if path in found:
            raise InputError(f'{found[0]}: coarser leads back to {path}')
        found.insert(0, path)
        coarser = read_config(str(path)).get('coarser')
        if not coarser:
            return found
        path = path.parent / coarser


def require_coarser(config: Config) -> None:
    """Refuses to train a stage that would start from nothing.

    Raises:
        ValueError: If the config names a ``coarser`` one, but there is neither a
            ``load_from`` nor a checkpoint to resume; it says which command trains all
            stages.
    """
    resumes = config.get('resume') and checkpoint_of(Path(config.work_dir), 'last')
    if config.get('coarser') and not (config.get('load_from') or resumes):
        raise InputError(
            f'{config.filename} is a stage that starts from the weights of '
            f'{config.coarser}, but load_from names none. All stages are trained by '
            f'`{tool_command("train_staged.py", shown(config.filename))}`; with weights at '
            'hand give --cfg-options load_from=CHECKPOINT')


def with_options(config: Config, options: Sequence[str]) -> Config:
    """A copy of a config with what ``--cfg-options`` says on top, as train.py reads it.

    Args:
        config (Config): Of a run.
        options (Sequence[str]): ``KEY=VALUE`` each.
    """
    config = copy.deepcopy(config)
    merge_options(config, options_of(options))
    return config


def require_iterations(name: str, config: Config) -> None:
    """Refuses a run of which it cannot be told where it ends.

    Raises:
        ValueError: If its ``train_cfg`` counts no iterations.
    """
    max_iters = (config.get('train_cfg') or {}).get('max_iters')
    if not isinstance(max_iters, int) or max_iters < 1:
        raise InputError(
            f'{name}: train_cfg.max_iters is {max_iters}, expected a number of iterations '
            "after which the run ends: train_cfg=dict(type='IterBasedTrainLoop', "
            'max_iters=...)')


def run_to_its_end(title: str, file: str, config: Config, work_dir: Path,
                   train_tool: Path, arguments: Sequence[str] = (),
                   options: Sequence[str] = (), start: Sequence[str] = (),
                   settings: dict[str, str] | None = None) -> None:
    """Trains one config in a process of its own, unless that has been done.

    Args:
        title (str): What it is called in messages.
        file (str): The config file.
        config (Config): What it and ``options`` say together.
        work_dir (Path): Of the run; one that was cut off there is resumed.
        train_tool (Path): The script that trains one config.
        arguments (Sequence[str]): For the script, such as ``--amp``.
        options (Sequence[str]): ``--cfg-options``.
        start (Sequence[str]): More of them, for a run that is not resumed.
        settings (dict, optional): What decides how it ends. Defaults to None: those of
            ``config`` and ``arguments``, see :func:`settings_of`.

    Raises:
        ValueError: If the work dir holds a run that was made with other settings.
        RuntimeError: If the training fails; its checkpoints are kept.
    """
    if settings is None:
        settings = settings_of(config, arguments)
    require_same_settings({work_dir: settings})
    if is_finished(work_dir, config):
        print(f'{title}: finished already', flush=True)
        return
    keep_settings(work_dir, settings)
    command = [sys.executable, str(train_tool), file, '--work-dir', str(work_dir),
               *arguments]
    options = [*options]
    if checkpoint_of(work_dir, 'last') is not None:
        command.append('--resume')
    else:
        options += start
    if options:
        command += ['--cfg-options', *options]
    code = exit_code_of(command)
    if code:
        raise FailedRunError(f'{title}: training ended with exit code {code}. Run '
                             'the same command again to go on from there')
    if not is_finished(work_dir, config):
        raise FailedRunError(
            f'{title}: training has ended, but {work_dir} holds no checkpoint of iteration '
            f'{config.train_cfg.max_iters} with the validation after it: '
            'default_hooks.checkpoint must save the last one (by_epoch=False, '
            'save_last=True)')


def exit_code_of(command: Sequence[str]) -> int:
    """Runs a command in a process that ends with this one (on Linux: PR_SET_PDEATHSIG, 1)."""
    end_with_us = (partial(ctypes.CDLL(None).prctl, 1, signal.SIGTERM)
                   if sys.platform == 'linux' else None)
    return subprocess.run(command, preexec_fn=end_with_us).returncode


def train_staged(config: str, work_dir: str, train_tool: Path,
                 arguments: Sequence[str] = (), options: Sequence[str] = (),
                 start_from: str = 'best') -> None:
    """Trains every stage that is not finished, each from the one before.

    A stage is a process of its own, started with ``tools/train.py``. Started again after
    it was stopped, this goes on where it was: finished stages are passed over, the one
    that was cut off resumes.

    Args:
        config (str): The finest stage's config.
        work_dir (str): A folder that gets one for each stage.
        train_tool (Path): The script that trains one config.
        arguments (Sequence[str]): For every stage, such as ``--amp``.
        options (Sequence[str]): ``--cfg-options`` of every stage.
        start_from (str): 'best' or 'last' checkpoint of the stage before.

    Raises:
        ValueError: Before anything is trained, if the work dir holds a stage that was made
            with other settings, or a stage does not count iterations.
        RuntimeError: If a stage fails; the ones before are kept.
    """
    chain = stages(config)
    read = [with_options(read_config(str(path)), options) for path in chain]
    folders = [Path(work_dir, path.stem) for path in chain]
    settings: list[dict[str, str]] = []
    for path, each in zip(chain, read):
        require_iterations(str(path), each)
        own = settings_of(each, arguments)
        if settings:  # what it starts from is what the stages before were made with
            own.update({f'before: {key}': value for key, value in settings[-1].items()},
                       start_from=start_from)
        settings.append(own)
    require_same_settings(dict(zip(folders, settings)))
    before: Path | None = None
    for number, (path, folder) in enumerate(zip(chain, folders)):
        title = f'stage {number + 1} of {len(chain)}, {path.stem}'
        print(f'{title}: from {before or "its own initialisation"}', flush=True)
        start = [] if before is None else [f'load_from={before}']
        run_to_its_end(title, str(path), read[number], folder, train_tool, arguments, options,
                       start, settings[number])
        before = checkpoint_of(folder, start_from)
