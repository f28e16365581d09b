"""The Semantic Boundaries Dataset (SBD) in the layout of PASCAL VOC."""
import re
import warnings
from pathlib import Path

import numpy as np
from mmseg.datasets import PascalVOCDataset
from rich.progress import track

from ..masks.mat_files import load_mat
from ..utils.errors import InputError
from ..utils.files import move_into, staging_folder, write_text
from ..visualization import save_label_png

AUGMENTED = 10582  # images of VOC 2012's train.txt and of aug.txt together
SEG11VALID = 736
_PALETTE = PascalVOCDataset.METAINFO['palette']


def read_sbd_labels(path: str | Path) -> np.ndarray:
    """Reads the class of every pixel from one of SBD's ``cls/*.mat``.

    Args:
        path (str or Path): A MATLAB 5 file with the struct ``GTcls`` and in it the
            field ``Segmentation``.

    Returns:
        np.ndarray: uint8 (H, W), 0 for the background, 1 to 20 as in VOC.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: Without scipy.
        ValueError: If it is another kind of file.
    """
    found = load_mat(path, ['GTcls'])
    try:
        labels = np.asarray(found['GTcls']['Segmentation'].item())
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f'{path} is not a mask of SBD: it has no '
                         'GTcls.Segmentation') from error
    if (labels.ndim != 2 or not labels.size or labels.dtype.kind not in 'iu'
            or not 0 <= labels.min() <= labels.max() < len(_PALETTE)):
        raise InputError(f'{path}: GTcls.Segmentation is {labels.dtype} of shape '
                         f'{labels.shape}, expected integers (H, W) from 0 to '
                         f'{len(_PALETTE) - 1}')
    return labels.astype(np.uint8)


def _read_list(path: Path) -> list[str]:
    """The image names of a split, one a line."""
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing')
    names = path.read_text(encoding='utf-8', errors='replace').split()
    for name in names:
        if not re.fullmatch(r'[\w-]{1,200}', name):  # names become paths
            raise InputError(f'{path}: {name[:80]!r} is not the name of an image, such '
                             'as 2008_000002')
    return names


def _sbd_folder(root: Path) -> Path:
    """The folder with ``cls`` and the lists, from any of those around it."""
    for folder in (root, root / 'dataset', root / 'benchmark_RELEASE' / 'dataset'):
        if (folder / 'cls').is_dir():
            return folder
    raise FileNotFoundError(f"{root} holds no folder cls, nor does 'dataset' in it: "
                            'name the folder benchmark_RELEASE of the unpacked archive')


def _warn_if_not(count: int, expected: int, what: str) -> None:
    if count != expected:
        warnings.warn(f'{what}: {count} images, expected {expected}: are the copies of '
                      'VOC and SBD complete and of the right years?', stacklevel=3)


def sbd_to_voc(sbd_root: str | Path, voc_root: str | Path,
               voc2011_root: str | Path | None = None,
               overwrite: bool = False) -> dict[str, int]:
    """Adds SBD's masks and lists to VOC 2012, and the paper's validation list to 2011.

    ::

        VOC_ROOT/
          SegmentationClassAug/NAME.png          masks of all of SBD's images
          ImageSets/Segmentation/aug.txt         SBD without VOC's own train and val
          ImageSets/Segmentation/sbd_train.txt   SBD's train, the paper's training set
        VOC2011_ROOT/
          ImageSets/Segmentation/seg11valid.txt  VOC 2011's val without SBD's train

    The images are VOC's own. All files are written to another place first, so that an
    error or an interruption leaves the folders as they were.

    Args:
        sbd_root (str or Path): SBD's ``benchmark_RELEASE``, or its ``dataset``.
        voc_root (str or Path): VOC 2012's folder.
        voc2011_root (str or Path, optional): VOC 2011's folder. Defaults to None: the
            folder ``VOC2011`` beside ``voc_root`` where there is one; without, the
            list is left out.
        overwrite (bool): Replace files that exist. Defaults to False.

    Returns:
        dict[str, int]: The number of images of each folder and list written.

    Raises:
        FileExistsError: If a file or a folder to write exists, without ``overwrite``.
        FileNotFoundError, ValueError: If a list or a mask is missing, or damaged.
    """
    sbd, voc = _sbd_folder(Path(sbd_root)), Path(voc_root)
    voc2011: Path | None = Path(voc2011_root or voc.parent / 'VOC2011')
    if voc2011_root is None and not voc2011.is_dir():
        voc2011 = None
    splits = Path('ImageSets', 'Segmentation')

    sbd_train, sbd_val = (set(_read_list(sbd / f'{s}.txt')) for s in ('train', 'val'))
    train, val = (set(_read_list(voc / splits / f'{s}.txt')) for s in ('train', 'val'))
    lists = {voc / splits / 'aug.txt': (sbd_train | sbd_val) - train - val,
             voc / splits / 'sbd_train.txt': sbd_train}
    _warn_if_not(len(train) + len(lists[voc / splits / 'aug.txt']), AUGMENTED,
                 'train.txt and aug.txt')
    if voc2011 is not None:
        valid = set(_read_list(voc2011 / splits / 'val.txt')) - sbd_train
        lists[voc2011 / splits / 'seg11valid.txt'] = valid
        _warn_if_not(len(valid), SEG11VALID, 'seg11valid.txt')

    masks = voc / 'SegmentationClassAug'
    existing = [str(path) for path in (masks, *lists) if path.exists()]
    if existing and not overwrite:
        raise FileExistsError(f'{", ".join(existing)} exist: replace them with --overwrite')
    names = sorted(sbd_train | sbd_val)
    missing = [n for n in names if not (sbd / 'cls' / f'{n}.mat').is_file()]
    if missing:
        raise FileNotFoundError(f'{sbd / "cls"} lacks {len(missing)} of {len(names)} masks, '
                                f'{missing[0]}.mat for one')
    with staging_folder(masks) as staging:
        for name in track(names, 'masks'):
            labels = read_sbd_labels(sbd / 'cls' / f'{name}.mat')
            save_label_png(staging / f'{name}.png', labels, _PALETTE)
        move_into(staging, masks)
    for path, images in lists.items():  # last, so that no list names a missing mask
        write_text(path, ''.join(f'{name}\n' for name in sorted(images)))
    return {str(masks): len(names)} | {str(p): len(lists[p]) for p in lists}
