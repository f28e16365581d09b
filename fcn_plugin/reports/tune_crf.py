"""Fitting a dense CRF to a network, on images that judge nothing else."""
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from prettytable import PrettyTable
from rich.progress import track

from ..checkpoints.loading import load_model
from ..engine.explain import explain_errors
from ..evaluation import boundary_distance, confusion_matrix, segmentation_metrics
from ..inference.predict import predict_dataset, spread
from ..models import DenseCRF
from ..utils.config import inner_dataset
from ..utils.errors import InputError
from ..utils.paths import PathLike

#: What is tried of each setting, most telling first: the usual ranges, and below them
#: what is gentle enough for thin things.
SEARCHED = dict(
    appearance_weight=(0.5, 1, 2, 4, 7, 10),
    sigma_rgb=(3, 5, 7, 10, 13),
    sigma_xy=(10, 25, 50, 75, 100),
    smoothness_weight=(0, 1, 3),
    smoothness_sigma=(1, 3))
#: Where the search starts.
START = dict(appearance_weight=4, sigma_rgb=5, sigma_xy=50, smoothness_weight=1,
             smoothness_sigma=3)

Settings = dict[str, float]


class Example(NamedTuple):
    """An image of which the network's answer is kept.

    Attributes:
        probabilities (np.ndarray): (C, H, W) float16.
        image (np.ndarray): RGB, (H, W, 3) uint8.
        truth (torch.Tensor): (H, W) int64, with ``ignore_index`` for what is not judged.
        ignore_index (int): Label of those pixels.
    """
    probabilities: np.ndarray
    image: np.ndarray
    truth: torch.Tensor
    ignore_index: int


def tune_crf(config: Config, checkpoint: PathLike, images: int = 20,
             split: str = 'train', trimap: int | None = None, steps: int = 10,
             device: str = 'auto') -> Settings | None:
    """Searches the settings of :class:`DenseCRF`, and prints a config block.

    The network runs once over the images; then one setting after the other is moved to
    its best value in :data:`SEARCHED`, until none moves any more.

    Args:
        config (Config): The network's.
        checkpoint (str or Path): Its weights.
        images (int): How many, evenly spread over the split. Kept in memory, 2 bytes a
            class and pixel. Defaults to 20.
        split (str): 'train', 'val' or 'test'. The one that later judges the network
            must be another. Defaults to 'train', whose images pass through the
            pipeline of validation here.
        trimap (int, optional): Judge only pixels less than this many from a boundary
            of the truth. Defaults to None: all.
        steps: As in :class:`DenseCRF`.
        device (str): See :func:`load_model`.

    Returns:
        dict, optional: The best settings, or None where the network alone is better.
    """
    if images < 1:
        raise InputError(f'--images must be at least 1, but is {images}')
    if trimap is not None and trimap < 1:
        raise InputError(f'--trimap must be at least 1 pixel, but is {trimap}')
    DenseCRF(steps=steps)  # before the network runs for nothing
    if config.model.get('post_processor'):
        print(f"without the config's own post_processor {config.model.post_processor.type}")
        config.model.post_processor = None
    dataset = build_plain_dataset(config, split)
    model = load_model(config, checkpoint, device, rescale=False)
    chosen = spread(len(dataset), images)
    examples = list(collect(model, dataset, track(chosen, 'network'), trimap))

    def value_of(settings: Settings | None) -> float:
        crf = settings and DenseCRF(steps=steps, **settings)
        return judge(examples, crf)['mIoU']

    without = judge(examples)
    where = f'{len(examples)} of {len(dataset)} images of {split}' + (
        '' if trimap is None else f', less than {trimap} pixels from a boundary')
    print(f'mean IoU on {where}\nwithout CRF: {100 * without["mIoU"]:.2f}')
    best, value, tried = search(value_of)
    print(_verdict(best, without, judge(examples, DenseCRF(steps=steps, **best)), tried))
    if value <= without['mIoU']:
        return None
    print('\n' + config_block(dict(best, steps=steps)))
    return best


def build_plain_dataset(config: Config, split: str):
    """The data set of a split, with the pipeline of validation: nothing random."""
    dataset = (config.get(f'{split}_dataloader') or {}).get('dataset')
    if not dataset:
        raise InputError(f'the config has no {split}_dataloader with a dataset: choose '
                         'another --split')
    pipeline = inner_dataset(config).get('pipeline')
    if not pipeline:
        raise InputError('the config has no val_dataloader or test_dataloader whose '
                         'dataset has a pipeline')
    dataset = copy.deepcopy(dataset)
    for part in _parts(dataset):
        part.update(pipeline=copy.deepcopy(pipeline), test_mode=True)
    init_default_scope(config.get('default_scope', 'mmseg'))
    with explain_errors(config):
        return DATASETS.build(dataset)


def _parts(dataset: dict) -> Iterator[dict]:
    """The data sets themselves, out of concatenations and repetitions."""
    inner = [*dataset.get('datasets', ()), *filter(None, [dataset.get('dataset')])]
    if not inner:
        yield dataset
    for part in inner:
        yield from _parts(part)


def collect(model, dataset, indices: Sequence[int],
            trimap: int | None = None) -> Iterator[Example]:
    """The network's answers on images of a data set.

    Args:
        model (nn.Module): From :func:`load_model`.
        dataset (Dataset): With truth.
        indices (Sequence[int]): Which images.
        trimap (int, optional): See :func:`tune_crf`.
    """
    for found in predict_dataset(model, dataset, indices, scores=True):
        if found.truth is None:
            raise InputError(f'{found.path} has no truth to judge by: the pipeline of '
                             'validation has no LoadAnnotations')
        truth = found.truth
        if trimap is not None:
            distance = boundary_distance(truth, found.ignore_index)
            truth = np.where(distance < trimap, truth, found.ignore_index)
        yield Example(found.scores.astype(np.float16), found.image,
                      torch.from_numpy(truth.astype(np.int64)), found.ignore_index)


def judge(examples: Sequence[Example], crf: DenseCRF | None = None) -> dict:
    """The metrics of :func:`segmentation_metrics`, with or without a CRF."""
    classes = len(examples[0].probabilities)
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for example in examples:
        scores = torch.from_numpy(example.probabilities).float()
        if crf is not None:
            scores = torch.as_tensor(crf(scores, torch.from_numpy(example.image)))
        matrix += confusion_matrix(scores.argmax(0), example.truth, classes,
                                   example.ignore_index)
    return segmentation_metrics(matrix)


def search(value_of: Callable[[Settings], float]) -> tuple[Settings, float, int]:
    """Moves one setting after the other to where the value is highest.

    Args:
        value_of (Callable): From settings to what is to be maximised, 0 to 1.

    Returns:
        tuple[dict, float, int]: The best settings, their value, and how many were tried.
    """
    values: dict[tuple, float] = {}

    def look(settings: Settings) -> float:
        if not settings['smoothness_weight']:  # its deviation is of no account
            settings = dict(settings, smoothness_sigma=START['smoothness_sigma'])
        key = tuple(settings.items())
        if key not in values:
            values[key] = value_of(settings)
            print(f'{len(values):3d}. {100 * values[key]:6.2f}  {_in_words(settings)}',
                  flush=True)
        return values[key]

    best: Settings = dict(START)
    value, moved = look(best), True
    while moved:
        moved = False
        for name, choices in SEARCHED.items():
            for choice in choices:
                candidate = dict(best, **{name: choice})
                if look(candidate) > value:
                    best, value, moved = candidate, look(candidate), True
    return best, value, len(values)


def config_block(settings: Settings) -> str:
    """The lines that put such a :class:`DenseCRF` into a config."""
    lines = ["type='DenseCRF'", *(f'{name}={value!r}' for name, value in settings.items())]
    return ('model = dict(\n    post_processor=dict(\n        '
            + ',\n        '.join(lines) + '))')


def _in_words(settings: Settings) -> str:
    return ' '.join(f'{name}={value}' for name, value in settings.items())


def _verdict(best: Settings, without: dict, with_crf: dict, tried: int) -> str:
    table = PrettyTable(['', 'mIoU', 'pixel accuracy'], align='r')
    for name, found in (('without', without), ('best CRF', with_crf)):
        table.add_row([name, f"{100 * found['mIoU']:.2f}", f"{100 * found['aAcc']:.2f}"])
    if with_crf['mIoU'] > without['mIoU']:
        words = f'best of {tried} settings: {_in_words(best)}'
    else:
        words = (f'no gain: none of {tried} settings beats the network alone here, so none '
                 f'is proposed (the nearest: {_in_words(best)})')
    return f'{table.get_string()}\n{words}'
