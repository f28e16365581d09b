"""Staged training: FCN-32s, then 16s from its weights, then 8s from those (paper, 4.2)."""
import subprocess
import sys
from pathlib import Path
from typing import List, Optional, Sequence

import torch
from mmengine.config import Config

from ..utils.errors import FailedRunError, InputError
from .config import read_config


def stages(config: str) -> List[Path]:
    """The configs to train one after the other, the coarsest first.

    Args:
        config (str): The finest one. Its ``coarser`` names the config file, beside
            it, whose weights it starts from; that one may have a ``coarser`` too.

    Raises:
        FileNotFoundError: If a config is missing.
        ValueError: If ``coarser`` leads in a circle.
    """
    found: List[Path] = []
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
    resumes = config.get('resume') and result(Path(config.work_dir), 'last')
    if config.get('coarser') and not (config.get('load_from') or resumes):
        raise InputError(
            f'{config.filename} is a stage that starts from the weights of '
            f'{config.coarser}, but load_from names none. All stages are trained by '
            f'`python tools/train_staged.py {config.filename}`; with weights at hand give '
            '--cfg-options load_from=CHECKPOINT')


def result(work_dir: Path, which: str = 'best') -> Optional[Path]:
    """The checkpoint that a run has left.

    Args:
        work_dir (Path): The run's work dir.
        which (str): 'best', falling back to the last where none was judged, or 'last'.

    Returns:
        Path: Or None, if there is none yet.
    """
    if which == 'best':
        best = sorted(work_dir.glob('best_*.pth'), key=lambda p: p.stat().st_mtime)
        if best:
            return best[-1]
    pointer = work_dir / 'last_checkpoint'
    if not pointer.is_file():
        return None
    # By name: the work dir may have been moved since.
    last = work_dir / Path(pointer.read_text().strip()).name
    return last if last.is_file() else None


def is_finished(work_dir: Path, max_iters: int) -> bool:
    """Whether a run has reached its last iteration."""
    last = result(work_dir, 'last')
    if last is None:
        return False
    meta = torch.load(last, map_location='cpu', mmap=True, weights_only=True)['meta']
    return meta['iter'] >= max_iters


def run_to_its_end(title: str, config: str, work_dir: Path, max_iters: int,
                   train_tool: Path, arguments: Sequence[str] = (),
                   options: Sequence[str] = (), start: Sequence[str] = ()) -> None:
    """Trains one config in a process of its own, unless that has been done.

    Args:
        title (str): What it is called in messages.
        config (str): The config file.
        work_dir (Path): Of the run; one that was cut off there is resumed.
        max_iters (int): Where it ends.
        train_tool (Path): The script that trains one config.
        arguments (Sequence[str]): For the script, such as ``--amp``.
        options (Sequence[str]): ``--cfg-options``.
        start (Sequence[str]): More of them, for a run that is not resumed.

    Raises:
        RuntimeError: If the training fails; its checkpoints are kept.
    """
    if is_finished(work_dir, max_iters):
        print(f'{title}: finished already', flush=True)
        return
    command = [sys.executable, str(train_tool), config, '--work-dir', str(work_dir),
               *arguments]
    options = [*options]
    if result(work_dir, 'last') is not None:
        command.append('--resume')
    else:
        options += start
    if options:
        command += ['--cfg-options', *options]
    code = subprocess.run(command).returncode
    if code:
        raise FailedRunError(f'{title}: training ended with exit code {code}. Run '
                             'the same command again to go on from there')


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
        RuntimeError: If a stage fails; the ones before are kept.
    """
    before: Optional[Path] = None
    chain = stages(config)
    for number, path in enumerate(chain, 1):
        folder = Path(work_dir, path.stem)
        overrides = dict(option.split('=', 1) for option in options)
        max_iters = int(overrides.get('train_cfg.max_iters')
                        or read_config(str(path)).train_cfg.max_iters)
        title = f'stage {number} of {len(chain)}, {path.stem}'
        print(f'{title}: from {before or "its own initialisation"}', flush=True)
        start = [] if before is None else [f'load_from={before}']
        run_to_its_end(title, str(path), folder, max_iters, train_tool, arguments, options,
                       start)
        before = result(folder, start_from)
