"""What runs a network for the inferencer: PyTorch or onnxruntime.

A backend is called with RGB images and returns, for each, labels and scores; its
``meta`` has the classes' names and colours.
"""
import copy
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
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
from ..checkpoints.loading import parse_device
from ..checkpoints.safe_config import check_types
from ..models.segmentors import FCNSegmentor
from ..ops import label_dtype
from ..utils.config import inner_dataset
from ..utils.errors import InputError, MissingPackageError

#: Pixels of an image, as a network gets it, above which it is labelled in tiles: 6000x6000.
#: Whole, such an image takes some ten GB.
MOST_PIXELS = 36_000_000
_TILE, _OVERLAP = 2048, 128

LabelsAndScores = tuple[np.ndarray, np.ndarray | None]


def build_pipeline(cfg: Config) -> Compose:
    """The test pipeline, for images in memory (BGR) instead of files."""
    steps = cfg.get('test_pipeline') or inner_dataset(cfg).get('pipeline')
    if not steps:
        raise InputError('the config has neither a test_pipeline nor a test_dataloader '
                         'whose dataset has a pipeline')
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    load: dict[str, Any] = dict(type='LoadImageFromNDArray')
    kept = []
    for step in steps:
        name = step['type'] if isinstance(step['type'], str) else step['type'].__name__
        if not name.split('.')[-1].startswith('Load'):
            kept.append(step)
        elif step.get('to_float32'):
            load['to_float32'] = True
    return Compose([load, *copy.deepcopy(kept)])


def run_pipeline(pipeline: Compose, image: np.ndarray) -> dict:
    """What a pipeline of :func:`build_pipeline` makes of an RGB image.

    Raises:
        ValueError: If it cannot take an image of that size, such as 1x500 pixels whose
            ratio is kept in a size of 224.
    """
    try:
        return pipeline(dict(img=np.ascontiguousarray(image[..., ::-1])))
    except cv2.error as error:
        raise InputError("the config's test pipeline cannot take an image of "
                         f'{image.shape[1]}x{image.shape[0]} pixels: {error}') from error


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
        self.pipeline = pipeline or build_pipeline(model.cfg)
        self._track: Callable[[list], Iterable] = iter

    @torch.no_grad()
    def __call__(self, images: Sequence[np.ndarray],
                 scores: bool = False) -> list[LabelsAndScores]:
        """Predicts a batch.

        Args:
            images (Sequence[np.ndarray]): RGB, (H, W, 3) uint8, of any sizes. Those that
                the pipeline brings to the same size are run at once.
            scores (bool): Whether to return them too. Defaults to False.

        Returns:
            list[tuple]: For each image labels (H, W), of uint8 (int16 above 255 classes),
            and scores (C, H, W) float32 or None.
        """
        data = [run_pipeline(self.pipeline, image) for image in images]
        if getattr(self.model, 'post_processor', None) is not None:
            for item, image in zip(data, images):
                # sharper than what the pipeline has resized
                item['data_samples'].set_metainfo(dict(original_image=image))
        found = {}
        for indices in _by_shape([item['inputs'] for item in data]):
            size = tuple(data[indices[0]]['inputs'].shape[-2:])
            samples = self.model.test_step(
                dict(inputs=[data[i]['inputs'] for i in indices],
                     data_samples=[data[i]['data_samples'] for i in indices]),
                **step_options(self.model, size, scores, self._track))
            for i, sample in zip(indices, samples):
                found[i] = labels_and_scores(sample, images[i].shape[:2], scores,
                                             len(self.meta['classes']))
        return [found[i] for i in range(len(images))]

    def show_tiles(self, shown: bool) -> None:
        """Whether a bar shows the tiles of an image, where it is labelled in tiles."""
        self._track = partial(track, description='tiles') if shown else iter


def _by_shape(arrays: Sequence) -> Iterable[list[int]]:
    """The places of the arrays of each shape."""
    places = defaultdict(list)
    for i, array in enumerate(arrays):
        places[tuple(array.shape)].append(i)
    return places.values()


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
    refused = (f'{large}, and tiles (--tile) give labels only, of an FCNSegmentor whose '
               "alignment is 'same' and without a CRF: make the image smaller, or leave the "
               'heat map out')
    if not isinstance(model, FCNSegmentor) or scores or model.test_cfg.logits:
        raise InputError(refused)
    try:
        options['tiling'] = model.tiling_of(_TILE, _OVERLAP)
    except ValueError as error:
        raise InputError(refused) from error
    print_log(f'{large}: labelled in tiles of {_TILE} that see {_OVERLAP} pixels of one '
              'another; --tile and --overlap choose others', 'current', 30)
    return options


def labels_and_scores(sample: BaseDataElement, size: tuple[int, int],
                      scores: bool, num_classes: int) -> LabelsAndScores:
    """What a model has found, at that (H, W); see :class:`TorchBackend`."""
    labels = sample.pred_sem_seg.data[0].to(label_dtype(num_classes)).cpu().numpy()
    labels = vis.resize_labels(labels, *size)
    if not scores:
        return labels, None
    if 'seg_logits' not in sample:
        raise InputError("the model returns labels without scores (in test_cfg.mode "
                         "'tile' it does)")
    logits = sample.seg_logits.data.float()
    if tuple(logits.shape[-2:]) != tuple(size):
        logits = nn.functional.interpolate(logits[None], size, mode='bilinear')[0]
    # mmseg has put a single channel through the sigmoid already
    logits = torch.cat([1 - logits, logits]) if len(logits) == 1 else logits.softmax(0)
    return labels, logits.clamp(0, 1).cpu().numpy()


# --- exported graphs -------------------------------------------------------------------

#: Under this name an exported file says what it needs and gives, as JSON.
META_KEY = 'fcn_plugin'


class GraphBackend:
    """Runs what :func:`fcn_plugin.deployment.export.export` has written.

    Args:
        path (Path): The file.
        text (str, optional): What stands in it under :data:`META_KEY`.
        pipeline (Compose, optional): What an image goes through first, for a graph without
            preprocessing. Defaults to None: what the file says.

    Attributes:
        meta (dict): 'classes', 'palette' and 'background'; 'preprocess' and 'scores' as
            in :class:`~fcn_plugin.deployment.deployed.DeployedSegmentor`; and, for a graph
            without preprocessing, 'pipeline', 'mean', 'std' and 'bgr_to_rgb'.
        pipeline (Compose, optional): What an image goes through first, for a graph
            without preprocessing.

    Raises:
        ValueError: If the file does not say what it is.
    """

    def __init__(self, path: Path, text: str | None,
                 pipeline: Compose | None = None) -> None:
        if not text:
            raise InputError(f"'{path}' was not written by tools/export.py: it has no "
                             f"metadata '{META_KEY}' with classes and preprocessing")
        self.path = path
        self.meta = json.loads(text)
        self.pipeline = pipeline
        if not self.meta['preprocess'] and pipeline is None:
            check_types(self.meta['pipeline'])  # the file may come from anywhere
            self.pipeline = build_pipeline(Config(
                dict(test_pipeline=self.meta['pipeline'])))

    def __call__(self, images: Sequence[np.ndarray],
                 scores: bool = False) -> list[LabelsAndScores]:
        """As :class:`TorchBackend`. Where a graph without preprocessing is fed with
        resized images, labels are brought to the image's size by nearest neighbour."""
        if scores and not self.meta['scores']:
            raise InputError(f"'{self.path}' gives labels alone: export it with --scores")
        arrays = [self.prepare(image) for image in images]
        found = {}
        for indices in _by_shape(arrays):
            labels, *probabilities = self.run(np.stack([arrays[i] for i in indices]))
            for place, i in enumerate(indices):
                size = images[i].shape[:2]
                own = _resize_scores(probabilities[0][place], size) if scores else None
                found[i] = (vis.resize_labels(labels[place], *size), own)
        return [found[i] for i in range(len(images))]

    def show_tiles(self, shown: bool) -> None:
        """As :meth:`TorchBackend.show_tiles`: there are none."""

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """An RGB image to what the graph takes of it."""
        if self.meta['preprocess']:
            return image
        inputs = run_pipeline(self.pipeline, image)['inputs'].numpy()
        if self.meta['bgr_to_rgb']:
            inputs = inputs[::-1]
        inputs = inputs.astype(np.float32)
        if self.meta['mean'] is None:
            return inputs
        mean, std = (np.asarray(self.meta[key], np.float32)[:, None, None]
                     for key in ('mean', 'std'))
        return (inputs - mean) / std

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """A batch to labels (N, H, W) and, if there are any, scores (N, C, H, W)."""
        raise NotImplementedError


class OnnxBackend(GraphBackend):
    """Runs an ONNX file by onnxruntime.

    Args:
        path (Path): The file.
        device (str): 'auto', 'cpu' or 'cuda:0'. A GPU needs onnxruntime-gpu.
            Defaults to 'auto'.
        pipeline (Compose, optional): As in :class:`GraphBackend`.
    """

    def __init__(self, path: Path, device: str = 'auto',
                 pipeline: Compose | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingPackageError(
                f"'{path}' is run by onnxruntime, which is not installed: pip install "
                "'mmseg-fcn-plugin[export]'") from error
        wanted = None if device == 'auto' else parse_device(device)
        gpu = 'CUDAExecutionProvider' in onnxruntime.get_available_providers()
        if wanted is not None and wanted.type != 'cpu' and not (
                gpu and wanted.type == 'cuda'):
            raise InputError(f"device '{device}' was asked for, but this onnxruntime "
                             'runs on the CPU alone: pip install onnxruntime-gpu, or '
                             'take --device cpu')
        providers = ['CPUExecutionProvider']
        if gpu and (wanted is None or wanted.type == 'cuda'):
            index = wanted.index or 0 if wanted is not None else 0
            providers.insert(0, ('CUDAExecutionProvider', dict(device_id=index)))
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=providers)
        # onnxruntime's own errors share no base but this
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"cannot load '{path}' as ONNX: {reason}") from error
        properties = self._session.get_modelmeta().custom_metadata_map
        super().__init__(path, properties.get(META_KEY), pipeline)

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """See :meth:`GraphBackend.run`."""
        return self._session.run(None, {self._session.get_inputs()[0].name: batch})


def _resize_scores(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Probabilities (C, h, w) at that (H, W)."""
    if scores.shape[1:] == tuple(size):
        return scores
    return nn.functional.interpolate(torch.from_numpy(scores)[None], size,
                                     mode='bilinear')[0].numpy()
