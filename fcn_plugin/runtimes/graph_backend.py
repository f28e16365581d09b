"""From RGB images to labels by an exported graph."""
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import visualization as vis
from ..images.channels import turned
from ..utils.errors import InputError, UserError
from .backend import Prediction, by_shape
from .graph import META_KEY, Graph
from .meta import read_meta

if TYPE_CHECKING:
    from mmengine.dataset import Compose


class GraphBackend:
    """Runs what :func:`fcn_plugin.deployment.export.export` has written.

    Neither torch nor mmseg is imported for a graph with preprocessing.

    Args:
        graph (Graph): The file, opened by a runtime.
        pipeline (Compose, optional): What an image goes through first, for a graph without
            preprocessing. Defaults to None: what the file says.

    Attributes:
        meta (dict): 'classes', 'palette', 'background' and 'tasks'; 'preprocess' and
            'scores' as in
            :class:`~fcn_plugin.deployment.deployed.DeployedSegmentor`; 'exact_places',
            whether labels keep their places in 16 bits; for a graph with preprocessing
            'resize', (W, H) or None, and 'keep_ratio'; for one without 'pipeline', 'mean',
            'std' and 'bgr_to_rgb'.
        pipeline (Compose, optional): What an image goes through first, for a graph
            without preprocessing.

    Raises:
        ValueError: If the file does not say what it is.
    """

    def __init__(self, graph: Graph, pipeline: 'Compose | None' = None) -> None:
        if not graph.text:
            raise InputError(f"'{graph.path}' was not written by tools/export.py: it has no "
                             f"metadata '{META_KEY}' with classes and preprocessing")
        self.graph = graph
        self.meta = read_meta(graph.text, graph.path)
        self.channels: int = self.meta['channels']
        self.gives_scores: bool = self.meta['scores']
        self.pipeline = pipeline
        if not self.meta['preprocess'] and pipeline is None:
            self.pipeline = _pipeline_of(self.meta, graph.path)

    def __call__(self, images: Sequence[np.ndarray],
                 scores: bool = False) -> list[Prediction]:
        """As :class:`~fcn_plugin.runtimes.torch_backend.TorchBackend`.

        Where a graph without preprocessing is fed with resized images, labels are brought
        to the image's size by nearest neighbour.
        """
        if scores and not self.meta['scores']:
            raise InputError(f"'{self.graph.path}' gives labels alone: export it with "
                             '--scores')
        arrays = [self.prepare(image) for image in images]
        found = {}
        for indices in by_shape(arrays):
            outputs = self.graph.run(np.stack([arrays[i] for i in indices]))
            step = 2 if self.meta['scores'] else 1  # outputs of a task
            for place, i in enumerate(indices):
                size = images[i].shape[:2]
                first, *others = (Prediction(
                    vis.resize_labels(outputs[at][place], *size),
                    _resize_scores(outputs[at + 1][place], size) if scores else None)
                    for at in range(0, len(outputs), step))
                tasks = dict(zip(self.meta.get('tasks', ()), others, strict=True))
                found[i] = first._replace(tasks=tasks)
        return [found[i] for i in range(len(images))]

    def show_tiles(self, shown: bool) -> None:
        """There are none."""

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """An RGB image to what the graph takes of it."""
        if self.meta['preprocess']:
            if image.dtype != np.uint8:
                raise InputError(f"'{self.graph.path}' takes images of 8 bits, but this one "
                                 f'is {image.dtype}: export it without --preprocess')
            self._check_size(*image.shape[:2])
            return image
        from .torch_backend import run_pipeline
        inputs = run_pipeline(self.pipeline, image)['inputs'].numpy()
        if self.meta['bgr_to_rgb']:
            inputs = inputs[turned(len(inputs))]
        inputs = inputs.astype(np.float32)
        if self.meta['mean'] is None:
            return inputs
        mean, std = (np.asarray(self.meta[key], np.float32)[:, None, None]
                     for key in ('mean', 'std'))
        return (inputs - mean) / std

    def _check_size(self, height: int, width: int) -> None:
        """Raises ValueError where the graph's resizing would leave nothing of an image."""
        sides, size = sorted((height, width)), sorted(self.meta['resize'] or ())
        if self.meta['keep_ratio'] and size and sides[0] * min(
                size[0] / sides[0], size[1] / sides[1]) < 0.5:
            raise InputError(f"'{self.graph.path}' cannot take an image of {width}x{height} "
                             'pixels: resized, its shorter side would have no pixel left')


def _with_tuples(value: Any) -> Any:
    """Settings as they were before JSON made lists of tuples, which steps refuse as sizes."""
    if isinstance(value, dict):
        return {key: _with_tuples(one) for key, one in value.items()}
    if isinstance(value, list):
        numbers = all(isinstance(one, (int, float)) for one in value)
        return tuple(value) if numbers else [_with_tuples(one) for one in value]
    return value


def _pipeline_of(meta: dict, path: Path) -> 'Compose':
    from .. import register
    register()  # the types that the pipeline names
    from mmengine.config import Config

    from ..checkpoints.safe_config import check_types
    from .torch_backend import build_pipeline
    check_types(meta['pipeline'])  # the file may come from anywhere
    try:
        return build_pipeline(Config(dict(test_pipeline=_with_tuples(meta['pipeline']))))
    except UserError:
        raise
    except Exception as error:  # whatever the steps answer their settings with
        raise InputError(f"the pipeline that '{path}' names cannot be built ({error}): export "
                         'the network again') from error


def _resize_scores(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Probabilities (C, h, w) at that (H, W)."""
    if scores.shape[1:] == tuple(size):
        return scores
    import torch
    return torch.nn.functional.interpolate(torch.from_numpy(scores)[None], size,
                                           mode='bilinear')[0].numpy()
