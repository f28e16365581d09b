"""What runs a network for the inferencer: PyTorch.

A backend is called with RGB images and returns, for each, labels and scores; its
``meta`` has the classes' names and colours.
"""
import copy
from collections import defaultdict
from contextlib import contextmanager
from typing import Iterator, List, Optional, Sequence, Tuple

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.structures import BaseDataElement
from torch import nn

from .. import visualization as vis
from .loading import inner_dataset

LabelsAndScores = Tuple[np.ndarray, Optional[np.ndarray]]


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


def run_pipeline(pipeline: Compose, image: np.ndarray) -> dict:
    """What a pipeline of :func:`build_pipeline` makes of an RGB image.

    Raises:
        ValueError: If it cannot take an image of that size, such as 1x500 pixels whose
            ratio is kept in a size of 224.
    """
    try:
        return pipeline(dict(img=np.ascontiguousarray(image[..., ::-1])))
    except cv2.error as error:
        raise ValueError("the config's test pipeline cannot take an image of "
                         f'{image.shape[1]}x{image.shape[0]} pixels: {error}') from error


class TorchBackend:
    """Runs a segmentor of mmseg.

    Args:
        model (nn.Module): From :func:`fcn_plugin.apis.loading.load_model`.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.meta = model.dataset_meta
        self._pipeline = build_pipeline(model.cfg)

    @torch.no_grad()
    def __call__(self, images: Sequence[np.ndarray],
                 scores: bool = False) -> List[LabelsAndScores]:
        """Predicts a batch.

        Args:
            images (Sequence[np.ndarray]): RGB, (H, W, 3) uint8, of any sizes. Those that
                the pipeline brings to the same size are run at once.
            scores (bool): Whether to return them too. Defaults to False.

        Returns:
            list[tuple]: For each image labels (H, W), of uint8 up to 256 classes, and
            scores (C, H, W) float32 or None.
        """
        data = [run_pipeline(self._pipeline, image) for image in images]
        by_size = defaultdict(list)
        for i, item in enumerate(data):
            by_size[item['inputs'].shape].append(i)
        found = {}
        for indices in by_size.values():
            with asking_for_logits(self.model, scores):
                samples = self.model.test_step(
                    dict(inputs=[data[i]['inputs'] for i in indices],
                         data_samples=[data[i]['data_samples'] for i in indices]))
            for i, sample in zip(indices, samples):
                found[i] = labels_and_scores(sample, images[i].shape[:2], scores)
        return [found[i] for i in range(len(images))]


@contextmanager
def asking_for_logits(model: nn.Module, wanted: bool = True) -> Iterator[None]:
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


def labels_and_scores(sample: BaseDataElement, size: Tuple[int, int],
                      scores: bool) -> LabelsAndScores:
    """What a model has found, at that (H, W); see :class:`TorchBackend`."""
    labels = vis.resize_labels(sample.pred_sem_seg.data[0].cpu().numpy(), *size)
    if labels.dtype != np.uint8 and labels.max(initial=0) < 256:
        labels = labels.astype(np.uint8)
    if not scores:
        return labels, None
    if 'seg_logits' not in sample:
        raise ValueError('the model returns labels without scores')
    logits = sample.seg_logits.data.float()
    if tuple(logits.shape[-2:]) != tuple(size):
        logits = nn.functional.interpolate(logits[None], size, mode='bilinear')[0]
    # mmseg has put a single channel through the sigmoid already
    logits = torch.cat([1 - logits, logits]) if len(logits) == 1 else logits.softmax(0)
    return labels, logits.clamp(0, 1).cpu().numpy()
