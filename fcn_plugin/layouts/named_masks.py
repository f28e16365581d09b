"""Which mask of a folder is which image's, where both are given."""
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
        labels (str or Path): Folder of masks of the same names but for the suffix, and for
            words such as 'mask', or what all of them end in ('_L').

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
        found = [named[name] for name in names]
        if all(found):
            for image, (mask, *others) in zip(images, found, strict=True):
                if others:
                    raise InputError(f"'{mask}' and '{others[0].name}' may both be the mask "
                                     f"of '{image.name}': move one of them away")
            return [(image, mask) for image, (mask, ) in zip(images, found, strict=True)]
    missing = [image.name for image, stem in zip(images, stems, strict=True)
               if stem not in mask_stems]
    more = f' (nor have {len(missing) - 1} others)' if len(missing) > 1 else ''
    raise InputError(f"'{missing[0]}' has no mask{more} of its name in '{labels}', where "
                     f"'{masks[0].name}' is the first: call a mask like its image, or "
                     'NAME_mask.png')


def _without_end(stems: list[str]) -> list[str]:
    """Names without the words at the end that all have, such as CamVid's '_L', unless these
    hold a number."""
    end = common_end(stems)
    return stems if re.search('[0-9]', end) else [stem.removesuffix(end) for stem in stems]
