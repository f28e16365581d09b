"""Training a config, and saying at the end what came of it."""
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, List, Optional
from urllib.error import URLError

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader, Runner, find_latest_checkpoint
from mmseg.registry import MODELS, RUNNERS
from torch import nn

from .. import compat
from ..datasets.bad_samples import check_choice, guard
from ..engine.resume import resume_exactly
from ..evaluation import FIGURES
from ..utils.errors import InputError
from ..utils.paths import shown, tool_command
from .distributed import explain_lost_processes
from .explain import (check_checkpoint, check_classes, check_lengths,
                      check_optimizer, explain_errors, num_classes)
from .loading import load_model, read_checkpoint
from .predict import compare, predict_dataset, save_picture, spread
from .staged import require_coarser

_PICTURE_ROWS = 5
_GO_ON = ('Go on from the last checkpoint by the same command with --resume, in all '
          'processes')
_FUSED_OPTIMIZERS = ('SGD', 'Adam', 'AdamW', 'Adagrad')


def build_runner(config: Config) -> Runner:
    """The config's runner, on one device or many, with or without a GPU.

    ``on_bad_sample`` of the config says what becomes of images that cannot be used; see
    :class:`~fcn_plugin.datasets.bad_samples.SampleGuard`.
    """
    compat.init_cpu_distributed(config)
    if 'runner_type' in config:
        runner = RUNNERS.build(config)
    else:
        runner = Runner.from_cfg(config)
    on_bad_sample = config.get('on_bad_sample', 'error')
    check_choice(on_bad_sample)
    build = runner.build_dataloader

    def build_guarded(*args, **kwargs):
        loader = build(*args, **kwargs)
        guard(loader.dataset, on_bad_sample, num_classes(config))
        return loader

    runner.build_dataloader = build_guarded
    return runner


def use_amp(config: Config) -> None:
    """Switches a config to mixed precision, in place.

    float16 with a scaled loss on a GPU, bfloat16 on the CPU.

    Raises:
        ValueError: If the config's optimiser wrapper is of a type of its own.
    """
    kind = config.optim_wrapper.get('type', 'OptimWrapper')
    if kind in ('AmpOptimWrapper', 'CPUAmpOptimWrapper'):
        print_log(f'--amp: the config asks for {kind} already', logger='current')
        return
    if kind != 'OptimWrapper':
        raise InputError(f"--amp: optim_wrapper.type is '{kind}', expected 'OptimWrapper'; "
                         'set mixed precision in the config instead')
    if torch.cuda.is_available():
        config.optim_wrapper.update(type='AmpOptimWrapper', loss_scale='dynamic')
    else:
        config.optim_wrapper.type = 'CPUAmpOptimWrapper'


def use_fused_optimizer(config: Config) -> None:
    """Has the optimiser update all parameters in one kernel, in place.

    Where the optimiser is one of torch's that can, and the config says nothing else.
    """
    optimizer = config.optim_wrapper.get('optimizer') or {}
    if optimizer.get('type') in _FUSED_OPTIMIZERS and not (
            {'fused', 'foreach', 'differentiable', 'capturable'} & set(optimizer)):
        optimizer.fused = True


def train(config: Config, compile_backbone: bool = False) -> None:
    """Trains, evaluates the best checkpoint and prints where everything lies.

    Args:
        config (Config): From :func:`fcn_plugin.apis.config.load_config`.
        compile_backbone (bool): Compiles the backbone by ``torch.compile``, for images
            of any size at once. Needs a C++ compiler on a CPU. Defaults to False.
    """
    go_on_after_restart(config)
    require_coarser(config)
    check_optimizer(config)
    check_lengths(config)
    check_classes(config)
    use_fused_optimizer(config)
    with explain_errors(config), explain_lost_processes(_GO_ON):
        runner = build_runner(config)
        if compile_backbone:
            if not isinstance(runner.model, nn.Module):
                raise InputError('--compile: not with --fsdp, which builds the network '
                                 'later and in parts')
            model = runner.model.module if is_model_wrapper(runner.model) else (
                runner.model)
            compat.compile_for_any_size(model.backbone)
        resume_exactly(runner, _check_start(runner))
        with explain_missing_weights(config):
            runner.train()
        _summarise(runner)


def _check_start(runner: Runner) -> Optional[dict]:
    """Meta of the checkpoint that the run goes on from, None where it is a new one.

    Raises:
        ValueError: If training would start from another network's weights.
    """
    if runner._resume:
        _choose_start(runner)
    start = runner._load_from
    if start is None:
        return None
    model = runner.model
    if not isinstance(model, nn.Module):  # FlexibleRunner builds its own later
        model = MODELS.build(runner.cfg.model)
        if 'state_dict' not in CheckpointLoader.load_checkpoint(start, 'cpu'):
            raise InputError(
                f"load_from: '{start}' holds weights alone, and --fsdp reads them under "
                "'state_dict', as in the checkpoints of train.py")
    meta = check_checkpoint(model, start, runner.cfg, whole=runner._resume)
    return meta if runner._resume else None


def _choose_start(runner: Runner) -> None:
    """Has a run go on from its own checkpoint rather than from where it once began.

    mmengine would resume from ``load_from``, which for a config that names one is another
    run's end. A checkpoint of this work dir may be named; where there is none, the run
    begins with ``load_from``'s weights.
    """
    start = runner._load_from
    if start and Path(start).resolve().parent == Path(runner.work_dir).resolve():
        return
    latest = latest_readable(runner.work_dir)
    if latest is None and start:
        print_log(f'--resume: {runner.work_dir} has no checkpoint; a new run begins with '
                  f'the weights of {start}', 'current')
        runner._resume = False
    else:
        runner._load_from = latest


def latest_readable(work_dir: str) -> Optional[str]:
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


def _numbered_checkpoints(work_dir: str) -> List[Path]:
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


@contextmanager
def explain_missing_weights(config: Config):
    """Turns a failed download of pretrained weights into a way out."""
    try:
        yield
    except URLError as error:
        weights = [(path, init['checkpoint'])
                   for path, init in pretrained_weights(config.model)]
        if not weights:  # it was something else that was downloaded, load_from say
            raise
        listed = ', '.join(f'{checkpoint} (model.{path})' for path, checkpoint in weights)
        options = ' '.join(f'model.{path}.checkpoint=FILE' for path, _ in weights)
        raise ConnectionError(
            f'the pretrained weights could not be downloaded ({error.reason}): {listed}. '
            'Is there a network? Give local files with --cfg-options '
            f'{options}, or start without pretraining with --cfg-options '
            + ' '.join(f'model.{path}=None' for path, _ in weights)) from error


def pretrained_weights(config, path=''):
    """Every init_cfg of type Pretrained below a config, with its dotted path."""
    if not isinstance(config, dict):
        return
    for key, value in config.items():
        here = f'{path}.{key}' if path else key
        if key == 'init_cfg' and isinstance(value, dict) and value.get(
                'type') == 'Pretrained':
            yield here, value
        else:
            yield from pretrained_weights(value, here)


def _summarise(runner: Runner) -> None:
    """Evaluates the best checkpoint on the test data and prints the last lines."""
    info = runner.message_hub.runtime_info
    # CheckpointHook adds the metric's name only where it watches several. A file is
    # missing where the run was resumed in a work dir that had been moved.
    saved = [info[key] for key in ('best_ckpt', 'best_ckpt_mIoU', 'last_ckpt')
             if key in info and Path(info[key]).is_file()]
    found = [saved[0] if saved else None]
    # Also waits for the main process, which may still be writing it.
    broadcast_object_list(found)
    checkpoint, = found
    metrics = {}
    if runner._test_dataloader is not None and checkpoint:
        # EMAHook would part the averaged weights from the others, as where training goes
        # on, and judge the others.
        runner._resume = False
        # The last one too: in several processes batch norms' statistics differ.
        runner.load_checkpoint(checkpoint)
        metrics = runner.test()
    if not is_main_process():
        return
    picture = _draw(runner, checkpoint) if metrics else None
    which = 'last' if checkpoint == info.get('last_ckpt') else 'best'
    lines = figure_lines(runner, metrics, f'the {which} checkpoint')
    log = Path(runner.log_dir, runner.timestamp)
    lines.append(f'checkpoint  {shown(checkpoint) if checkpoint else "none was written"}')
    lines.append(f'log         {shown(log)}.log')
    if picture:
        lines.append(f'picture     {shown(picture)}')
    if checkpoint:
        config = shown(Path(runner.work_dir, Path(runner.cfg.filename).name))
        lines += [
            'next', f'  {tool_command("test.py")} {config} {shown(checkpoint)}',
            f'  {tool_command("predict.py")} --config {config} '
            f'--weight-path {shown(checkpoint)} --img-path YOUR.jpg'
        ]
    print('\n' + '\n'.join(lines), flush=True)


def _draw(runner: Runner, checkpoint: str) -> Path:
    """A picture of test images, their truth and what the checkpoint predicts."""
    model = load_model(runner.cfg, checkpoint, device=str(next(
        runner.model.parameters()).device), rescale=False)
    dataset = runner.test_dataloader.dataset
    found = list(predict_dataset(model, dataset, spread(len(dataset), _PICTURE_ROWS)))
    path = Path(runner.work_dir, 'predictions.png')
    save_picture(path, compare(found, model.dataset_meta))
    return path


def figure_lines(runner: Runner, metrics: Dict[str, float], what: str) -> List[str]:
    """What was judged on which data, and a line for each of the four figures.

    Args:
        runner (Runner): Whose test data it was.
        metrics (dict[str, float]): What its test gave.
        what (str): What was judged.

    Returns:
        list[str]: Nothing where there is none of the four.
    """
    lines = [f'{title:<24}{metrics[name]:6.2f}' for name, title in FIGURES.items()
             if name in metrics]
    if not lines:
        return []
    data = runner.test_dataloader.dataset
    split = getattr(data, 'split', None)
    return [f'{what} on {len(data)} images of {type(data).__name__}'
            + (f" ('{split}')" if split else '') + ':', *lines]
