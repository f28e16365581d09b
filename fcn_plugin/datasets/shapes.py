"""The built-in data set: textured shapes, drawn when they are asked for.

Nine classes that call for both halves of an FCN. *Context* tells a bar from one
side of a frame or from an arm of a cross, and a square from a frame; *detail*
follows parts a few pixels thick and tells two discs apart by their texture alone.
Nothing else tells the class: colours are drawn before the class is, and the
backgrounds have stripes and checks of their own.
"""
from collections.abc import Callable, Sequence
from numbers import Integral, Real

import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..utils.errors import InputError
from .shapes_drawing import MIN_SIZE, SHAPES, THICKNESS, render_shapes

SPLITS = ('train', 'val', 'test')


def _is_int(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _size_ranges(image_size) -> tuple[tuple[int, int], tuple[int, int]]:
    """The ranges of height and width that ``image_size`` stands for."""
    ranges = image_size
    if _is_int(ranges):
        ranges = (ranges, ranges)
    if isinstance(ranges, Sequence) and len(ranges) == 2:
        if all(map(_is_int, ranges)):
            ranges = (ranges, ranges)
        if all(
                isinstance(bounds, Sequence) and len(bounds) == 2
                and all(map(_is_int, bounds)) and MIN_SIZE <= bounds[0] <= bounds[1]
                for bounds in ranges):
            (top, bottom), (left, right) = ranges
            return (int(top), int(bottom)), (int(left), int(right))
    raise InputError(
        f'ShapesDataset: image_size={image_size!r}, expected integers of at least '
        f'{MIN_SIZE}: a side, (min, max) of both sides, or ((min, max) of the height, '
        '(min, max) of the width)')


@DATASETS.register_module()
class ShapesDataset(BaseSegDataset):
    """Shapes on textured backgrounds, made in memory.

    The image of an index depends on ``seed``, ``split`` and the index alone: not on
    ``length``, nor on any global random state, nor on the process that draws it.
    There are no files, so the pipeline has no ``LoadImageFromFile`` and no
    ``LoadAnnotations``; it is ``[RandomCrop, RandomFlip, PackSegInputs]``, for instance.
    It is given ``img`` (H, W, 3) BGR
    uint8, ``gt_seg_map`` (H, W) uint8, ``seg_fields``, ``img_shape`` and
    ``ori_shape`` (H, W), ``img_path`` (a name such as ``'shapes/val/000012.png'``
    under which no file lies), ``reduce_zero_label`` and ``label_map``.

    Args:
        length (int): Number of images.
        split (str): ``'train'``, ``'val'`` or ``'test'``; they share no image.
            Defaults to ``'train'``.
        seed (int): At least 0; another seed gives another data set. Defaults to 0.
        image_size (int or tuple): Range in pixels that each image's height and width
            are drawn from, both ends included: a side, ``(min, max)`` of both sides,
            or ``((min, max), (min, max))`` of the height and the width, at least 32.
            Defaults to ``(96, 160)``.
        border (float): Width in pixels of the band of 255 centred on the outlines,
            0 for none. Defaults to 2.
        pipeline (list): Transforms. Defaults to ``()``.
        metainfo (dict, optional): With ``classes``, a subset of the classes; the
            pixels of the others become 255. Defaults to None.
        indices (int or Sequence[int], optional): The first few, or those that are
            listed, of the images. Defaults to None, all.
        serialize_data (bool): See mmengine's ``BaseDataset``. Defaults to True.
        test_mode (bool): See ``BaseDataset``. Defaults to False.
        lazy_init (bool): See ``BaseDataset``. Defaults to False.
        max_refetch (int): See ``BaseDataset``. Defaults to 1000.
    """
    METAINFO = dict(
        classes=('background', *(shape.name for shape in SHAPES)),
        palette=[[0, 0, 0], *(list(shape.colour) for shape in SHAPES)])

    def __init__(self,
                 length: int,
                 split: str = 'train',
                 seed: int = 0,
                 image_size: int | Sequence = (96, 160),
                 border: float = 2.,
                 pipeline: Sequence[dict | Callable] = (),
                 metainfo: dict | None = None,
                 indices: int | Sequence[int] | None = None,
                 serialize_data: bool = True,
                 test_mode: bool = False,
                 lazy_init: bool = False,
                 max_refetch: int = 1000) -> None:
        if not _is_int(length) or length < 1:
            raise InputError(f'ShapesDataset: length={length!r}, expected an integer '
                             'of at least 1')
        if split not in SPLITS:
            raise InputError(f'ShapesDataset: split={split!r}, expected one of '
                             + ', '.join(map(repr, SPLITS)))
        if not _is_int(seed) or seed < 0:
            raise InputError(f'ShapesDataset: seed={seed!r}, expected an integer of '
                             'at least 0')
        if not isinstance(border, Real) or not 0 <= border < min(THICKNESS):
            raise InputError(
                f'ShapesDataset: border={border!r}, expected a width in pixels from 0 '
                f'to less than {min(THICKNESS):g}, the thickness of the thinnest part')
        self.length: int = int(length)
        self.split: str = split
        self.seed: int = int(seed)
        self.size_ranges: tuple[tuple[int, int], ...] = _size_ranges(image_size)
        self.border: float = float(border)
        super().__init__(
            pipeline=pipeline,
            metainfo=metainfo,
            indices=indices,
            serialize_data=serialize_data,
            test_mode=test_mode,
            lazy_init=lazy_init,
            max_refetch=max_refetch)

    def load_data_list(self) -> list[dict]:
        """The names and numbers of the images; nothing is drawn yet."""
        return [
            dict(
                img_path=f'shapes/{self.split}/{index:06d}.png',
                index=index,
                label_map=self.label_map,
                reduce_zero_label=self.reduce_zero_label,
                seg_fields=[]) for index in range(self.length)
        ]

    def draw(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws an image of the split.

        Args:
            index (int): Its number, which ``indices`` does not change.

        Returns:
            tuple[np.ndarray, np.ndarray]: Image (H, W, 3) and labels (H, W) of all
            classes, see :func:`render_shapes`.
        """
        source = np.random.SeedSequence(
            self.seed, spawn_key=(SPLITS.index(self.split), index))
        rng = np.random.default_rng(source)
        height, width = (int(rng.integers(low, high, endpoint=True))
                         for low, high in self.size_ranges)
        return render_shapes(rng, height, width, self.border)

    def prepare_data(self, idx: int) -> dict | None:
        """Draws an image and passes it through the pipeline.

        Args:
            idx (int): Position among the images that ``indices`` has left.

        Returns:
            dict, optional: What the pipeline makes of it.
        """
        info = self.get_data_info(idx)
        image, labels = self.draw(info['index'])
        if info['label_map'] is not None:
            table = np.arange(256, dtype=np.uint8)
            table[list(info['label_map'])] = list(info['label_map'].values())
            labels = table[labels]
        info.update(
            img=image,
            img_shape=image.shape[:2],
            ori_shape=image.shape[:2],
            gt_seg_map=labels,
            seg_fields=['gt_seg_map'])
        return self.pipeline(info)
