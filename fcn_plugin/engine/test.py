"""Evaluating a checkpoint on a config's test data."""
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from ..checkpoints.fit import check_checkpoint
from ..checkpoints.naming import weights_file
from ..evaluation import check_label_files
from ..models import speed_up
from ..models.segmentors.post_processing import use_crf
from ..models.segmentors.tiles import use_tiles
from ..utils.config import inner_datasets
from ..utils.distributed import explain_lost_processes
from ..utils.errors import InputError
from ..utils.files import check_writable
from ..utils.paths import shown
from ..utils.wrappers import unwrapped
from .explain import check_classes, explain_errors
from .train import build_runner, figure_lines


def test(config: Config, checkpoint: str, *, tta: bool = False,
         original_size: bool = False, crf: bool = False, out: str | None = None,
         show: bool = False, show_dir: str | None = None, wait_time: float = 2.,
         fast: bool = False, tile: int | None = None, overlap: int | None = None
         ) -> dict[str, float]:
    """Evaluates, prints the metrics and writes them to the work dir.

    Args:
        config (Config): From :func:`fcn_plugin.utils.config.load_config`.
        checkpoint (str): The weights' file, a work dir, an address that mmengine knows, or
            the name of a model of the package.
        tta (bool): Averages over the config's ``tta_pipeline`` (sizes and flips),
            at the images' original sizes. Defaults to False.
        original_size (bool): See :func:`evaluate_at_original_size`.
        crf (bool): See :func:`use_crf`; with ``tta``, in each of its views. Defaults to
            False.
        out (str, optional): A folder for the predicted labels, one PNG an image; those of
            further tasks go into one of the task's name in it. Defaults to None: not kept.
        show (bool): Opens a window for each image. Defaults to False.
        show_dir (str, optional): For pictures of truth and prediction. Defaults to None.
        wait_time (float): Seconds that a window stays. Defaults to 2.
        fast (bool): See :func:`fcn_plugin.models.speed_up`. Defaults to False.
        tile (int, optional): Labels images in tiles of that side, in pixels, to bound
            the memory. Defaults to None: whole.
        overlap (int, optional): Pixels that a tile sees beyond what it labels. Defaults to
            None: 128.

    Returns:
        dict[str, float]: The metrics, also in ``<work_dir>/<time>/<time>.json``.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If the config lacks what is asked for, or the file is an exported one.
    """
    checkpoint = str(weights_file(checkpoint))
    if '://' not in checkpoint and not Path(checkpoint).expanduser().is_file():
        raise FileNotFoundError(f'{checkpoint}: no such checkpoint file')
    if checkpoint.lower().endswith('.onnx'):
        raise InputError(f"'{checkpoint}' is an exported file, which is judged on folders: "
                         f'fcn evaluate {checkpoint} IMAGES MASKS')
    check_writable(Path(config.work_dir), '--work-dir')
    if wait_time < 0:
        raise InputError(f'--wait-time {wait_time} s, expected at least 0')
    # A config that training has written may say resume, which wants an optimiser.
    config.load_from, config.resume = checkpoint, False
    if crf:
        use_crf(config)
    if original_size or tta:
        evaluate_at_original_size(config)
    use_tiles(config, tile, overlap)
    if tta:
        if 'tta_pipeline' not in config or 'tta_model' not in config:
            raise InputError(f'{config.filename} has no tta_pipeline and tta_model, which '
                             '--tta needs')
        for dataset in inner_datasets(config.test_dataloader.dataset):
            dataset['pipeline'] = config.tta_pipeline
        config.tta_model.module = config.model
        config.model = config.tta_model
    if show or show_dir:
        _draw_every_image(config, show, show_dir, wait_time)
    if out is not None:
        found = config.test_evaluator
        for one in found if isinstance(found, (list, tuple)) else [found]:
            one['output_dir'] = str(Path(out, one.get('task') or ''))
    # Without its name, under which the runner would write what was changed here over
    # the config that training has left in the work dir.
    plain = Config(config.to_dict())
    # A file has the averages in place of the weights; EMAHook knows no network that is folded.
    plain.custom_hooks = [hook for hook in plain.get('custom_hooks') or []
                          if 'EMAHook' not in str(hook)]
    check_classes(config, ['test_dataloader'])
    with explain_errors(config), explain_lost_processes('Start all processes again'):
        runner = build_runner(plain)
        check_label_files(runner.test_evaluator, runner.test_dataloader.dataset)
        if is_main_process():  # beside its log: the work dir's own is the training's
            dumped = f'{runner.timestamp}.py'
            Path(runner.work_dir, dumped).replace(Path(runner.log_dir, dumped))
        check_checkpoint(runner.model, checkpoint, config)
        if fast:
            runner.load_or_resume()
            speed_up(unwrapped(runner.model))
        metrics = runner.test()
        if is_main_process():
            _summarise(runner, metrics, out, show_dir)
        return metrics


def _summarise(runner: Runner, metrics: dict[str, float], out: str | None,
               show_dir: str | None) -> None:
    lines = [*figure_lines(runner, metrics, 'the checkpoint'),
             f'as JSON     {shown(Path(runner.log_dir, runner.timestamp))}.json']
    for what, folder in (('labels  ', out), ('pictures', show_dir)):
        if folder:
            lines.append(f'{what}    {shown(folder)}/')
    print('\n' + '\n'.join(lines), flush=True)


def evaluate_at_original_size(config: Config) -> None:
    """Makes a config judge predictions at the images' own sizes, in place.

    Predictions are brought back to the size that the image had in its file, and
    the truth is loaded behind whatever resizes the image.
    """
    config.model.test_cfg = dict(config.model.get('test_cfg') or {}, rescale=True)
    for dataset in inner_datasets(config.test_dataloader.dataset):
        steps = [step for step in dataset.get('pipeline', []) if step['type'] != 'KeepSize']
        last = dict(LoadAnnotations=1, LoadTasks=1, PackSegInputs=2, PackTasks=2)
        dataset['pipeline'] = sorted(steps, key=lambda step: last.get(step['type'], 0))


def _draw_every_image(config: Config, show: bool, show_dir: str | None,
                      wait_time: float) -> None:
    hook = config.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise InputError(
            f'{config.filename} has no visualization hook, which --show and --show-dir '
            "need: default_hooks=dict(visualization=dict(type='FCNVisualizationHook'))")
    hook.update(draw=True, interval=1)
    if show:
        hook.update(show=True, wait_time=wait_time)
    if show_dir:
        config.visualizer.save_dir = show_dir
