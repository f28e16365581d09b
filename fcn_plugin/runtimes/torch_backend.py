"""PyTorch runs a segmentor of mmseg."""
import copy
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement
from rich.progress import track
from torch import nn

from .. import visualization as vis
from ..images.channels import turned
from ..models.feature_maps import image_channels
from ..models.segmentors import FCNSegmentor
from ..ops import label_dtype
from ..utils.config import inner_dataset
from ..utils.errors import InputError, UserError
from .backend import Prediction, by_shape

#: Pixels of an image, as a network gets it, above which it is labelled in tiles: 6000x6000.
#: Whole, such an image takes some ten GB.
MOST_PIXELS = 36_000_000
_TILE, _OVERLAP = 2048, 128

def build_pipeline(cfg: Config) -> Compose:
    """The test pipeline, for images in memory (BGR) instead of files."""
    tested = inner_dataset(cfg).get('pipeline')
    steps = cfg.get('test_pipeline') or tested
    if not steps:
        raise InputError('the config has neither a test_pipeline nor a test_dataloader '
                         'whose dataset has a pipeline')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    load: dict[str, Any] = dict(type='LoadImageFromNDArray')
    for step in steps:
        inputs = step.get('inputs', ('colour', 'depth'))  # LoadRGBD's default
        if _name(step) == 'LoadRGBD' and tuple(inputs) != ('colour', ):
            raise InputError(f'the network sees {" and ".join(inputs)}, files that '
                             'only its data set knows: see fcn show and fcn test')
        if _name(step).startswith('Load') and step.get('to_float32'):
            load['to_float32'] = True
    kept = _seen(steps)
    if tested and kept != _seen(tested):
        print_log(f"images are predicted by the config's test_pipeline, {kept}, and not by "
                  f'that of its test data, {_seen(tested)}: where that is not meant, make '
                  'them alike', 'current', 30)
    return Compose([load, *copy.deepcopy(kept)])


def _name(step: dict) -> str:
    return str(getattr(step['type'], '__name__', step['type'])).split('.')[-1]


def _seen(steps: Sequence[dict]) -> list[dict]:
    """What is done with an image in memory, whose labels are of the size that it has."""
    return [dict(step) for step in steps
            if not _name(step).startswith('Load') and _name(step) != 'KeepSize']


def run_pipeline(pipeline: Compose, image: np.ndarray) -> dict:
    """What a pipeline of :func:`build_pipeline` makes of an image (H, W, C), red first.

    Raises:
        ValueError: If it cannot take an image of that size, such as 1x500 pixels whose
            ratio is kept in a size of 224; has a step with arguments that it cannot use; or
            does not pack what it makes.
    """
    try:
        found = pipeline(dict(img=np.ascontiguousarray(image[..., turned(image.shape[2])])))
    except UserError:
        raise
    except (cv2.error, ArithmeticError, AttributeError, LookupError, TypeError,
            ValueError) as error:
        reason = 'resized, its shorter side would have no pixel left' if (
            getattr(error, 'func', '') == 'resize') else f'{type(error).__name__}: {error}'
        raise InputError("the config's test pipeline cannot take an image of "
                         f'{image.shape[1]}x{image.shape[0]} pixels: {reason}') from error
    if not found or 'inputs' not in found:
        raise InputError("the config's test pipeline gives no 'inputs': it must end with "
                         'PackSegInputs')
    return found


class TorchBackend:
    """Runs a segmentor of mmseg.

    Args:
        model (nn.Module): From :func:`fcn_plugin.checkpoints.loading.load_model`.
        pipeline (Compose, optional): What an image goes through first. Defaults to None:
            the test pipeline of the model's config.
    """

    def __init__(self, model: nn.Module, pipeline: Compose | None = None) -> None:
        self.model = model
        self.meta = model.dataset_meta
        self.channels = image_channels(model.backbone) if hasattr(model, 'backbone') else 3
        self.gives_scores = getattr(model, 'tiling', None) is None
        self.pipeline = pipeline or build_pipeline(model.cfg)
        self._track: Callable[[list], Iterable] = iter

    @torch.no_grad()
    def __call__(self, images: Sequence[np.ndarray],
                 scores: bool = False) -> list[Prediction]:
        """Predicts a batch.

        Args:
            images (Sequence[np.ndarray]): RGB, (H, W, 3) uint8, or of ``channels``
                channels and any values, of any sizes. Those that
                the pipeline brings to the same size are run at once.
            scores (bool): Whether to return them too. Defaults to False.

        Returns:
            list[Prediction]: One for each image.
        """
        data = [run_pipeline(self.pipeline, image) for image in images]
        if getattr(self.model, 'post_processor', None) is not None:
            for item, image in zip(data, images):
                # sharper than what the pipeline has resized
                item['data_samples'].set_metainfo(dict(original_image=image))
        found = {}
        for indices in by_shape([item['inputs'] for item in data]):
            size = tuple(data[indices[0]]['inputs'].shape[-2:])
            samples = self.model.test_step(
                dict(inputs=[data[i]['inputs'] for i in indices],
                     data_samples=[data[i]['data_samples'] for i in indices]),
                **step_options(self.model, size, scores, self._track))
            for i, sample in zip(indices, samples):
                found[i] = prediction_of(sample, images[i].shape[:2], scores, self.meta)
        return [found[i] for i in range(len(images))]

    def show_tiles(self, shown: bool) -> None:
        """Whether a bar shows the tiles of an image, where it is labelled in tiles."""
        self._track = partial(track, description='tiles') if shown else iter


def step_options(model: nn.Module, size: tuple[int, int], scores: bool,
                 track: Callable[[list], Iterable] = iter) -> dict[str, Any]:
    """What a segmentor's ``test_step`` is to be given beside the data.

    Args:
        model (nn.Module): Any segmentor of mmseg; an :class:`FCNSegmentor` has options, the
            others give scores anyway.
        size (tuple[int, int]): (H, W) that the network gets. Where that does not fit into
            memory as a whole, it is labelled in tiles.
        scores (bool): Whether they are wanted.
        track (Callable): See ``FCNSegmentor.test_step``. Defaults to none.

    Raises:
        ValueError: If an image is too large and tiles cannot serve, with what can be done.
    """
    options: dict[str, Any] = {}
    if isinstance(model, FCNSegmentor):  # None: as its test_cfg says
        options = dict(logits=True if scores else None, track=track)
    mode = (getattr(model, 'test_cfg', None) or {}).get('mode')
    if size[0] * size[1] <= MOST_PIXELS or mode != 'whole':
        return options
    large = (f'{size[1]}x{size[0]} pixels do not fit into memory as a whole (more than '
             f'{MOST_PIXELS / 1e6:.0f} megapixels)')
    refused = (f'{large}, and tiles (--tile) give labels only, of an FCNSegmentor of one '
               "task whose alignment is 'same' and without a CRF: make the image smaller, "
               'leave the heat map out, or with --format give --tile')
    if not isinstance(model, FCNSegmentor) or scores or model.test_cfg.logits:
        raise InputError(refused)
    try:
        options['tiling'] = model.tiling_of(_TILE, _OVERLAP)
    except ValueError as error:
        raise InputError(refused) from error
    print_log(f'{large}: labelled in tiles of {_TILE} that see {_OVERLAP} pixels of one '
              'another; --tile and --overlap choose others', 'current', 30)
    return options


def prediction_of(sample: BaseDataElement, size: tuple[int, int], scores: bool,
                  meta: dict[str, Any]) -> Prediction:
    """What a model has found, at that (H, W); ``meta`` is the model's ``dataset_meta``."""
    first = _task_of(sample, 'pred_sem_seg', 'seg_logits', size, scores, meta['classes'])
    return first._replace(tasks={
        task: _task_of(sample, f'pred_{task}', f'{task}_logits', size, scores, classes)
        for task, classes in meta.get('tasks', {}).items()})


def _task_of(sample: BaseDataElement, labels_key: str, logits_key: str,
             size: tuple[int, int], scores: bool, classes: Sequence[str]) -> Prediction:
    labels = sample.get(labels_key).data[0].to(label_dtype(len(classes))).cpu().numpy()
    labels = vis.resize_labels(labels, *size)
    if not scores:
        return Prediction(labels)
    if logits_key not in sample:
        raise InputError("the model returns labels without scores (in test_cfg.mode "
                         "'tile' it does)")
    logits = sample.get(logits_key).data.float()
    if tuple(logits.shape[-2:]) != tuple(size):
        logits = nn.functional.interpolate(logits[None], size, mode='bilinear')[0]
    # mmseg has put a single channel through the sigmoid already
    logits = torch.cat([1 - logits, logits]) if len(logits) == 1 else logits.softmax(0)
    return Prediction(labels, logits.clamp(0, 1).cpu().numpy())
