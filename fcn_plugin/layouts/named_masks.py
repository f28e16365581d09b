"""Which mask of a folder is which image's, where both are given."""
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from ..masks.reading import label_files
from ..utils.errors import InputError
from ..utils.names import plain
from ..utils.paths import PathLike
from .roles import strip_role, without_ends

#: What names are compared by, until all images have a mask: whole, without 'mask' and the
#: like, and without what all of them have in common (CamVid's '_L').
_WAYS: tuple[Callable[[list[str]], list[str]], ...] = (
    list, lambda stems: [strip_role(stem)[0] for stem in stems], without_ends)


def with_masks(images: Sequence[Path], labels: PathLike) -> list[tuple[Path, Path]]:
    """Each image with its mask.

    Args:
        images (Sequence[Path]): Files.
        labels (str or Path): Folder of masks of the same names but for the suffix, and for
            words such as 'mask'.

    Raises:
        FileNotFoundError: If there are no masks.
        ValueError: If an image has none, or several.
    """
    masks = label_files(labels)
    stems, mask_stems = ([plain(path.stem) for path in paths] for paths in (images, masks))
    for way in _WAYS:
        named = defaultdict(list)
        for name, mask in zip(way(mask_stems), masks, strict=True):
            named[name].append(mask)
        found = [named[name] for name in way(stems)]
        if all(found):
            for image, (mask, *others) in zip(images, found, strict=True):
                if others:
                    raise InputError(f"'{mask}' and '{others[0].name}' may both be the mask "
                                     f"of '{image.name}': move one of them away")
            return [(image, mask) for image, (mask, ) in zip(images, found, strict=True)]
    missing = [image.name for image, stem in zip(images, stems, strict=True)
               if stem not in mask_stems]
    more = f' (nor have {len(missing) - 1} others)' if len(missing) > 1 else ''
    raise InputError(f"'{missing[0]}' has no mask{more} of its name in '{labels}'")
