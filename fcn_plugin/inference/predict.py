"""Predictions of data sets, and what ``fcn show`` calls."""
import copy
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from PIL import Image
from rich.progress import track
from torch import nn

from .. import visualization as vis
from ..checkpoints.loading import load_model
from ..checkpoints.naming import say_which
from ..datasets.guarded import leaves
from ..images.channels import turned
from ..images.reading import list_images
from ..runtimes.opening import of_torch, path_of
from ..runtimes.torch_backend import prediction_of, step_options
from ..utils.config import without_images
from ..utils.errors import InputError
from ..utils.files import check_outputs, output_folder, replacing
from ..utils.left_out import raise_left_out
from ..utils.paths import PathLike
from .inferencer import FCNInferencer, check_opacity
from .result import Result, find_class

#: Rows in one picture of predict_show; more images make more pictures.
ROWS_PER_PICTURE = 6


# --- data sets ---------------------------------------------------------------------


def build_val_dataset(cfg: Config):
    """The data set of the config's ``val_dataloader``, in test mode."""
    dataset = (cfg.get('val_dataloader') or {}).get('dataset')
    if not dataset:
        raise InputError('the config has no val_dataloader whose images could be '
                         'shown: give images by --img-path')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    dataset = copy.deepcopy(dataset)
    if 'dataset' not in dataset and 'datasets' not in dataset:  # not a wrapper
        dataset.setdefault('test_mode', True)
    try:
        return DATASETS.build(dataset)
    except (AssertionError, ValueError, OSError) as error:
        fault = without_images(cfg, ['val_dataloader'])
        if not fault:
            raise
        raise InputError(fault) from error


@torch.no_grad()
def predict_dataset(model: nn.Module, dataset, indices: Iterable[int],
                    scores: bool = False) -> Iterator[Result]:
    """Predicts images of a data set, as its pipeline gives them.

    Pixels and truth are taken from what the pipeline returns, not from files: a
    data set may draw them in memory.

    Args:
        model (nn.Module): From :func:`load_model`.
        dataset (Dataset): From :func:`build_val_dataset`.
        indices (Iterable[int]): Which images.
        scores (bool): Whether to return them too. Defaults to False.

    Yields:
        Result: At the size of the truth, to which the labels are brought by
        nearest neighbour where they differ. What is ignored is what the config's evaluator
        ignores or, where that does not say it, the data set.
    """
    ignored = ignored_label(model.cfg)
    if ignored is None:
        ignored = getattr(next(leaves(dataset)), 'ignore_index', 255)
    for index in indices:
        data = dataset[index]
        inputs, sample = data['inputs'], data['data_samples']
        image = vis.as_picture(inputs.numpy().transpose(1, 2, 0)[..., turned(len(inputs))])
        truth = None
        if 'gt_sem_seg' in sample:
            # before the model: it may pad what it is given
            truth = sample.gt_sem_seg.data[0].cpu().numpy()
        path = Path(sample.get('img_path') or f'image {index}')
        result, = model.test_step(dict(inputs=[inputs], data_samples=[sample]),
                                  **step_options(model, tuple(inputs.shape[-2:]), scores))
        size = tuple(result.pred_sem_seg.shape[-2:]) if truth is None else truth.shape
        if image.shape[:2] != size:
            image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
        meta = model.dataset_meta
        found = prediction_of(result, size, scores, meta)
        yield Result(image, found.labels, meta['classes'], meta['palette'],
                     meta['background'], found.scores, path, truth=truth,
                     ignore_index=ignored)


def ignored_label(config: Config) -> int | None:
    """The label of pixels that validation does not judge; None where no evaluator says it."""
    for name in ('val_evaluator', 'test_evaluator'):
        found = config.get(name) or []
        for one in found if isinstance(found, (list, tuple)) else [found]:
            if 'ignore_index' in one and not one.get('task'):
                return one['ignore_index']
    return None


# --- comparisons ------------------------------------------------------------------


def spread(count: int, wanted: int) -> list[int]:
    """``wanted`` indices, or all, evenly spread over ``range(count)``."""
    wanted = min(count, wanted)
    return [round(i) for i in np.linspace(0, count - 1, wanted)]


def show(weight_path: PathLike | None = None,
         img_path: PathLike | Sequence[PathLike] | None = None,
         config: PathLike | None = None, backbone: str | None = None,
         out_dir: PathLike = 'work_dirs/predict_show', max_images: int = 6,
         heatmap: str | None = None, opacity: float = 0.6, device: str = 'auto',
         overwrite: bool = False, window: bool = False,
         cfg_options: dict | None = None, crf: bool = False,
         allow_imports: Sequence[str] = (), runtime: str = 'auto') -> list[Path]:
    """Writes pictures that compare images with what is predicted.

    Image and prediction side by side for the images of ``img_path``; image, truth,
    prediction and errors for the config's validation set without one. The pictures
    are ``comparison_01.png`` and so on, six images each.

    Args:
        weight_path, config, backbone, heatmap, device, overwrite, cfg_options, crf,
            allow_imports, runtime: See :func:`predict_to_files`; the heat map is one more
            column.
        img_path (str, Path or a sequence of these, optional): See :func:`list_images`.
            Defaults to None.
        out_dir (str or Path): Defaults to 'work_dirs/predict_show'.
        max_images (int): How many, evenly spread over all. Defaults to 6.
        opacity (float): Of the colours, 0 to 1. Defaults to 0.6.
        window (bool): Whether to open the pictures in a window too, where there
            is a display. Defaults to False.

    Returns:
        list[Path]: The files written.
    """
    check_opacity(opacity)
    if max_images < 1:
        raise InputError(f'--max-images must be at least 1, but is {max_images}')
    out_dir = output_folder(out_dir)
    paths = None if img_path is None else list_images(img_path)
    if paths is not None:
        # Of a data set the number is known once it is built.
        check_outputs(pages(out_dir, min(len(paths), max_images)), overwrite)
    failed: list[Exception] = []
    if paths is None:
        if path_of(('.onnx', ), config, weight_path) is not None:
            raise InputError(f"'{weight_path or config}' knows no validation set: give images "
                             'to show')
        config, weight_path = of_torch(config, weight_path, runtime)
        model = load_model(config, weight_path, device, backbone, cfg_options,
                           rescale=False, crf=crf, allow_imports=allow_imports)
        meta: Any = model.dataset_meta
    else:
        infer = FCNInferencer(config, weight_path, device, backbone, cfg_options, crf=crf,
                              allow_imports=allow_imports, runtime=runtime)
        meta = dict(classes=infer.class_names, palette=infer.palette,
                    background=infer.background)
    say_which(weight_path or config, meta['classes'])
    shown = None if heatmap is None else find_class(heatmap, meta['classes'])
    if paths is None:
        dataset = build_val_dataset(model.cfg)
        total, where = len(dataset), 'the validation set'
        indices = spread(total, max_images)
        count = len(indices)
        check_outputs(pages(out_dir, count), overwrite)
        found = list(predict_dataset(model, dataset, track(indices, 'predicting'),
                                     shown is not None))
    else:
        names = [img_path] if isinstance(img_path, (str, os.PathLike)) else img_path
        total, where = len(paths), ' '.join(f"'{name}'" for name in names)
        chosen = [paths[i] for i in spread(total, max_images)]
        count = len(chosen)
        found = list(infer.stream(chosen, scores=shown is not None, failed=failed))
    files = pages(out_dir, len(found))
    if files:
        out_dir.mkdir(parents=True, exist_ok=True)
    save_pages(files, found, meta, opacity, shown)
    if files:
        last = f' to {files[-1].name}' if len(files) > 1 else ''
        print(f'{len(found)} of {total} images of {where}: {files[0]}{last}')
    if window:
        _open_window(files)
    raise_left_out(failed, count, 'The others are shown')
    return files


def compare(found: Sequence[Result], meta: dict, opacity: float = 0.6,
            shown: int | None = None) -> np.ndarray:
    """One picture with a row for each prediction.

    Args:
        found (Sequence[Result]): All with a truth, or all without one.
        meta (dict): A model's ``dataset_meta``; see :func:`load_model`.
        opacity (float): Of the colours, 0 to 1. Defaults to 0.6.
        shown (int, optional): A class whose probability is one more column.
            Defaults to None.

    Returns:
        np.ndarray: RGB uint8.
    """
    classes, palette, background = (
        meta[key] for key in ('classes', 'palette', 'background'))
    rows, captions, shares = [], [], []
    for item in found:
        row = vis.comparison_row(item.image, item.labels, item.truth, palette, opacity,
                                 item.ignore_index, background)
        caption = item.path.name
        shares.append(vis.class_shares(item.labels, len(classes)))
        if item.truth is not None:
            shares.append(vis.class_shares(item.truth, len(classes)))
            judged = item.truth != item.ignore_index
            if judged.any():
                right = (item.labels == item.truth)[judged].mean()
                caption += f' · {100 * right:.1f} % of pixels correct'
        if shown is not None:
            image, scores = vis.enlarge(item.image, item.scores[shown])
            row.append(vis.heatmap(scores, image, colour_bar=False))
        rows.append(row)
        captions.append(caption)
    titles = ['image', 'prediction'] if found[0].truth is None else [
        'image', 'truth', 'prediction', 'red: wrong, white: ignored' if any(
            (item.truth == item.ignore_index).any() for item in found) else 'red: wrong']
    if shown is not None:
        titles.append(f'probability of {classes[shown]}')
    return vis.comparison(rows, titles, captions, classes, palette,
                          vis.merge_shares(shares), background)


def pages(out_dir: Path, count: int) -> list[Path]:
    """The pictures that ``count`` rows fill: ``comparison_01.png`` and so on."""
    return [out_dir / f'comparison_{i + 1:02d}.png'
            for i in range(-(-count // ROWS_PER_PICTURE))]


def save_pages(files: Sequence[Path], rows: Sequence[Result], meta: dict,
               opacity: float = 0.6, shown: int | None = None) -> None:
    """Writes rows of predictions into pictures, see :func:`pages` and :func:`compare`."""
    for place, file in enumerate(files):
        page = rows[place * ROWS_PER_PICTURE:(place + 1) * ROWS_PER_PICTURE]
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as beside:
            vis.save_picture(beside, compare(page, meta, opacity, shown))


def _open_window(files: Sequence[Path]) -> None:
    """Shows pictures and waits, or says that there is no display."""
    import matplotlib.pyplot as plt
    if plt.get_backend().lower() in ('agg', 'cairo', 'pdf', 'pgf', 'ps', 'svg'):
        print('no display to open a window on: look at the files')
        return
    for file in files:
        picture = np.asarray(Image.open(file))
        figure = plt.figure(file.name, figsize=(12, 12 * picture.shape[0] /
                                                picture.shape[1]))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(picture)
        axes.axis('off')
    plt.show()
