"""A training run as one HTML page: curves, figures, confusions, images."""
import base64
import io
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from mmengine.config import Config
from PIL import Image
from rich.progress import track

from .. import visualization as vis
from ..checkpoints.loading import load_model
from ..checkpoints.naming import checkpoint_of, weights_file
from ..checkpoints.work_dir import of_last_run, read_log, starts_of_last_run
from ..engine.explain import explain_errors
from ..evaluation.confusion import FIGURES, segmentation_metrics
from ..inference.inferencer import check_opacity
from ..inference.predict import build_val_dataset, predict_dataset, spread
from ..inference.result import Result
from ..utils.config import load_config
from ..utils.errors import InputError
from ..utils.files import check_writable, write_text
from ..utils.paths import PathLike
from ..version import __version__
from ..visualization.charts import line_chart
from .judge import Evaluation, choose_images, evaluate

_FIGURES = dict(mIoU=FIGURES['mIoU']) | FIGURES  # that one first
#: More classes than this make a table that nobody reads.
_LARGEST_TABLE = 60
_PICTURE_WIDTH = 360


# --- what the run has written ---------------------------------------------------------


@dataclass
class Run:
    """What lies in a work dir.

    Attributes:
        folder (Path): The work dir.
        config (Config): Of the run.
        checkpoint (Path, optional): The best by its metric, else the last.
        train (list[dict]): Scalars of training, each with 'step'.
        val (list[dict]): Metrics of validation, each with 'step'.
        environment (str): What the run's log says of the machine and the versions.
    """
    folder: Path
    config: Config
    checkpoint: Path | None
    train: list[dict] = field(default_factory=list)
    val: list[dict] = field(default_factory=list)
    environment: str = ''


def read_run(work_dir: PathLike, config: PathLike | None = None,
             weight_path: PathLike | None = None,
             cfg_options: dict | None = None) -> Run:
    """Reads what a training has left in its work dir.

    Args:
        work_dir (str or Path): The folder.
        config (str or Path, optional): Defaults to None: the one that the run wrote, of
            several runs the last.
        weight_path (str or Path, optional): Defaults to None: the best checkpoint,
            without one the last, of the last run; see
            :func:`~fcn_plugin.checkpoints.naming.checkpoint_of`.
        cfg_options (dict, optional): Overrides of the config.

    Returns:
        Run: The scalars of all its starts; what a resumed run did again counts once.

    Raises:
        FileNotFoundError: If it is no work dir.
        ValueError: If several configs are in it, and nothing says which is the last run's.
    """
    folder = Path(work_dir).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder '{work_dir}': expected one that a "
                                'training wrote, such as work_dirs/NAME')
    if config is None:
        config = _config_of(folder)
    checkpoint = Path(weights_file(weight_path)) if weight_path else checkpoint_of(folder)
    if weight_path and not checkpoint.is_file():
        raise FileNotFoundError(f"there is no checkpoint '{weight_path}'")
    if checkpoint and not weight_path and not of_last_run(checkpoint):
        checkpoint = None
    run = Run(folder, load_config(str(config), cfg_options), checkpoint, *read_log(folder))
    # test.py leaves logs too, without scalars
    starts = starts_of_last_run(folder)
    logs = sorted((starts[-1] if starts else folder).glob('*.log' if starts else '*/*.log'))
    if logs:
        run.environment = _environment(logs[-1])
    return run


def _config_of(folder: Path) -> Path:
    """The config of a work dir, of the last training where there were several."""
    found = sorted(folder.glob('*.py'))
    if not found:
        raise FileNotFoundError(
            f"'{folder}' holds no config (*.py), which a training writes into its "
            'work dir: name the work dir itself, or give --config')
    if len(found) == 1:
        return found[0]
    # Each start keeps its config beside its scalars, and one under its own name above.
    copies = [start / 'vis_data/config.py' for start in starts_of_last_run(folder)]
    text = copies[-1].read_text('utf-8') if copies and copies[-1].is_file() else None
    same = [path for path in found if path.read_text('utf-8') == text]
    if not same:
        raise InputError(f"'{folder}' holds several configs "
                         f'({", ".join(path.name for path in found)}), and nothing says which '
                         'is that of the last training: give --config')
    return same[0]


def _environment(log: Path) -> str:
    text = log.read_text(encoding='utf-8', errors='replace')[:20000]
    found = re.search(r'System environment:\n(.*?)\n-{20,}', text, re.S)
    return re.sub(r'\n {4}', '\n', '    ' + found[1]).strip() if found else ''


# --- the page -------------------------------------------------------------------------


def report(work_dir: PathLike, out: PathLike | None = None,
           config: PathLike | None = None, weight_path: PathLike | None = None,
           images: int = 30, max_images: int | None = None, opacity: float = 0.6,
           device: str = 'auto', overwrite: bool = False,
           cfg_options: dict | None = None) -> Path:
    """Writes a training run as one HTML page that needs no other file.

    Curves of loss and metrics; the paper's four figures; a bar for each class; the
    confusion matrix; best, median and worst images with truth, prediction and errors,
    to be filtered by class; config and environment. The checkpoint is judged on the
    config's validation set, at the size at which validation judges.

    Args:
        work_dir (str or Path): Of the run.
        out (str or Path, optional): Defaults to ``<work_dir>/report.html``.
        config, weight_path, cfg_options: See :func:`read_run`.
        images (int): How many images are shown at most. With 0 nothing is predicted,
            and the page has what the run itself has written. Defaults to 30.
        max_images (int, optional): How many images are judged, evenly spread over the
            validation set. Defaults to None: all.
        opacity (float): Of the colours, 0 to 1. Defaults to 0.6.
        device (str): See :class:`FCNInferencer`. Defaults to 'auto'.
        overwrite (bool): Whether an existing page may be replaced. Defaults to False.

    Returns:
        Path: The page.

    Raises:
        FileNotFoundError: If it is no work dir, or the data are not there.
    """
    check_opacity(opacity)
    if images < 0 or (max_images is not None and max_images < 1):
        raise InputError('--images must be at least 0 and --max-images at least 1, but '
                         f'are {images} and {max_images}')
    run = read_run(work_dir, config, weight_path, cfg_options)
    out = Path(out).expanduser() if out else run.folder / 'report.html'
    if not overwrite and out.exists():
        raise FileExistsError(f"there is '{out}' already: give --overwrite or --out")
    check_writable(out.parent)
    page: dict[str, Any] = dict(
        title=Path(run.config.filename).stem, version=__version__,
        made=datetime.now().strftime('%Y-%m-%d %H:%M'), charts=_charts(run),
        config=run.config.pretty_text, environment=run.environment,
        checkpoint=run.checkpoint.name if run.checkpoint else None)
    if images:
        page.update(_judge(run, images, max_images, opacity, device))
    else:
        page.update(_last_validation(run))
    environment = Environment(loader=PackageLoader('fcn_plugin', 'visualization'),
                              autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    write_text(out, environment.get_template('report.html').render(page))
    print(f'{out} ({out.stat().st_size / 1e6:.1f} MB)')
    return out


def _last_validation(run: Run) -> dict:
    """The page's figures where nothing is predicted."""
    last = run.val[-1] if run.val else {}
    judged = f'last validation, after {last["step"]} iterations' if last else ''
    return dict(figures=_figures(last), judged=judged, classes=[], table=None,
                confusions=[], cards=[], choice='')


def _figures(values: dict) -> list[dict]:
    return [dict(title=title, value='–' if np.isnan(values[name]) else f'{values[name]:.2f}')
            for name, title in _FIGURES.items() if name in values]


def _charts(run: Run) -> list[str]:
    def curve(lines, key):
        points = [(v['step'], v[key]) for v in lines if key in v]
        return [x for x, _ in points], [y for _, y in points]

    def keys(lines):
        return list(dict.fromkeys(key for values in lines for key in values))

    charts = []
    losses = [key for key in keys(run.train) if 'loss' in key]
    if len(losses) == 2:  # the sum, and its only term
        losses = ['loss']
    if losses:
        charts.append(line_chart({k: curve(run.train, k) for k in losses},
                                     'training loss', smooth=True))
    metrics = {title: curve(run.val, key) for key, title in _FIGURES.items()
               if key in keys(run.val)}
    if metrics:
        charts.append(line_chart(metrics, 'validation, per cent'))
    if 'lr' in keys(run.train):
        charts.append(line_chart({'lr': curve(run.train, 'lr')}, 'learning rate'))
    return charts


def _judge(run: Run, images: int, max_images: int | None, opacity: float,
           device: str) -> dict:
    """What the page shows of the checkpoint on the validation set."""
    if run.checkpoint is None:
        raise FileNotFoundError(f"'{run.folder}' holds no checkpoint of its last run: give "
                                '--weight-path, or --images 0 for a page without predictions')
    model = load_model(run.config, run.checkpoint, device, rescale=False)
    try:
        with explain_errors(model.cfg):
            dataset = build_val_dataset(model.cfg)
    except (FileNotFoundError, InputError) as error:
        raise InputError(
            f'the validation set cannot be read: {error}. Give its place by '
            '--cfg-options val_dataloader.dataset.data_root=DIR, or --images 0 for a '
            'page without predictions') from error
    indices = spread(len(dataset), max_images or len(dataset))
    meta = model.dataset_meta
    classes = meta['classes']
    found = evaluate(predict_dataset(model, dataset, track(indices, 'judging')), len(classes))
    chosen = choose_images(found, images)
    shown = predict_dataset(model, dataset,
                            track([indices[i] for i in chosen], 'drawing'))
    cards, paths = [], []
    for result, place in zip(shown, chosen):
        cards.append(_card(result, place, found, meta, opacity))
        paths.append(Path(result.path))
    for card, name in zip(cards, _names(paths)):
        card['name'] = name
    judged = int(np.isfinite(found.image_iou).sum())
    values = segmentation_metrics(found.matrix)
    of_all = '' if len(indices) == len(dataset) else f' of {len(dataset)}'
    plural = 'image' if len(dataset) == 1 else 'images'
    return dict(
        figures=_figures({name: 100 * values[name] for name in _FIGURES}),
        judged=f'{run.checkpoint.name} on {len(indices)}{of_all} validation {plural}',
        choice=_choice(len(cards), judged),
        classes=_class_rows(values, found.matrix, meta),
        table=_table(found.matrix) if len(classes) <= _LARGEST_TABLE else None,
        confusions=_confusions(found.matrix, classes), cards=cards)


def _class_rows(values: dict, matrix: torch.Tensor, meta: dict) -> list[dict]:
    share = matrix.sum(1).double() / max(1, int(matrix.sum()))
    colours = ['#{:02x}{:02x}{:02x}'.format(*tuple(colour)) for colour in meta['palette']]
    if meta['background'] is not None:
        colours[meta['background']] = 'none'  # as the pictures leave it
    return [dict(index=i, name=name, colour=colours[i],
                 iou=_per_cent(values['IoU'][i]), acc=_per_cent(values['Acc'][i]),
                 share=_per_cent(share[i]))
            for i, name in enumerate(meta['classes'])]


def _per_cent(value) -> float | None:
    value = 100 * float(value)
    return round(value, 1) if np.isfinite(value) else None


def _table(matrix: torch.Tensor) -> list[list[float | None]]:
    """Rows of the confusion matrix in per cent of the true class's pixels."""
    rows = matrix.double() / matrix.sum(1, keepdim=True)
    return [[_per_cent(value) for value in row] for row in rows]


def _confusions(matrix: torch.Tensor, classes: Sequence[str],
                count: int = 8) -> list[dict]:
    """The confusions that cost most pixels."""
    wrong = matrix.clone().fill_diagonal_(0)
    places = wrong.flatten().argsort(descending=True)[:count].tolist()
    size, total = len(matrix), max(1, int(matrix.sum()))
    return [dict(truth=classes[p // size], prediction=classes[p % size],
                 share=f'{100 * int(wrong.flatten()[p]) / total:.2f}')
            for p in places if wrong.flatten()[p]]


def _card(result: Result, place: int, found: Evaluation, meta: dict,
          opacity: float) -> dict:
    """One image of the page."""
    row = vis.comparison_row(result.image, result.labels, result.truth, meta['palette'],
                             opacity, result.ignore_index, meta['background'])
    ious = {i: round(100 * float(found.iou[place, i]), 1)
            for i in np.flatnonzero(found.in_truth[place])}
    return dict(iou=_per_cent(found.image_iou[place]),
                ious=json.dumps({str(i): iou for i, iou in ious.items()}),
                classes=', '.join(f'{meta["classes"][i]} {iou:.0f}'
                                  for i, iou in ious.items()),
                rank=_rank(found.image_iou, place),
                pictures=[dict(title=title, **_picture(picture)) for title, picture in
                          zip(('image', 'truth', 'prediction', 'errors'), row)])


def _names(paths: Sequence[Path]) -> list[str]:
    """What tells files apart: their paths below the folder that holds all of them."""
    try:
        root = os.path.commonpath([path.parent for path in paths]) if paths else ''
    except ValueError:  # of several drives
        return [path.as_posix() for path in paths]
    return [Path(os.path.relpath(path, root or '.')).as_posix() for path in paths]


def _choice(shown: int, judged: int) -> str:
    """Which of the images that were judged are on the page."""
    if shown == judged:
        return f'All {judged} images.' if judged > 1 else 'The only image.'
    return (f'{shown} of {judged} images, chosen among the worst, the middle and the best of '
            'all and of each class.')


def _rank(values: np.ndarray, place: int) -> str:
    """In words, where one of several values stands; those that are NaN do not count."""
    judged = int(np.isfinite(values).sum())
    better = int((values > values[place]).sum())
    equal = int((values == values[place]).sum())
    if judged == equal:
        return f'all {judged} alike' if judged > 1 else 'the only one'
    alike = '' if equal == 1 else f'one of the {equal} '
    if better == 0:
        return f'{alike or "the "}best of {judged}'
    if better + equal == judged:
        return f'{alike or "the "}worst of {judged}'
    middle = judged // 2  # so many are before the median of an odd number
    if judged % 2 and better <= middle < better + equal:
        return f'the median of {judged}'
    return f'number {better + 1} of {judged} from the best'


def _picture(picture: np.ndarray) -> dict:
    """A picture within the page, at most 360 pixels wide: source, width, height."""
    height, width = picture.shape[:2]
    if width > _PICTURE_WIDTH:
        picture = cv2.resize(picture, (_PICTURE_WIDTH, max(1, round(
            height * _PICTURE_WIDTH / width))), interpolation=cv2.INTER_AREA)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, 'webp', quality=80)
    return dict(width=picture.shape[1], height=picture.shape[0], source=(
        'data:image/webp;base64,' + base64.b64encode(buffer.getvalue()).decode()))
