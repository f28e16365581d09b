"""NYUDv2's labelled archive to folders."""
import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.progress import track

from ..masks.mat_files import read_mat
from ..utils.errors import InputError, MissingPackageError
from ..utils.files import move_into, staging_folder, write_text
from .hha import NYU_CAMERA, depth_to_hha
from .nyud import NYUDv2Dataset, write_png

KEYS = dict(images=4, depths=3, rawDepths=3, labels=3)
"""Arrays of the archive and their dimensions, MATLAB's in reverse order: (N, 3, W, H) uint8
RGB; (N, W, H) float32 metres, twice; (N, W, H) uint16, 0 where nothing is labelled."""
_MOST_PIXELS, _MOST_IMAGES = 2 ** 22, 10_000
SPLITS = dict(train='trainNdxs', test='testNdxs')


def nyud_to_folders(archive: str | Path, mapping: str | Path, splits: str | Path,
                    out_dir: str | Path) -> dict[str, int]:
    """Writes colour, depth, HHA and masks of NYUDv2 as PNG, and the lists of its split.

    ::

        OUT_DIR/image/0001.png   colour
        OUT_DIR/depth/0001.png   16 bits, millimetres, holes filled as published
        OUT_DIR/hha/0001.png     see depth_to_hha
        OUT_DIR/label/0001.png   1 to 40; 0 where nothing is labelled
        OUT_DIR/train.txt, test.txt

    Args:
        archive (str or Path): nyu_depth_v2_labeled.mat.
        mapping (str or Path): classMapping40.mat of Gupta et al., with ``mapClass``: the
            class from 1 to 40 of each of the archive's 894.
        splits (str or Path): splits.mat, with ``trainNdxs`` and ``testNdxs``, from 1.
        out_dir (str or Path): Made anew.

    Returns:
        dict[str, int]: The number of images of each list.

    Raises:
        FileExistsError: If ``out_dir`` exists.
        FileNotFoundError: If a file is missing.
        ValueError: If a file lacks a key, or its array is not as expected.
        ImportError: Without h5py and scipy.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingPackageError("NYUDv2's archive needs more than is installed: pip install "
                                  "'mmseg-fcn-plugin[data]'") from error
    out_dir = Path(out_dir)
    if out_dir.exists():
        raise FileExistsError(f'{out_dir} exists: name another folder')
    classes = read_mat(mapping, ('mapClass', ))['mapClass'].ravel()
    count = len(NYUDv2Dataset.METAINFO['classes'])
    if classes.min(initial=1) < 1 or classes.max(initial=0) > count:
        raise InputError(f'{mapping}: mapClass has values from {classes.min()} to '
                         f'{classes.max()}, expected 1 to {count}')
    table = np.concatenate([[0], classes]).astype(np.uint8)
    lists = read_mat(splits, tuple(SPLITS.values()))
    if not Path(archive).is_file():
        raise FileNotFoundError(f'{archive}: there is no such file')
    if not h5py.is_hdf5(archive):
        raise InputError(f'{archive} is no MATLAB file of version 7.3 (HDF5): is it complete?')
    with contextlib.ExitStack() as opened:
        with _damaged(archive):
            file = opened.enter_context(h5py.File(archive))
            arrays = _arrays(file, archive)
        staging = opened.enter_context(staging_folder(out_dir))
        total = len(arrays['images'])
        chosen = {name: lists[key].ravel().astype(int) for name, key in SPLITS.items()}
        for name, numbers in chosen.items():
            if not numbers.size or numbers.min() < 1 or numbers.max() > total:
                raise InputError(f'{splits}: {SPLITS[name]} is not a list of numbers from 1 '
                                 f'to {total}')
        for folder in ('image', 'depth', 'hha', 'label'):
            (staging / folder).mkdir()
        for i in track(range(total), 'images'):
            with _damaged(archive):
                maps = [np.asarray(arrays[key][i]).T for key in KEYS]
            _write(staging, f'{i + 1:04d}.png', table, archive, *maps)
        for name, numbers in chosen.items():
            write_text(staging / f'{name}.txt', ''.join(f'{n:04d}\n' for n in numbers))
        move_into(staging, out_dir)
    return {name: len(numbers) for name, numbers in chosen.items()}


@contextlib.contextmanager
def _damaged(archive: str | Path) -> Iterator[None]:
    """h5py answers damaged files with almost any error."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f'{archive} cannot be read, it is damaged or cut off: '
                         f'{error}') from error


def _write(folder: Path, name: str, table: np.ndarray, archive: str | Path,
           image: np.ndarray, depth: np.ndarray, raw: np.ndarray, labels: np.ndarray) -> None:
    for wrong in (labels.max(), labels.min()):
        if not 0 <= wrong < len(table):
            raise InputError(f'{archive}: labels has {wrong} in image {name}, but mapClass '
                             f'has {len(table) - 1} classes')
    if not np.isfinite([depth, raw]).all():
        raise InputError(f'{archive} is damaged: a depth of image {name} is no number')
    millimetres = np.clip(np.rint(1000 * depth), 1, 2**16 - 1).astype(np.uint16)
    write_png(str(folder / 'image' / name), image)
    write_png(str(folder / 'depth' / name), millimetres)
    write_png(str(folder / 'hha' / name),
              depth_to_hha(millimetres / 1000, NYU_CAMERA, missing=raw == 0))
    write_png(str(folder / 'label' / name), table[labels])


def _arrays(file, archive: str | Path) -> dict:
    """The archive's arrays, not yet read, of as many images each."""
    found = {}
    for key, dimensions in KEYS.items():
        if key not in file:
            raise InputError(f"{archive} has no '{key}', expected {', '.join(KEYS)}: is it "
                             'nyu_depth_v2_labeled.mat?')
        found[key] = file[key]
        shape = getattr(found[key], 'shape', ())  # a folder has none
        if len(shape) != dimensions or found[key].dtype.kind not in 'iuf':
            raise InputError(f"{archive}: '{key}' has the shape {shape}, expected numbers of "
                             f'{dimensions} dimensions')
        expected = dict(images=np.uint8, labels=np.integer).get(key, np.number)
        if not np.issubdtype(found[key].dtype, expected):
            raise InputError(f"{archive}: '{key}' are {found[key].dtype}, expected "
                             f'{expected.__name__}')
    sizes = {key: (array.shape[0], *array.shape[-2:]) for key, array in found.items()}
    if len(set(sizes.values())) > 1 or found['images'].shape[1] != 3:
        raise InputError(f'{archive}: images and maps differ: ' + ', '.join(
            f'{key} {array.shape}' for key, array in found.items()))
    count, width, height = sizes['images']
    # What nobody wrote costs HDF5 no byte, and would be filled in when it is read.
    if not 0 < width * height <= _MOST_PIXELS or not 0 < count <= _MOST_IMAGES:
        raise InputError(f'{archive}: {count} images of {width}x{height} are not what NYUDv2 '
                         'has, 1449 of 640x480')
    return found
