"""Scenes of planes and boxes, drawn when they are asked for: what only depth tells, and two
tasks."""
from collections.abc import Sequence

import numpy as np
from mmseg.registry import DATASETS

from ..datasets.shapes import SPLITS, ShapesDataset
from ..utils.errors import InputError

CHANNELS = dict(colour=slice(0, 3), depth=slice(3, 4))
#: Of a rectangle, by its kind: the nearness (1 / depth) of its plane is multiplied by this.
SCALES = dict(poster=(1., 1.), box=(1.3, 1.8), niche=(0.55, 0.75))


@DATASETS.register_module()
class ScenesDataset(ShapesDataset):
    """A wall and a floor, with rectangles that are level with them, stand out or go in.

    A rectangle's colours are drawn before its kind is, so that depth alone tells posters,
    boxes and niches apart. The second task, 'geometric', is whether a surface belongs to the
    wall or to the floor. The pipeline begins with flipping or cropping and ends in
    :class:`PackTasks`.

    Args:
        inputs (Sequence[str]): 'colour' (blue, green, red, 0 to 255) and 'depth' (natural
            logarithm of millimetres), in the order of the channels. Defaults to both.
        **kwargs: As in :class:`~fcn_plugin.datasets.ShapesDataset`; ``border`` does nothing.

    Raises:
        ValueError: For other inputs.
    """
    METAINFO: dict = dict(
        classes=('wall', 'floor', *SCALES),
        palette=[[128, 128, 128], [60, 180, 75], [255, 225, 25], [0, 130, 200],
                 [230, 25, 75]],
        tasks=dict(geometric=('vertical', 'horizontal')))

    def __init__(self, *args, inputs: Sequence[str] = ('colour', 'depth'), **kwargs) -> None:
        if not inputs or set(inputs) - set(CHANNELS):
            raise InputError(f'ScenesDataset: inputs is {tuple(inputs)}, expected some of '
                             + ', '.join(CHANNELS))
        self.inputs = tuple(inputs)
        super().__init__(*args, **kwargs)

    def prepare_data(self, idx: int) -> dict | None:
        """Draws a scene and passes it through the pipeline; see the base class."""
        info = self.get_data_info(idx)
        rng = np.random.default_rng(np.random.SeedSequence(
            self.seed, spawn_key=(SPLITS.index(self.split), info['index'])))
        size = [int(rng.integers(*bounds, endpoint=True)) for bounds in self.size_ranges]
        image, kinds, geometric = render_scene(rng, *size)
        image = np.concatenate([image[..., CHANNELS[name]] for name in self.inputs], 2)
        info.update(
            img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2],
            gt_seg_map=kinds, gt_geometric=geometric,
            seg_fields=['gt_seg_map', 'gt_geometric'], task_paths=dict(geometric=''))
        return self.pipeline(info)


def render_scene(rng: np.random.Generator, height: int, width: int
                 ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws a scene.

    Args:
        rng (np.random.Generator): Draws what is left to chance.
        height, width (int): In pixels, at least 32.

    Returns:
        tuple: The image (H, W, 4) float32, blue, green, red and log depth; the labels of both
        tasks, (H, W) uint8.
    """
    rows, columns = np.mgrid[:height, :width]
    # 1 / metres, which on a plane is linear in the image
    wall = rng.uniform(0.15, 0.35) * (1 + rng.uniform(-0.4, 0.4) * (columns / width - 0.5))
    floor = (rows / height - rng.uniform(0.25, 0.4)) / rng.uniform(0.8, 1.4)
    geometric = (floor > wall).astype(np.uint8)
    planes = np.maximum(wall, floor)
    nearness, kinds = planes.copy(), geometric.copy()
    image = np.where(geometric[..., None], *(_texture(rng, rows, columns) for _ in range(2)))
    for _ in range(rng.integers(3, 7)):
        sides = [int(rng.integers(side // 6, side // 3)) for side in (height, width)]
        top, left = (int(rng.integers(side - own)) for side, own in
                     zip((height, width), sides))
        place = np.s_[top:top + sides[0], left:left + sides[1]]
        image[place] = _texture(rng, rows[place], columns[place])
        kind = int(rng.integers(len(SCALES)))
        nearness[place] = planes[place] * rng.uniform(*list(SCALES.values())[kind])
        kinds[place] = 2 + kind
    image += rng.normal(0, 8, image.shape)
    nearness *= np.exp(rng.normal(0, 0.02, nearness.shape))  # of the sensor
    image = np.concatenate([image.clip(0, 255), np.log(1000 / nearness)[..., None]], 2)
    return image.astype(np.float32), kinds, geometric


def _texture(rng: np.random.Generator, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """(H, W, 3): two colours in stripes of any direction."""
    first, second = rng.uniform(20, 235, (2, 3))
    angle, period = rng.uniform(0, np.pi), rng.uniform(6, 14)
    along = rows * np.sin(angle) + columns * np.cos(angle)
    share = 0.5 + 0.5 * np.sin(along * (2 * np.pi / period))
    return first + 0.5 * share[..., None] * (second - first)
