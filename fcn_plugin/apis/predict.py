"""From images and a checkpoint to labels, and to files of pictures.

``load_model`` and ``predict_images`` are what programs call; ``predict_to_files``,
``show_images`` and ``show_dataset`` are tools/predict.py and tools/predict_show.py.
"""
import copy
import glob
import os
import re
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement
from mmseg.registry import DATASETS
from PIL import Image, ImageOps
from rich.progress import track
from torch import nn

from .. import visualization as vis
from .loading import PathLike, inner_dataset, load_model

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff',
                  '.webp')

#: Rows in one picture of predict_show; more images make more pictures.
ROWS_PER_PICTURE = 6


class Prediction(NamedTuple):
    """What is found in one image.

    Attributes:
        path (Path): Where the image came from. A data set that draws its images in
            memory has only names there.
        image (np.ndarray): RGB, (H, W, 3) uint8.
        labels (np.ndarray): Class indices, (H, W) int64.
        probabilities (np.ndarray, optional): (C, H, W) float32, 0 to 1.
        truth (np.ndarray, optional): True class indices, (H, W) int64.
        ignore_index (int): Label in ``truth`` that is not judged. Defaults to 255.
    """
    path: Path
    image: np.ndarray
    labels: np.ndarray
    probabilities: Optional[np.ndarray] = None
    truth: Optional[np.ndarray] = None
    ignore_index: int = 255


# --- images ------------------------------------------------------------------


def list_images(pattern: PathLike) -> List[Path]:
    """The images that a file, a folder or a glob stands for.

    Args:
        pattern (str or Path): A file, of any suffix; a folder, for the images
            directly in it; or a glob, for the images that it matches.

    Returns:
        list[Path]: Sorted, at least one.

    Raises:
        FileNotFoundError: If that is none.
    """
    # Before globbing: a name that exists may hold brackets.
    path = Path(pattern).expanduser()
    if path.is_file():
        return [path]
    found = path.iterdir() if path.is_dir() else map(Path, glob.glob(str(path)))
    images = sorted(p for p in found
                    if p.is_file() and p.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        where = (f"no image in the folder '{pattern}'" if path.is_dir() else
                 f"no image matches '{pattern}'" if glob.has_magic(str(pattern)) else
                 f"no such file or folder: '{pattern}'")
        raise FileNotFoundError(f'{where} (images end in {" ".join(IMAGE_SUFFIXES)})')
    return images


def read_image(path: PathLike) -> np.ndarray:
    """Reads any image as it is meant to be seen.

    The camera's orientation (EXIF) is applied; grey, palette and CMYK images
    become RGB; transparency is dropped, and so are the low bits beyond 8, as when
    mmcv reads images for training.

    Args:
        path (str or Path): The file.

    Returns:
        np.ndarray: RGB, (H, W, 3) uint8.

    Raises:
        ValueError: If it cannot be read, with the file and the reason.
    """
    try:
        with warnings.catch_warnings():
            # An image of 100 megapixels is slow, not an attack.
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file)
                if image.mode.startswith('I') or image.mode == 'F':
                    return _deep_grey_to_rgb(np.asarray(image))
                return np.array(image.convert('RGB'))
    except FileNotFoundError:
        raise
    # Pillow's readers raise SyntaxError and struct.error too, among others.
    except Exception as error:
        reason = str(error).replace(f' {str(path)!r}', '')
        raise ValueError(f"cannot read the image '{path}': {reason}") from error


def _deep_grey_to_rgb(grey: np.ndarray) -> np.ndarray:
    """Grey of 16 bits (or more, or real numbers), (H, W), to RGB of 8."""
    if grey.dtype.kind == 'f':
        grey = np.nan_to_num(grey) * (255 if np.nanmax(grey) <= 1 else 1)
    elif grey.dtype.itemsize == 2 or grey.max() > 255:
        grey = grey >> 8
    grey = np.clip(grey, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


# --- prediction ----------------------------------------------------------------


def build_pipeline(cfg: Config) -> Compose:
    """The test pipeline, for images in memory (BGR) instead of files."""
    steps = cfg.get('test_pipeline') or inner_dataset(cfg).get('pipeline')
    if not steps:
        raise ValueError('the config has neither a test_pipeline nor a test_dataloader '
                         'whose dataset has a pipeline')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    load = dict(type='LoadImageFromNDArray')
    kept = []
    for step in steps:
        name = step['type'] if isinstance(step['type'], str) else step['type'].__name__
        if not name.split('.')[-1].startswith('Load'):
            kept.append(step)
        elif step.get('to_float32'):
            load['to_float32'] = True
    return Compose([load, *copy.deepcopy(kept)])


@torch.no_grad()
def predict_image(model: nn.Module, image: np.ndarray, pipeline: Compose,
                  probabilities: bool = False
                  ) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Predicts one image in memory.

    Args:
        model (nn.Module): From :func:`load_model`.
        image (np.ndarray): RGB, (H, W, 3) uint8, of any size.
        pipeline (Compose): From :func:`build_pipeline`.
        probabilities (bool): Whether to return them too. Defaults to False.

    Returns:
        tuple: Labels (H, W) int64, and probabilities (C, H, W) float32 or None.
    """
    data = pipeline(dict(img=np.ascontiguousarray(image[..., ::-1])))
    if getattr(model, 'post_processor', None) is not None:
        # sharper than what the pipeline has resized
        data['data_samples'].set_metainfo(dict(original_image=image))
    with asking_for_logits(model, probabilities):
        sample = model.test_step(
            dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))[0]
    return _labels_and_scores(sample, image.shape[:2], probabilities)


@contextmanager
def asking_for_logits(model: nn.Module, wanted: bool = True):
    """Has an FCNSegmentor add logits to what it predicts; mmseg's do so anyway."""
    test_cfg = getattr(model, 'test_cfg', None) or {}
    before = test_cfg.get('logits')
    if wanted and before is not None:
        test_cfg['logits'] = True
    try:
        yield
    finally:
        if before is not None:
            test_cfg['logits'] = before


def _labels_and_scores(sample: BaseDataElement, size: Tuple[int, int],
                       probabilities: bool) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """What a model has found, at that (H, W); see :func:`predict_image`."""
    labels = vis.resize_labels(sample.pred_sem_seg.data[0].cpu().numpy(), *size)
    if not probabilities:
        return labels, None
    if 'seg_logits' not in sample:
        raise ValueError('the model returns labels without scores')
    scores = sample.seg_logits.data.float()
    if tuple(scores.shape[-2:]) != tuple(size):
        scores = nn.functional.interpolate(scores[None], size, mode='bilinear')[0]
    # mmseg has put a single channel through the sigmoid already
    scores = torch.cat([1 - scores, scores]) if len(scores) == 1 else scores.softmax(0)
    return labels, scores.clamp(0, 1).cpu().numpy()


def predict_images(model: nn.Module, paths: Iterable[PathLike],
                   probabilities: bool = False,
                   unreadable: Optional[list] = None) -> Iterator[Prediction]:
    """Predicts image files, one after the other.

    Args:
        model (nn.Module): From :func:`load_model`.
        paths (Iterable): The files.
        probabilities (bool): Whether to return those of all classes too, at the
            image's size: 4 bytes a class and pixel. Defaults to False.
        unreadable (list, optional): Takes the error of each file that cannot be
            read, which is then left out. Without it the first such error is raised.

    Yields:
        Prediction: Path, image, labels and probabilities.
    """
    pipeline = build_pipeline(model.cfg)
    for path in map(Path, paths):
        try:
            image = read_image(path)
        except ValueError as error:
            if unreadable is None:
                raise
            unreadable.append(error)
            continue
        try:
            labels, scores = predict_image(model, image, pipeline, probabilities)
        except cv2.error as error:
            # such as keeping the ratio of 1x500 pixels in a size of 224
            raise ValueError(
                f"the config's test pipeline cannot take '{path}' of "
                f'{image.shape[1]}x{image.shape[0]} pixels: {error}') from error
        yield Prediction(path, image, labels, scores)


def build_val_dataset(cfg: Config):
    """The data set of the config's ``val_dataloader``, in test mode."""
    dataset = (cfg.get('val_dataloader') or {}).get('dataset')
    if not dataset:
        raise ValueError('the config has no val_dataloader whose images could be '
                         'shown: give images by --img-path')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    dataset = copy.deepcopy(dataset)
    if 'dataset' not in dataset and 'datasets' not in dataset:  # not a wrapper
        dataset.setdefault('test_mode', True)
    return DATASETS.build(dataset)


@torch.no_grad()
def predict_dataset(model: nn.Module, dataset, indices: Iterable[int],
                    probabilities: bool = False) -> Iterator[Prediction]:
    """Predicts images of a data set, as its pipeline gives them.

    Pixels and truth are taken from what the pipeline returns, not from files: a
    data set may draw them in memory.

    Args:
        model (nn.Module): From :func:`load_model`.
        dataset (Dataset): From :func:`build_val_dataset`.
        indices (Iterable[int]): Which images.
        probabilities (bool): See :func:`predict_images`. Defaults to False.

    Yields:
        Prediction: At the size of the truth, to which the labels are brought by
        nearest neighbour where they differ.
    """
    for index in indices:
        data = dataset[index]
        inputs, sample = data['inputs'], data['data_samples']
        image = np.ascontiguousarray(inputs.numpy()[::-1].transpose(1, 2, 0))
        if image.dtype != np.uint8:  # to_float32, or normalised by the pipeline
            low, high = float(image.min()), float(image.max())
            if low < 0 or high > 255:
                image = (image - low) * (255 / max(high - low, 1e-6))
            image = np.rint(image).astype(np.uint8)
        truth = None
        if 'gt_sem_seg' in sample:
            # before the model: it may pad what it is given
            truth = sample.gt_sem_seg.data[0].cpu().numpy().copy()
        path = Path(sample.get('img_path') or f'image {index}')
        with asking_for_logits(model, probabilities):
            result = model.test_step(dict(inputs=[inputs], data_samples=[sample]))[0]
        size = tuple(result.pred_sem_seg.shape[-2:]) if truth is None else truth.shape
        if image.shape[:2] != size:
            image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)
        labels, scores = _labels_and_scores(result, size, probabilities)
        yield Prediction(path, image, labels, scores, truth,
                         getattr(dataset, 'ignore_index', 255))


# --- files -----------------------------------------------------------------------


def find_class(name: str, classes: Sequence[str]) -> int:
    """The index of a class given by its name (any case) or its index."""
    lower = [c.lower() for c in classes]
    if name.lower() in lower:
        return lower.index(name.lower())
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    raise ValueError(f"no class '{name}': the model knows "
                     + ', '.join(f'{i} {c}' for i, c in enumerate(classes)))


def output_stems(paths: Sequence[Path]) -> List[str]:
    """A name without suffix for the outputs of each image, no two the same.

    ``a.jpg`` and ``a.png`` become ``a_jpg`` and ``a_png``.

    Raises:
        ValueError: If two images have the same name in different folders.
    """
    plain = [path.stem for path in paths]
    stems = [stem if plain.count(stem) == 1 else f'{stem}_{path.suffix[1:]}'
             for stem, path in zip(plain, paths)] if len(set(plain)) < len(plain) else (
                 plain)
    seen: Dict[str, Path] = {}
    for stem, path in zip(stems, paths):
        if stem in seen:
            raise ValueError(f"'{seen[stem]}' and '{path}' would have outputs of the "
                             'same name: predict them into two folders')
        seen[stem] = path
    return stems


def check_outputs(files: Iterable[Path], overwrite: bool) -> None:
    """Raises FileExistsError for a file that exists, unless it may be overwritten."""
    existing = [] if overwrite else [file for file in files if file.exists()]
    if existing:
        more = f' and {len(existing) - 1} more' if len(existing) > 1 else ''
        raise FileExistsError(f"there is '{existing[0]}'{more} already: give "
                              '--overwrite, or another --out-dir')


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Writes an RGB picture, (H, W, 3) uint8, by the path's suffix."""
    # the level halves the time of a large PNG for a few per cent of its size
    Image.fromarray(picture).save(path, quality=92, compress_level=3)


def predict_to_files(img_path: PathLike, weight_path: PathLike,
                     config: Optional[PathLike] = None, backbone: Optional[str] = None,
                     out_dir: PathLike = 'work_dirs/predict',
                     heatmap: Optional[str] = None, opacity: float = 0.5,
                     device: str = 'auto', overwrite: bool = False,
                     cfg_options: Optional[dict] = None,
                     crf: bool = False) -> List[Path]:
    """Predicts images and writes, for each, pictures and labels.

    ``<name>_overlay.jpg`` (or .png, for images without loss): the classes in colour
    over the image, with a legend; ``<name>_labels.png``: the class indices at the
    image's size; with ``heatmap``, ``<name>_heatmap_<class>.png``.

    Args:
        img_path (str or Path): See :func:`list_images`.
        weight_path (str or Path): The checkpoint.
        config, backbone, device, cfg_options, crf: See :func:`load_model`.
        out_dir (str or Path): Made where it does not exist. Defaults to
            'work_dirs/predict'.
        heatmap (str, optional): A class, by name or index. Defaults to None.
        opacity (float): Of the colours, 0 to 1. Defaults to 0.5.
        overwrite (bool): Whether existing files may be replaced. Without, one of
            them is an error before anything is predicted. Defaults to False.

    Returns:
        list[Path]: The files written.

    Raises:
        ValueError: After all others have been predicted, if images could not be read.
    """
    _check_opacity(opacity)
    paths, out_dir = list_images(img_path), Path(out_dir)
    outputs: Dict[Path, Dict[str, Path]] = {}
    stems = dict(zip(paths, output_stems(paths)))
    for path, stem in stems.items():
        suffix = '.jpg' if path.suffix.lower() in ('.jpg', '.jpeg') else '.png'
        outputs[path] = dict(overlay=out_dir / f'{stem}_overlay{suffix}',
                             labels=out_dir / f'{stem}_labels.png')
    check_outputs([file for files in outputs.values() for file in files.values()],
                  overwrite)
    model = load_model(config, weight_path, device, backbone, cfg_options, crf=crf)
    meta = model.dataset_meta
    if heatmap is not None:
        shown = find_class(heatmap, meta['classes'])
        slug = re.sub(r'[^\w-]+', '-', meta['classes'][shown])
        for path, files in outputs.items():
            files['heatmap'] = out_dir / f'{stems[path]}_heatmap_{slug}.png'
        check_outputs([files['heatmap'] for files in outputs.values()], overwrite)
    out_dir.mkdir(parents=True, exist_ok=True)

    written: List[Path] = []
    unreadable: List[ValueError] = []
    predictions = predict_images(model, track(paths, 'predicting'), heatmap is not None,
                                 unreadable)
    for found in predictions:
        files = outputs[found.path]
        picture = overlay_with_legend(found.image, found.labels, meta, opacity)
        save_picture(files['overlay'], picture)
        vis.save_label_png(files['labels'], found.labels, meta['palette'])
        written += [files['overlay'], files['labels']]
        if heatmap is not None:
            title = f'probability of {meta["classes"][shown]}'
            save_picture(files['heatmap'], vis.heatmap(
                found.probabilities[shown], found.image, title=title))
            written.append(files['heatmap'])
    count = len(paths) - len(unreadable)
    if count:
        print(f'{count} image{"s" * (count != 1)}: {len(written)} files written to '
              f'{out_dir}{os.sep}')
    _raise_unreadable(unreadable, len(paths))
    return written


def overlay_with_legend(image: np.ndarray, labels: np.ndarray, meta: dict,
                        opacity: float = 0.5) -> np.ndarray:
    """The overlay that is written to files: enlarged where tiny, with a legend.

    Args:
        image (np.ndarray): RGB, (H, W, 3) uint8.
        labels (np.ndarray): Class indices, (H, W).
        meta (dict): A model's ``dataset_meta``; see :func:`load_model`.
        opacity (float): Of the colours, 0 to 1. Defaults to 0.5.
    """
    classes, palette, background = (
        meta[key] for key in ('classes', 'palette', 'background'))
    image, labels = vis.enlarge(image, labels)
    picture = vis.overlay(image, labels, palette, opacity, background=background)
    return vis.add_legend(picture, classes, palette,
                          vis.class_shares(labels, len(classes)), background=background)


def _check_opacity(opacity: float) -> None:
    if not 0 <= opacity <= 1:
        raise ValueError(f'--opacity must be between 0 and 1, but is {opacity}')


def _raise_unreadable(errors: List[ValueError], total: int) -> None:
    if errors:
        raise ValueError(f'{len(errors)} of {total} images could not be read: '
                         + '; '.join(map(str, errors[:3]))
                         + ('; ...' if len(errors) > 3 else ''))


# --- comparisons ------------------------------------------------------------------


def spread(count: int, wanted: int) -> List[int]:
    """``wanted`` indices, or all, evenly spread over ``range(count)``."""
    wanted = min(count, wanted)
    return [round(i) for i in np.linspace(0, count - 1, wanted)]


def show(weight_path: PathLike, img_path: Optional[PathLike] = None,
         config: Optional[PathLike] = None, backbone: Optional[str] = None,
         out_dir: PathLike = 'work_dirs/predict_show', max_images: int = 6,
         heatmap: Optional[str] = None, opacity: float = 0.6, device: str = 'auto',
         overwrite: bool = False, window: bool = False,
         cfg_options: Optional[dict] = None, crf: bool = False) -> List[Path]:
    """Writes pictures that compare images with what is predicted.

    Image and prediction side by side for the images of ``img_path``; image, truth,
    prediction and errors for the config's validation set without one. The pictures
    are ``comparison_01.png`` and so on, six images each.

    Args:
        weight_path, config, backbone, heatmap, device, overwrite, cfg_options, crf: See
            :func:`predict_to_files`; the heat map is one more column.
        img_path (str or Path, optional): See :func:`list_images`. Defaults to None.
        out_dir (str or Path): Defaults to 'work_dirs/predict_show'.
        max_images (int): How many, evenly spread over all. Defaults to 6.
        opacity (float): Of the colours, 0 to 1. Defaults to 0.6.
        window (bool): Whether to open the pictures in a window too, where there
            is a display. Defaults to False.

    Returns:
        list[Path]: The files written.
    """
    _check_opacity(opacity)
    if max_images < 1:
        raise ValueError(f'--max-images must be at least 1, but is {max_images}')
    out_dir = Path(out_dir)
    paths = None if img_path is None else list_images(img_path)
    if paths is not None:
        # Of a data set the number is known once it is built.
        check_outputs(_pages(out_dir, min(len(paths), max_images)), overwrite)
    model = load_model(config, weight_path, device, backbone, cfg_options,
                       rescale=paths is not None, crf=crf)
    meta = model.dataset_meta
    shown = None if heatmap is None else find_class(heatmap, meta['classes'])
    unreadable: List[ValueError] = []
    if paths is None:
        dataset = build_val_dataset(model.cfg)
        total, where = len(dataset), 'the validation set'
        chosen = spread(total, max_images)
        check_outputs(_pages(out_dir, len(chosen)), overwrite)
        found = predict_dataset(model, dataset, track(chosen, 'predicting'),
                                shown is not None)
    else:
        total, where = len(paths), f"'{img_path}'"
        chosen = [paths[i] for i in spread(total, max_images)]
        found = predict_images(model, track(chosen, 'predicting'), shown is not None,
                               unreadable)
    found = list(found)
    files = _pages(out_dir, len(found))
    if files:
        out_dir.mkdir(parents=True, exist_ok=True)
    for page, file in enumerate(files):
        rows = found[page * ROWS_PER_PICTURE:(page + 1) * ROWS_PER_PICTURE]
        save_picture(file, compare(rows, meta, opacity, shown))
    if files:
        last = f' to {files[-1].name}' if len(files) > 1 else ''
        print(f'{len(found)} of {total} images of {where}: {files[0]}{last}')
    if window:
        _open_window(files)
    _raise_unreadable(unreadable, len(chosen))
    return files


def compare(found: Sequence[Prediction], meta: dict, opacity: float = 0.6,
            shown: Optional[int] = None) -> np.ndarray:
    """One picture with a row for each prediction.

    Args:
        found (Sequence[Prediction]): All with a truth, or all without one.
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
            image, scores = vis.enlarge(item.image, item.probabilities[shown])
            row.append(vis.heatmap(scores, image, colour_bar=False))
        rows.append(row)
        captions.append(caption)
    titles = ['image', 'prediction'] if found[0].truth is None else [
        'image', 'truth', 'prediction', 'errors in red']
    if shown is not None:
        titles.append(f'probability of {classes[shown]}')
    return vis.comparison(rows, titles, captions, classes, palette,
                          vis.merge_shares(shares), background)


def _pages(out_dir: Path, count: int) -> List[Path]:
    """The files that ``count`` rows fill."""
    return [out_dir / f'comparison_{i + 1:02d}.png'
            for i in range(-(-count // ROWS_PER_PICTURE))]


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
