"""What lies beside images and masks and is neither: instances, depth, formats not read."""
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..utils.errors import InputError
from ..utils.files import decoded_text
from ..utils.names import every_file, written_by_predict
from ..utils.paths import IMAGE_SUFFIXES, PACKED
from .pairs import File, Pair
from .roles import NOT_SEEN, OTHERS, REGIONS, SPLITS, role_of, strip_role, words

#: How files end that hold arrays, which some keep masks in, of pictures and of regions.
_NOT_READ = {
    **dict.fromkeys(('.avif', '.heic', '.heif', '.jp2', '.jxl', '.cr2', '.cr3', '.dng', '.nef',
                     '.arw', '.dcm', '.svs'), 'save such pictures as JPEG, PNG or TIFF'),
    **dict.fromkeys(('.nii', '.nii.gz', '.nrrd', '.mha'),
                    'save the slices that are to be trained on as PNG, those of images and '
                    'of masks under the same names'),
    '.roi': 'fill the regions of ImageJ in masks, and save these as PNG',
    **dict.fromkeys(('.h5', '.npy', '.npz'), 'save masks as PNG'),
    **dict.fromkeys(('.parquet', '.arrow', '.tfrecord'),
                    'save the images in it as JPEG or PNG, and the masks as PNG'),
    **dict.fromkeys(('.ndjson', '.jsonl'), 'export regions as COCO, or masks as PNG'),
    **dict.fromkeys(PACKED, 'unpack it first'),
    '.mat': 'save masks as PNG (fcn sbd2voc does so for SBD, fcn paper-data for SIFT Flow)',
    '.geojson': 'its regions lie on the earth; burn them into masks of the size of the images '
                '(gdal_rasterize), and save these as PNG'}


def not_read(root: Path, option: str = '') -> str:
    """Of a folder without images or masks: a file that may hold them, and the way out.

    Args:
        root (Path): The folder.
        option (str): Beside which no regions are read. Defaults to '': they were.
    """
    others: dict[str, list[Path]] = defaultdict(list)
    for path in every_file(root):
        suffix = path.suffix.lower()
        for end, way_out in _NOT_READ.items():
            if path.name.lower().endswith(end):
                return f'. {path} is not read: {way_out}'
        if suffix == '.csv':
            with open(path, 'rb') as file:
                header = file.readline(4096).lower()
            if re.search(rb'encodedpixels|\brle', header):
                return (f'. {path} has masks as run lengths, which are not read: draw them '
                        'as PNG')
            if b'region_shape_attributes' in header:
                return (f'. {path} has regions of VGG Image Annotator (VIA), which are not '
                        'read: export them there as COCO')
        elif suffix == '.xml':
            with open(path, 'rb') as file:
                if b'<Vertices>' in file.read(65536):
                    return (f'. {path} has regions of Aperio ImageScope, which are not read: '
                            'draw them as PNG, or export them as COCO from another tool')
        if suffix not in IMAGE_SUFFIXES:
            others[suffix].append(path)
    most = max(others.values(), key=len, default=[])
    most = most if len(most) > 1 else others['.json']  # one may hold all regions
    if not most:
        return ''
    what, are, them = (f'{len(most)} files such as ', 'are', 'them') if len(most) > 1 else (
        '', 'is', 'it')
    if option:
        return (f'. {what}{most[0]} {are} not read beside {option}: leave that out, if '
                f'regions are in {them}')
    return (f'. {what}{most[0]} {are} of no format that is read: if the labels are in {them}, '
            'draw these as PNG, or export them as COCO')


def refuse_panoptic(masks: list[File]) -> None:
    """Raises ValueError where all masks number the segments of each image, as COCO's
    panoptic ones do, which would be trained as classes."""
    panoptic = [file for file in masks if 'panoptic' in words(file.path.parent.name)
                or 'panoptic' in words(file.path.stem.rpartition('_')[2])]
    if panoptic and len(panoptic) == len(masks):
        one = panoptic[0].path
        raise InputError(
            f'{one}: panoptic masks number the segments of each image, and are not read: draw '
            'the class of each segment, which the JSON file beside them says, as PNG. If the '
            f'values are classes all the same, --masks {one.parent.name} names the folder')


def refuse_numbers_of_each(masks: Iterable[File]) -> None:
    """Raises ValueError where folders of masks have lists of classes that differ, as labelme's
    ``labelme_json_to_dataset`` writes them: a number means another class in each."""
    found: dict[str, Path] = {}
    for folder in dict.fromkeys(file.path.parent for file in masks):
        names = folder / 'label_names.txt'
        if names.is_file():
            found.setdefault('\n'.join(decoded_text(names).split()), names)
    if len(found) > 1:
        one, other, *_ = found.values()
        raise InputError(
            f'{one} and {other} differ: the masks beside them number the classes of each '
            "image anew. Take labelme's JSON files in their place, whose regions fcn "
            'check-data reads; if numbers mean the same in all masks, move these lists away')


def split_predictions(files: Sequence[Path], wanted: Callable[[Path], bool]
                      ) -> tuple[list[Path], list[Path]]:
    """Pictures, and label maps that ``fcn predict`` has written beside them.

    Overlays, heat maps and labels of further tasks are left out.

    Args:
        files (Sequence[Path]): All pictures.
        wanted (Callable): Says of a label map whether it stays among the pictures.
    """
    written = written_by_predict(files)
    maps = [file for file, kind in written.items() if kind == 'labels']
    kept = set(filter(wanted, maps))
    return ([file for file in files if file not in written or file in kept],
            [file for file in maps if file not in kept])


def _folders(files: Sequence[File]) -> dict[File, tuple[str, ...]]:
    """Of each file the folders that not all have, the deepest first, without mere splits."""
    shared = set.intersection(*(set(file.path.parts[:-1]) for file in files)) if files else ()
    return {file: tuple(part for part in reversed(file.path.parts[:-1])
                        if part not in shared and set(words(part)) - set(SPLITS))
            for file in files}


def _words(names: Iterable[str]) -> set[str]:
    return {word for name in names for word in words(name)}


def without_other_masks(files: list[File], notes: list[str]) -> list[File]:
    """Leaves out instances, coloured copies, edges and fields of view, where there are masks
    of classes too."""
    trained = {file.path.stem.removesuffix('labelTrainIds').rstrip('_') for file in files
               if file.path.stem.endswith('labelTrainIds')}
    stems = {file.stem for file in files}
    folders = {file: _words(names) for file, names in _folders(files).items()}
    by_hand = any({'manual', 'manual1'} & found for found in folders.values())
    raw = {file.path.stem for file in files}
    heads = {stem.rpartition('_')[0] for stem in raw
             if not set(words(stem.rpartition('_')[2])) & OTHERS}

    def other(file, others):
        if file.path.stem.removesuffix('labelIds').rstrip('_') in trained:  # both are there
            return True
        if f'{file.path.stem}_semantic' in raw:  # which has the classes of these objects
            return True
        head, _, last = file.stem.rpartition('_')  # x_gtFine_color beside x_gtFine_labelIds
        named = set(words(last))
        if named & others and strip_role(head)[0] in stems or (
                named & REGIONS and head in heads):  # x_instanceIds beside x_bin
            return True
        if set(words(file.path.stem.removeprefix(file.stem))) & others:
            return True
        folder = folders[file]  # of retinas, "mask" is the field of view
        return folder & (others | {'rgb'}) or by_hand and 'mask' in folder
    # SegmentationObject stands beside masks of classes; GT_Object beside edges has the masks.
    kept = [file for file in files if not other(file, OTHERS)] or [
        file for file in files if not other(file, OTHERS - {'object'})]
    return _kept(files, kept, notes,
                 'instances, edges, fields of view or coloured copies of masks')


def without_other_images(files: list[File], notes: list[str]) -> list[File]:
    """Leaves out depth, infrared and the like, and instances, where there are other images."""
    kept = [file for file, names in _folders(files).items() if not (
        _words(names) & NOT_SEEN or _words([file.stem.rpartition('_')[2]]) & REGIONS)]
    return _kept(files, kept, notes, '--images names the folder of these images, if they are '
                 'to be trained on')


def called_images(files: Sequence[File]) -> list[File]:
    """The images in folders that are called so, unless all are in one."""
    return [file for file, names in _folders(files).items()
            if any(role_of(name) == 'image' for name in names)]


def _kept(files: list[File], kept: list[File], notes: list[str],
          why: str) -> list[File]:
    if not kept or len(kept) == len(files):
        return files
    out = _folders(files)
    gone = sorted({(*out[file], file.path.parent.name)[0] for file in set(files) - set(kept)})
    notes.append(f'{len(files) - len(kept)} files of {", ".join(gone[:3])} are left alone: '
                 f'{why}')
    return kept


def without_need(lone: list[File], pictures: Sequence[File], pairs: Sequence[Pair],
                 masks: Sequence[File], notes: list[str]) -> list[File]:
    """Images that lack a mask, less those of a validation or test split without any, and those
    beside folders of images that have all masks.

    Args:
        lone (list[File]): Images without a mask.
        pictures (Sequence[File]): All images.
        pairs (Sequence[Pair]): Those that were found.
        masks (Sequence[File]): Masks without an image.
        notes (list[str]): Takes what was left out.
    """
    labelled = {None, 'train', *(pair.split for pair in pairs), *(f.split for f in masks)}
    unlabelled = [f for f in lone if pairs and f.split not in labelled]
    called = {file.path for file in called_images(pictures)}
    in_called = pairs and not masks and called.issuperset(pair.image for pair in pairs)
    others = [f for f in lone if in_called and f.path not in called and f.split in labelled]
    for gone, why in ((unlabelled, 'there are no masks of their split'),
                      (others, 'all masks have theirs in folders called images, rgb or so')):
        if gone:
            notes.append(f'{len(gone)} images are left alone: {why}, such as {gone[0].path}')
    out = {*unlabelled, *others}
    return [f for f in lone if f not in out]
