"""SIFT Flow: its archive to folders, and its data set of two label maps an image."""
import shutil
from pathlib import Path

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image
from rich.progress import track

from ..masks.mat_files import read_mat
from ..utils.errors import InputError
from ..utils.files import move_into, read_list, staging_folder, write_text
from ..utils.names import parts_of
from .tasks import MultiTaskDataset

SCENES = 'spatial_envelope_256x256_static_8outdoorcategories'
FOLDERS = dict(semantic='SemanticLabels', geometric='GeoLabels')


@DATASETS.register_module()
class SIFTFlowDataset(MultiTaskDataset):
    """SIFT Flow, 2,488 images to train and 200 to test, as ``fcn paper-data siftflow``
    writes them: 33 semantic classes, and 3 geometric ones as a second task.

    Args:
        data_prefix (dict): As in :class:`MultiTaskDataset`. Defaults to 'image', 'semantic'
            and 'geometric'.
        **kwargs: As in mmseg's ``BaseSegDataset``; ``ann_file`` names a split.
    """

    METAINFO = dict(
        classes=('awning', 'balcony', 'bird', 'boat', 'bridge', 'building', 'bus', 'car',
                 'cow', 'crosswalk', 'desert', 'door', 'fence', 'field', 'grass', 'moon',
                 'mountain', 'person', 'plant', 'pole', 'river', 'road', 'rock', 'sand',
                 'sea', 'sidewalk', 'sign', 'sky', 'staircase', 'streetlight', 'sun', 'tree',
                 'window'),
        tasks=dict(geometric=('sky', 'horizontal', 'vertical')))

    def __init__(self, data_prefix: dict = dict(
            img_path='image', seg_map_path='semantic', geometric='geometric'),
            img_suffix: str = '.jpg', seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(data_prefix=data_prefix, img_suffix=img_suffix,
                         seg_map_suffix=seg_map_suffix, **kwargs)


def siftflow_to_folders(root: str | Path, test_list: str | Path,
                        out_dir: str | Path) -> dict[str, int]:
    """Writes the label maps of SIFT Flow as PNG beside its images, and the lists of its split.

    ::

        OUT_DIR/image/NAME.jpg
        OUT_DIR/semantic/NAME.png    0 to 32, 255 where nothing is labelled
        OUT_DIR/geometric/NAME.png   0 to 2, 255 where nothing is labelled
        OUT_DIR/trainval.txt, test.txt

    Images without a pixel of either map are left out.

    Args:
        root (str or Path): With Images, SemanticLabels and GeoLabels. Their ``.mat`` files
            have the labels under 'S': from 1, void 0 (semantic) or -1 (geometric).
        test_list (str or Path): A name a line; suffixes and folders, with slashes of either
            kind, do not count. The authors' data/sift-flow/test.txt, for instance.
        out_dir (str or Path): Made anew.

    Returns:
        dict[str, int]: The number of images of each list.

    Raises:
        FileExistsError: If ``out_dir`` exists.
        FileNotFoundError: If a folder, the list, or an image's label map is missing.
        ValueError: If labels are beyond the classes or of another size than their image, or
            the list names no image.
    """
    root, out_dir = Path(root), Path(out_dir)
    if out_dir.exists():
        raise FileExistsError(f'{out_dir} exists: name another folder')
    test = {Path(parts[-1]).stem for line in read_list(Path(test_list))
            for parts in map(parts_of, line.split()) if parts}
    images = sorted((root / 'Images' / SCENES).glob('*.jpg'))
    if not images:
        raise FileNotFoundError(f'{root}/Images/{SCENES} holds no .jpg: name the folder '
                                'SiftFlowDataset of the unpacked archive')
    unknown = test - {image.stem for image in images}
    if unknown or not test:
        raise InputError(f'{test_list}: {len(unknown)} of {len(test)} names are no images of '
                         f'{root}, {min(unknown, default="")!r} for one')
    meta = SIFTFlowDataset.METAINFO
    counts = dict(semantic=len(meta['classes']), geometric=len(meta['tasks']['geometric']))
    lists: dict[str, list[str]] = dict(trainval=[], test=[])
    with staging_folder(out_dir) as staging:
        for folder in ('image', *counts):
            (staging / folder).mkdir()
        for image in track(images, 'images'):
            maps = {task: _labels(root / FOLDERS[task] / SCENES / f'{image.stem}.mat', count,
                                  image) for task, count in counts.items()}
            if any((labels == 255).all() for labels in maps.values()):
                continue
            shutil.copyfile(image, staging / 'image' / image.name)
            for task, labels in maps.items():
                Image.fromarray(labels).save(staging / task / f'{image.stem}.png')
            lists['test' if image.stem in test else 'trainval'].append(image.stem)
        for name, stems in lists.items():
            write_text(staging / f'{name}.txt', ''.join(f'{stem}\n' for stem in stems))
        move_into(staging, out_dir)
    return {name: len(stems) for name, stems in lists.items()}


def _labels(path: Path, count: int, image: Path) -> np.ndarray:
    """uint8 (H, W) from 0, void 255."""
    labels = read_mat(path, ('S', ))['S']
    with Image.open(image) as picture:
        size = picture.size[::-1]
    if labels.shape != size or labels.min() < -1 or labels.max() > count:
        raise InputError(f"{path}: 'S' is {labels.shape} from {labels.min()} to "
                         f'{labels.max()}, expected {size} from -1 to {count}')
    labels = labels.astype(int)
    return np.where(labels > 0, labels - 1, 255).astype(np.uint8)
