"""Augmentation that mmcv, mmsegmentation and mmpretrain lack."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import Resize
from mmseg.registry import TRANSFORMS

from ..utils.errors import InputError


@TRANSFORMS.register_module()
class AlignedResize(Resize):
    """mmseg's ``Resize``, with each label where its pixel has gone.

    A pixel of the resized mask takes the label whose centre is nearest to its own, as the
    image's interpolation counts. OpenCV's 'nearest', which mmseg takes, counts from the
    pixels' corners: what it resizes lies half a pixel too far to the right and below its image
    on average, wherever the factor is not whole, and a network learns labels that lie so.

    Arguments and keys are those of ``Resize``. For drawn sizes:
    ``dict(type='RandomResize', resize_type='AlignedResize', ...)``.
    """

    def _resize_seg(self, results: dict) -> None:
        """Resizes what ``seg_fields`` names, (H, W), by the image's factors."""
        for key in results.get('seg_fields', ()):
            if (mask := results.get(key)) is not None:
                size = np.multiply(mask.shape[1::-1], results['scale_factor']).round()
                results[key] = cv2.resize(
                    mask, size.astype(int), interpolation=cv2.INTER_NEAREST_EXACT)


@TRANSFORMS.register_module()
class RandomLowLight(BaseTransform):
    """The image as if taken in less light: darker, and with the sensor's noise.

    With x stops less light a pixel's value v becomes v * 2^(-x / 2.2) + n: light halves
    with every stop, and a value is about the 2.2nd root of its light. The noise n is
    normal and drawn for each channel of each pixel. x and the noise's deviation are drawn
    uniformly.

    Required and changed key: img, (H, W) or (H, W, C), values 0 to 255, uint8 or
    float32, whose type it keeps.

    Args:
        prob (float): The probability that an image is changed. Defaults to 0.5.
        max_stops (float): By how many stops the light is reduced at most. Defaults to 3.
        max_noise (float): Largest deviation of the noise, in values. Defaults to 8.

    Raises:
        ValueError: If one of them is out of range.
    """

    def __init__(self, prob: float = 0.5, max_stops: float = 3.,
                 max_noise: float = 8.) -> None:
        if not 0 <= prob <= 1:
            raise InputError(f'RandomLowLight: prob is {prob}, expected 0 to 1')
        for name, value in dict(max_stops=max_stops, max_noise=max_noise).items():
            if not 0 <= value < float('inf'):
                raise InputError(f'RandomLowLight: {name} is {value}, expected at least 0')
        self.prob, self.max_stops, self.max_noise = prob, max_stops, max_noise

    def transform(self, results: dict) -> dict:
        """Changes the image of a pipeline's dictionary, or leaves it."""
        if np.random.rand() >= self.prob:
            return results
        image = results['img']
        factor = 2 ** (-np.random.uniform(0, self.max_stops) / 2.2)
        deviation = np.random.uniform(0, self.max_noise)
        # A generator draws float32 in half the time of numpy's global normal(). Its seed is
        # drawn from the global state, so that runs repeat.
        rng = np.random.default_rng(np.random.randint(2**32, dtype=np.uint32))
        noise = rng.standard_normal(image.shape, np.float32)
        noise *= np.float32(deviation)
        noise += image * np.float32(factor)
        np.clip(noise, 0, 255, out=noise)
        if image.dtype == np.uint8:
            noise = noise.round().astype(np.uint8)
        results['img'] = noise
        return results


@TRANSFORMS.register_module()
class RandomCopyPaste(BaseTransform):
    """Another image's objects, pasted over this one at a random place.

    As Ghiasi et al. (CVPR 2021, arXiv:2012.07177) do with instances, here with all that is
    no background. Pixels that are ignored, such as VOC's borders, come with them and stay
    ignored. It belongs into the pipeline of mmseg's ``MultiImageMixDataset``, whose data set
    has loaded, resized and cropped the images.

    Required keys: img (H, W, C) and gt_seg_map (H, W), which it changes, and mix_results.

    Args:
        prob (float): The probability that an image is changed. Defaults to 0.5.
        background (int): The label that is not pasted. Defaults to 0.
        ignore_index (int): Of pixels that do not count. Defaults to 255.

    Raises:
        ValueError: If ``prob`` is out of range.
    """

    def __init__(self, prob: float = 0.5, background: int = 0,
                 ignore_index: int = 255) -> None:
        if not 0 <= prob <= 1:
            raise InputError(f'RandomCopyPaste: prob is {prob}, expected 0 to 1')
        self.prob, self.background, self.ignore_index = prob, background, ignore_index

    def get_indices(self, dataset) -> list[int]:
        """The image whose objects are pasted, or none."""
        return [np.random.randint(len(dataset))] if np.random.rand() < self.prob else []

    def transform(self, results: dict) -> dict:
        """Changes the image and the labels of a pipeline's dictionary, or leaves them."""
        for other in results['mix_results']:
            labels = other['gt_seg_map']
            if not ((labels != self.background) & (labels != self.ignore_index)).any():
                continue
            source = np.stack(np.nonzero(labels != self.background))
            # to where at least half of their height and width is in the image
            size = np.array(results['gt_seg_map'].shape)[:, None]
            first, half = source.min(1)[:, None], np.ptp(source, 1)[:, None] // 2
            target = source - first + np.random.randint(-half, size - half)
            inside = ((target >= 0) & (target < size)).all(0)
            for key in ('img', 'gt_seg_map'):
                results[key] = results[key].copy()
                results[key][tuple(target[:, inside])] = other[key][tuple(source[:, inside])]
        return results


@TRANSFORMS.register_module()
class KeepSize(BaseTransform):
    """The size that an image has here counts as that of its file, to which labels return.

    Behind it mmpretrain's ``ResizeEdge`` may change the image and not the truth, so that a
    network looks at another size than it is judged at. Changed key: ori_shape, to img_shape.
    """

    def transform(self, results: dict) -> dict:
        """A pipeline's dictionary with that size."""
        return dict(results, ori_shape=results['img_shape'])
