"""A runtime of ONNX runs what was exported."""
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from torch import nn

from .. import visualization as vis
from ..checkpoints.loading import parse_device
from ..checkpoints.safe_config import check_types
from ..utils.errors import InputError, MissingPackageError
from .backend import LabelsAndScores, by_shape
from .torch_backend import build_pipeline, run_pipeline

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
        """As :class:`~fcn_plugin.runtimes.torch_backend.TorchBackend`.

        Where a graph without preprocessing is fed with resized images, labels are brought
        to the image's size by nearest neighbour.
        """
        if scores and not self.meta['scores']:
            raise InputError(f"'{self.path}' gives labels alone: export it with --scores")
        arrays = [self.prepare(image) for image in images]
        found = {}
        for indices in by_shape(arrays):
            labels, *probabilities = self.run(np.stack([arrays[i] for i in indices]))
            for place, i in enumerate(indices):
                size = images[i].shape[:2]
                own = _resize_scores(probabilities[0][place], size) if scores else None
                found[i] = (vis.resize_labels(labels[place], *size), own)
        return [found[i] for i in range(len(images))]

    def show_tiles(self, shown: bool) -> None:
        """There are none."""

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
