"""Judging any model on a folder of images and one of masks."""
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from prettytable import PrettyTable
from rich.progress import track

from ..evaluation.conditions import find_conditions
from ..evaluation.confusion import FIGURES, segmentation_metrics
from ..evaluation.truth import UNJUDGED, Coding, find_coding, read_truth
from ..images.inputs import ImageInput
from ..images.reading import list_images, to_channels
from ..inference.inferencer import FCNInferencer, check_batch_size
from ..inference.predict import pages, save_pages
from ..inference.result import Result
from ..layouts.named_masks import with_masks
from ..utils.errors import InputError
from ..utils.files import check_outputs, output_folder, write_text
from ..utils.paths import PathLike
from ..visualization import default_palette
from .judge import Evaluation, choose_images, evaluate


def evaluate_folder(checkpoint: PathLike | None, images: PathLike, labels: PathLike,
                    config: PathLike | None = None,
                    out_dir: PathLike | None = None, ignore: Sequence[int] | None = None,
                    conditions: Sequence[str] = ('as taken', ), pictures: int = 6,
                    max_images: int | None = None, batch_size: int = 1,
                    device: str = 'auto', fast: bool = False, overwrite: bool = False,
                    cfg_options: dict | None = None,
                    allow_imports: Sequence[str] = (), task: str | None = None
                    ) -> dict[str, Evaluation]:
    """Prints the paper's four metrics, and those of each class.

    Args:
        checkpoint (str or Path, optional): As ``FCNInferencer`` takes weights: a .pth
            file, or a network exported to .onnx. Without one, the model that
            comes with the package.
        images (str or Path): Folder or glob of the images.
        labels (str or Path): Folder or glob of masks whose pixels are class numbers, or have
            the values that masks had in training on own data, of the images' sizes, and names
            (:func:`~fcn_plugin.layouts.named_masks.with_masks`).
        config (str or Path, optional): For a checkpoint that keeps none.
        out_dir (str or Path, optional): Where ``evaluation.md`` and pictures of the
            best, median and worst images go. Defaults to None: nothing is written.
        ignore (Sequence[int], optional): Values of pixels that do not count. Defaults to
            None: 255, where that is no class.
        conditions (Sequence[str]): Under which the images are judged, of
            :data:`~fcn_plugin.evaluation.conditions.CONDITIONS`, or 'all'.
            Defaults to ('as taken', ). Networks of other than three channels know no other.
        pictures (int): How many images ``out_dir`` shows. Defaults to 6.
        max_images (int, optional): Judges so many, evenly spread. Defaults to None: all.
        batch_size, device, fast, cfg_options, allow_imports: See ``FCNInferencer``.
        overwrite (bool): Whether existing files may be replaced. Defaults to False.
        task (str, optional): A further task of the network that is judged. Defaults to None:
            the first.

    Returns:
        dict[str, Evaluation]: By condition.

    Raises:
        FileNotFoundError: If there are no images or no masks.
        ValueError: If an image has no mask or a mask another size, or holds a label that
            the model has no class for.
    """
    check_batch_size(batch_size)
    changes = find_conditions(conditions)
    if pictures < 0 or (max_images is not None and max_images < 1):
        raise InputError('--pictures must be at least 0 and --max-images at least 1, but '
                         f'are {pictures} and {max_images}')
    pairs = with_masks(list_images(images), labels)
    if max_images is not None and max_images < len(pairs):
        pairs = [pairs[i * len(pairs) // max_images] for i in range(max_images)]
    files: list[Path] = []
    if out_dir is not None:
        out_dir = output_folder(out_dir)
        files = [out_dir / 'evaluation.md', *pages(out_dir, min(pictures, len(pairs)))]
        check_outputs(files, overwrite)
    segment = FCNInferencer(config, checkpoint, device, cfg_options=cfg_options, fast=fast,
                            allow_imports=allow_imports)
    if segment.channels != 3 and list(changes) != ['as taken']:
        raise InputError(f'light and focus are changed in images of three channels, but the '
                         f'network takes {segment.channels}: leave --conditions out')
    meta = dict(classes=segment.class_names, palette=segment.palette,
                background=segment.background)
    if task is not None:
        if task not in segment.tasks:
            raise InputError(f"the network has no further task '{task}': expected "
                             f'{", ".join(segment.tasks) or "--task to be left out"}')
        classes = tuple(segment.tasks[task])
        meta = dict(classes=classes, palette=default_palette(len(classes)), background=None)
    coding = find_coding([mask for _, mask in pairs], segment.label_map if task is None else
                         None, meta['classes'], ignore)
    if coding.note:
        print(coding.note)
    found = {}
    for name, change in changes.items():
        found[name] = evaluate(
            _predict(segment, pairs, change, coding, batch_size, name, task, meta),
            len(meta['classes']))
        if not found[name].matrix.any():
            raise InputError(f"no pixel of the masks in '{labels}' counts, so that there is "
                             'nothing to judge by: name masks that hold classes')
    text = _tables(found, meta['classes'])
    print(text)
    if out_dir is not None:
        out_dir.mkdir(parents=True, exist_ok=True)
        write_text(files[0], f'{len(pairs)} images of {images}, {checkpoint}\n\n'
                             f'```\n{text}\n```\n')
        first = next(iter(found))
        places = choose_images(found[first], pictures)
        rows = list(_predict(segment, [pairs[place] for place in places], changes[first],
                             coding, batch_size, '', task, meta))
        save_pages(files[1:], rows, meta)
        print('written: ' + ', '.join(map(str, files)))
    return found


def _predict(segment: FCNInferencer, pairs: Sequence[tuple[Path, Path]], change,
             coding: Coding, batch_size: int, name: str, task: str | None,
             meta: dict[str, Any]) -> Iterator[Result]:
    for start in track(range(0, len(pairs), batch_size), name, disable=not name):
        batch = pairs[start:start + batch_size]
        images = [ImageInput(change(to_channels(path, segment.channels)), path)
                  for path, _ in batch]
        results = segment(images, batch_size=batch_size, progress=False)
        for result, (_, mask) in zip(results, batch):
            if task is not None:
                result = replace(result, labels=result.tasks[task],
                                 class_names=meta['classes'], palette=meta['palette'],
                                 background=meta['background'])
            yield replace(result, truth=read_truth(mask, result.labels.shape,
                                                   len(result.class_names), coding),
                          ignore_index=UNJUDGED)


def _tables(found: dict[str, Evaluation], classes: Sequence[str]) -> str:
    figures = {name: segmentation_metrics(each.matrix) for name, each in found.items()}
    summary = PrettyTable(['', *FIGURES.values()], align='r')
    for name, values in figures.items():
        summary.add_row([name, *(f'{100 * float(values[key]):.2f}' for key in FIGURES)])
    summary.align[''] = 'l'
    each = PrettyTable(['IoU', *figures], align='r')
    for i, name in enumerate(classes):
        each.add_row([name, *(f'{100 * float(values["IoU"][i]):.2f}'
                              for values in figures.values())])
    each.align['IoU'] = 'l'
    return f'{summary}\n{each}'
