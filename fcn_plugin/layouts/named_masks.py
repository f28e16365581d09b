"""Which mask of a folder is which image's, where both are given."""
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ..masks.reading import label_files
from ..utils.errors import InputError
from ..utils.names import plain
from ..utils.paths import PathLike
from .roles import common_end, strip_role


def with_masks(images: Sequence[Path], labels: PathLike) -> list[tuple[Path, Path]]:
    """Each image with its mask.

    Args:
        images (Sequence[Path]): Files.
        labels (str or Path): Folder or glob of masks of the same names but for the suffix,
            and for words such as 'mask', or what all of them end in ('_L'). Where masks of
            one name lie in several of its folders, those of the images tell them apart.

    Raises:
        FileNotFoundError: If there are no masks.
        ValueError: If an image has none, or several.
    """
    masks = label_files(labels)
    stems, mask_stems = ([plain(path.stem) for path in paths] for paths in (images, masks))
    bare, bare_masks = ([strip_role(stem)[0] for stem in each] for each in (stems, mask_stems))
    for names, mask_names in ((stems, mask_stems), (bare, bare_masks),
                              (stems, _without_end(mask_stems))):
        named = defaultdict(list)
        for name, mask in zip(mask_names, masks, strict=True):
            named[name].append(mask)
        found = [_of_its_folder(image, named[name])
                 for image, name in zip(images, names, strict=True)]
        if all(found):
            for image, (mask, *others) in zip(images, found, strict=True):
                if others:
                    other = others[0] if others[0].parent != mask.parent else others[0].name
                    raise InputError(
                        f"'{mask}' and '{other}' may both be the mask of '{image.name}': move "
                        'one of them away, or name those that are meant by a glob, such as '
                        f"'{labels}/**/*{_end_of(mask)}'")
            pairs = [(image, mask) for image, (mask, ) in zip(images, found, strict=True)]
            _check_folders(pairs)
            return pairs
    missing = [image.name for image, stem in zip(images, stems, strict=True)
               if stem not in mask_stems]
    more = f' (nor have {len(missing) - 1} others)' if len(missing) > 1 else ''
    raise InputError(f"'{missing[0]}' has no mask{more} of its name in '{labels}', where "
                     f"'{masks[0].name}' is the first: call a mask like its image, or "
                     'NAME_mask.png')


def _end_of(mask: Path) -> str:
    """What may tell masks of one kind from others: the last word of the name, '_a.png'."""
    _, line, word = mask.stem.rpartition('_')
    return f'_{word}{mask.suffix}' if line else mask.suffix


def _of_its_folder(image: Path, masks: list[Path]) -> list[Path]:
    """Of masks of one name those whose folders are called most like the image's."""
    alike = [len(os.path.commonprefix([mask.parts[-2::-1], image.parts[-2::-1]]))
             for mask in masks]
    return [mask for mask, count in zip(masks, alike, strict=True) if count == max(alike)]


def _check_folders(pairs: Sequence[tuple[Path, Path]]) -> None:
    first: dict[Path, Path] = {}
    for image, mask in pairs:
        other = first.setdefault(mask, image)
        if other.parent != image.parent:
            raise InputError(f"'{mask}' would be the mask of '{other}' and of '{image}': call "
                             'the folders of masks like those of their images')


def _without_end(stems: list[str]) -> list[str]:
    """Names without the words at the end that all have, such as CamVid's '_L', unless these
    hold a number."""
    end = common_end(stems)
    return stems if re.search('[0-9]', end) else [stem.removesuffix(end) for stem in stems]
