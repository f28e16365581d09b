"""NYUDv2: colour, depth and HHA, and the 40 classes of its published task."""
import os.path as osp
from collections.abc import Sequence
from pathlib import Path

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS, TRANSFORMS

from ..images.multichannel import read_channels
from ..utils.errors import InputError

CHANNELS = dict(colour=3, depth=1, hha=3)
_PATHS = dict(colour='img_path', depth='depth_path', hha='hha_path')


@DATASETS.register_module()
class NYUDv2Dataset(BaseSegDataset):
    """NYUDv2, 795 images to train and 654 to test, of 640x480, as ``fcn paper-data nyud``
    writes them.

    A sample has 'depth_path' and 'hha_path' beside 'img_path'; :class:`LoadRGBD` reads them.
    Masks hold 1 to 40, and 0 where nothing is labelled.

    Args:
        data_prefix (dict): The folders, with mmseg's keys and 'depth_path' and 'hha_path'.
            Defaults to 'image', 'depth', 'hha' and 'label'.
        **kwargs: As in mmseg's ``BaseSegDataset``; ``ann_file`` names a split.
    """

    METAINFO = dict(classes=(
        'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window',
        'bookshelf', 'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser',
        'pillow', 'mirror', 'floor mat', 'clothes', 'ceiling', 'books', 'refrigerator',
        'television', 'paper', 'towel', 'shower curtain', 'box', 'whiteboard', 'person',
        'night stand', 'toilet', 'sink', 'lamp', 'bathtub', 'bag', 'other structure',
        'other furniture', 'other prop'))

    def __init__(self, data_prefix: dict = dict(
            img_path='image', depth_path='depth', hha_path='hha', seg_map_path='label'),
            img_suffix: str = '.png', seg_map_suffix: str = '.png',
            reduce_zero_label: bool = True, **kwargs) -> None:
        super().__init__(data_prefix=data_prefix, img_suffix=img_suffix,
                         seg_map_suffix=seg_map_suffix,
                         reduce_zero_label=reduce_zero_label, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The samples of the split, with the paths of depth and HHA."""
        found = super().load_data_list()
        for sample in found:
            name = osp.relpath(sample['img_path'], self.data_prefix['img_path'])
            for key in ('depth_path', 'hha_path'):
                if self.data_prefix.get(key):
                    sample[key] = osp.join(self.data_prefix[key], name)
        return found


@TRANSFORMS.register_module()
class LoadRGBD(BaseTransform):
    """Loads colour, depth and HHA, or some of them, as the channels of one image.

    Colour is blue, green, red; depth is the natural logarithm of millimetres; HHA has
    disparity, height and angle (:func:`depth_to_hha`).

    Required keys: img_path, depth_path, hha_path, those of ``inputs``. Added keys: img
    (H, W, C) float32, img_shape, ori_shape.

    Args:
        inputs (Sequence[str]): 'colour', 'depth' (3 and 1 channels) and 'hha' (3), in the
            order of the channels.

    Raises:
        ValueError: For other inputs, a file of other channels, or sizes that differ.
    """

    def __init__(self, inputs: Sequence[str] = ('colour', 'depth')) -> None:
        unknown = [name for name in inputs if name not in CHANNELS]
        if unknown or not inputs:
            raise InputError(f'LoadRGBD: inputs is {tuple(inputs)}, expected some of '
                             + ', '.join(CHANNELS))
        self.inputs = tuple(inputs)

    def transform(self, results: dict) -> dict:
        """Adds the image to a pipeline's dictionary."""
        parts = [self._read(name, results[_PATHS[name]]) for name in self.inputs]
        sizes = {part.shape[:2] for part in parts}
        if len(sizes) > 1:
            raise InputError(f"{results['img_path']}: {', '.join(self.inputs)} are of the "
                             f'sizes {sorted(sizes)}, expected one')
        results['img'] = np.concatenate(parts, axis=2)
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results

    def _read(self, name: str, path: str) -> np.ndarray:
        if name == 'colour':
            return mmcv.imread(path).astype(np.float32)
        with open(path, 'rb') as file:
            image = read_channels(file.read(), path)
        if image.shape[2] != CHANNELS[name]:
            raise InputError(f'{path}: {image.shape[2]} channels, expected {CHANNELS[name]} '
                             f'of {name}')
        if name == 'depth':
            image = np.log(np.maximum(image, 1, dtype=np.float32))
        return image.astype(np.float32)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(inputs={self.inputs})'


def write_png(path: str, image: np.ndarray) -> None:
    """Writes (H, W) or (H, W, 3) of 8 or 16 bits, red first, without loss."""
    # OpenCV's own writing to a file says nothing of a disk that is full.
    done, content = cv2.imencode('.png', image[..., ::-1] if image.ndim == 3 else image)
    if not done:
        raise OSError(f'{path} could not be written')
    Path(path).write_bytes(content.tobytes())
