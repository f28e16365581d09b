"""What a post processor is given: a segmentor's scores, and the image they are of."""
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ...images.reading import read_image
from ...utils.errors import InputError

#: Smaller probabilities are raised to this one before the logarithm, which is infinite at 0.
_LOG_FLOOR = 1e-12


class PostProcessor(ABC):
    """What refines a segmentor's scores by looking at the image."""

    @abstractmethod
    def refine(self, scores: Tensor, image: Tensor) -> Tensor:
        """Scores (C, H, W) before the softmax and the RGB image (H, W, 3) uint8 to scores."""

    @torch.no_grad()
    def process(self, inputs: Tensor, data_samples: Sequence[SegDataSample],
                preprocessor: nn.Module, threshold: float | None = None) -> None:
        """Refines what a segmentor has predicted, in place.

        ``seg_logits`` become the refined scores and ``pred_sem_seg`` their labels. The
        image is the first that there is of these: what the network saw, its normalisation
        undone, if it has the prediction's size; ``original_image`` of the meta
        information, RGB (H, W, 3); the file ``img_path``; what the network saw, resized.

        Args:
            inputs (Tensor): What the network saw, (N, 3, H, W).
            data_samples (list[SegDataSample]): With ``seg_logits`` (C, h, w), and with
                meta information as mmseg's pipelines leave it.
            preprocessor (nn.Module): The segmentor's.
            threshold (float, optional): With a single channel (one of mmseg's ways for two
                classes), the probability above which a pixel is of class 1. Defaults to
                None: 0.5.
        """
        images = unnormalise(inputs, preprocessor)
        for image, sample in zip(images, data_samples):
            scores = sample.seg_logits.data
            single = len(scores) == 1
            if single:  # mmseg has taken the sigmoid already
                scores = log_scores(torch.cat([1 - scores, scores]))
            image = _image_of(sample, image, tuple(scores.shape[-2:]))
            refined = self.refine(scores.float(), image)
            if single:
                refined = refined.softmax(0)[1:]
                labels = refined > (0.5 if threshold is None else threshold)
            else:
                labels = refined.argmax(0, keepdim=True)
            sample.seg_logits = PixelData(data=refined)
            sample.pred_sem_seg = PixelData(data=labels.to(sample.pred_sem_seg.data.dtype))


def log_scores(probabilities: Tensor) -> Tensor:
    """Scores whose softmax is the probabilities."""
    return probabilities.clamp(min=_LOG_FLOOR).log()


def unnormalise(inputs: Tensor, preprocessor: nn.Module) -> Tensor:
    """The RGB images (N, H, W, 3) uint8 from which a data preprocessor made its inputs.

    Args:
        inputs (Tensor): (N, 3, H, W).
        preprocessor (nn.Module): With ``mean`` and ``std`` if it normalises, and
            ``channel_conversion`` if it turns BGR, as mmcv loads images, into RGB.

    Raises:
        ValueError: If inputs have not three channels.
    """
    if inputs.shape[1] != 3:
        raise InputError(f'the network sees {inputs.shape[1]} channels, but a post '
                         'processor looks at images of 3')
    if getattr(preprocessor, '_enable_normalize', False):
        inputs = inputs * preprocessor.std + preprocessor.mean
    if not getattr(preprocessor, 'channel_conversion', False):
        inputs = inputs.flip(1)
    return inputs.detach().round().clamp(0, 255).byte().permute(0, 2, 3, 1)


def _image_of(sample: SegDataSample, seen: Tensor, size: tuple) -> Tensor:
    """The RGB image (H, W, 3) uint8 of a prediction of ``size``, from the best source."""
    meta = sample.metainfo
    left, right, top, bottom = meta.get('img_padding_size',
                                        meta.get('padding_size', (0, ) * 4))
    seen = seen[top:seen.shape[0] - bottom, left:seen.shape[1] - right]
    if meta.get('flip'):  # predictions are flipped back
        seen = seen.flip(1 if meta['flip_direction'] == 'horizontal' else 0)
    if tuple(seen.shape[:2]) == size:
        return seen
    found = meta.get('original_image')
    if found is None and Path(str(meta.get('img_path') or '')).is_file():
        with suppress(InputError):
            found = read_image(meta['img_path'])
    if found is not None and found.shape[:2] == size:
        return torch.from_numpy(np.ascontiguousarray(found)).to(seen.device)
    resized = F.interpolate(seen.permute(2, 0, 1)[None].float(), size, mode='bilinear')
    return resized[0].round().byte().permute(1, 2, 0)
