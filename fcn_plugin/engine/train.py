"""Training a config, and saying at the end what came of it."""
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import torch
from mmengine.config import Config
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmseg.registry import RUNNERS

from .. import compat
from ..checkpoints.loading import load_model
from ..datasets.guarded import innermost
from ..evaluation import FIGURES
from ..inference.predict import compare, predict_dataset, spread
from ..models.memory_layout import is_x86
from ..models.speed_up import native_dtype
from ..resuming.start import go_on_after_restart
from ..utils.config import pretrained_weights
from ..utils.distributed import explain_lost_processes
from ..utils.errors import DownloadError, InputError
from ..utils.files import check_writable, naming_disk, replacing
from ..utils.locks import alone_in
from ..utils.paths import shown, tool_command
from ..utils.wrappers import unwrapped
from ..visualization import save_picture
from . import FCNRunner
from .explain import check_classes, check_schedule, explain_errors, unknown_type
from .staged import require_coarser

_PICTURE_ROWS = 5
_GO_ON = 'Go on from the last checkpoint by the same command with --resume, in all processes'
_FUSED_OPTIMIZERS = ('SGD', 'Adam', 'AdamW', 'Adagrad')


def build_runner(config: Config) -> FCNRunner:
    """The config's runner, on one device or many, with or without a GPU.

    Args:
        config (Config): ``runner_type`` may name a runner derived from ``FCNRunner``;
            that one is taken where it names none.

    Raises:
        ValueError: If it names another one, which would do without what
            ``FCNRunner`` does.
    """
    name = config.get('runner_type', FCNRunner.__name__)
    if name == 'ShardedRunner':
        raise InputError(
            f"runner_type='{name}': --fsdp was removed in 0.2. Leave runner_type, strategy "
            'and optim_wrapper.constructor out of the config; tools/dist_train.sh trains in '
            'several processes without it')
    kind = RUNNERS.get(name) if isinstance(name, str) else name
    if kind is None:
        raise InputError(unknown_type(name, 'runner', config))
    if not issubclass(kind, FCNRunner):
        raise InputError(
            f"runner_type='{name}', expected 'FCNRunner', which looks at images and resumes "
            'exactly, or a class derived from fcn_plugin.engine.FCNRunner')
    return kind.from_cfg(config)


def use_amp(config: Config) -> None:
    """Switches a config to mixed precision, in place.

    float16 with a scaled loss on a GPU, bfloat16 on the CPU; a warning says where an x86
    processor only imitates it.

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
        if is_x86() and native_dtype(torch.device('cpu')) == torch.float32:
            print_log('--amp: this processor has no instructions for bfloat16 (AVX512-BF16, '
                      'AMX) and takes longer in it than in float32, with AVX2 alone several '
                      'times as long: leave --amp out', 'current', 30)


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
        config (Config): From :func:`fcn_plugin.utils.config.load_config`.
        compile_backbone (bool): Compiles the backbone by ``torch.compile``, for images
            of any size at once. Needs a C++ compiler on a CPU. Defaults to False.
    """
    check_writable(Path(config.work_dir), '--work-dir')
    go_on_after_restart(config)
    require_coarser(config)
    check_schedule(config)
    check_classes(config)
    use_fused_optimizer(config)
    with explain_errors(config), explain_lost_processes(_GO_ON), naming_disk(
            f'. {_GO_ON}', config.work_dir), alone_in(
                Path(config.work_dir), config.get('launcher')):
        runner = build_runner(config)
        if compile_backbone:
            compat.compile_for_any_size(unwrapped(runner.model).backbone)
        with explain_missing_weights(config):
            runner.train()
        _summarise(runner)


@contextmanager
def explain_missing_weights(config: Config):
    """Turns a failed download of pretrained weights into a way out."""
    try:
        yield
    except (DownloadError, URLError) as error:
        weights = [(path, init['checkpoint'])
                   for path, init in pretrained_weights(config.model)]
        addresses = [address for _, address in weights]
        if getattr(error, 'address', None) not in (*addresses, None) or not weights:
            raise  # it was something else that was downloaded, load_from say
        listed = ', '.join(f'{checkpoint} (model.{path})' for path, checkpoint in weights)
        options = ' '.join(f'model.{path}.checkpoint=FILE' for path, _ in weights)
        raise ConnectionError(
            f'the pretrained weights could not be downloaded ({error.reason}): {listed}. '
            'Is there a network? Give local files with --cfg-options '
            f'{options}, or start without pretraining with --cfg-options '
            + ' '.join(f'model.{path}=None' for path, _ in weights)) from error


def _summarise(runner: FCNRunner) -> None:
    """Evaluates the best checkpoint on the test data and prints the last lines."""
    info = runner.message_hub.runtime_info
    # CheckpointHook adds the metric's name only where it watches several.
    found = [next((info[key] for key in ('best_ckpt', 'best_ckpt_mIoU', 'last_ckpt')
                   if Path(info.get(key, '')).is_file()), None)]
    # Also waits for the main process, which may still be writing it.
    broadcast_object_list(found)
    checkpoint, = found
    metrics = runner.test_checkpoint(checkpoint) if checkpoint else {}
    if not is_main_process():
        return
    picture = _draw(runner, checkpoint) if metrics else None
    last = Path(info.get('last_ckpt', '')).name
    which = 'last' if Path(checkpoint or '').name == last else 'best'
    lines = figure_lines(runner, metrics, f'the {which} checkpoint')
    lines.append(f'checkpoint  {shown(checkpoint) if checkpoint else "none was written"}')
    lines.append(f'log         {shown(Path(runner.log_dir, runner.timestamp))}.log')
    if picture:
        lines.append(f'picture     {shown(picture)}')
    if checkpoint:
        config = shown(Path(runner.work_dir, Path(runner.cfg.filename).name))
        lines += [
            'next', f'  {tool_command("test.py", config, shown(checkpoint))}', '  '
            + tool_command('predict.py', '--config', config, '--weight-path',
                           shown(checkpoint), '--img-path', 'YOUR.jpg')
        ]
    print('\n' + '\n'.join(lines), flush=True)


def _draw(runner: Runner, checkpoint: str) -> Path:
    """A picture of test images, their truth and what the checkpoint predicts."""
    model = load_model(runner.cfg, checkpoint, device=str(next(
        runner.model.parameters()).device), rescale=False)
    dataset = runner.test_dataloader.dataset
    found = list(predict_dataset(model, dataset, spread(len(dataset), _PICTURE_ROWS)))
    path = Path(runner.work_dir, 'predictions.png')
    with replacing(path) as beside:
        save_picture(beside, compare(found, model.dataset_meta))
    return path


def figure_lines(runner: Runner, metrics: dict[str, float], what: str) -> list[str]:
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
    data = innermost(runner.test_dataloader.dataset)
    split = getattr(data, 'split', None)
    return [f'{what} on {len(data)} images of {type(data).__name__}'
            + (f" ('{split}')" if split else '') + ':', *lines]
