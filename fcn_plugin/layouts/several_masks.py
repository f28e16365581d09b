"""Several masks an image, of classes or of objects: which are whose."""
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..utils.errors import InputError
from .find_pairs import files_of_roles, match
from .lists import splits_of_lists, without_unlisted
from .other_files import without_need
from .pairs import File, Pair, Pairing
from .roles import role_of, split_of, strip_role

#: The class of all objects.
OBJECT = 'object'


class SeveralMasks(NamedTuple):
    """Masks by image.

    Attributes:
        pairing (Pairing): Each image with one of its masks.
        of_image (dict[Path, list[tuple[str, Path]]]): Of each image, class and mask.
        classes (list[str]): Names of the folders, by the alphabet, or :data:`OBJECT`.
    """
    pairing: Pairing
    of_image: dict[Path, list[tuple[str, Path]]]
    classes: list[str]


def class_of(path: Path, root: Path, named: str | None = None,
             besides: Collection[str] = ()) -> str | None:
    """The class that a mask's folders say: the deepest that says more than a role or a split,
    less the word of its role ('cat' of ``cat_masks``).

    Args:
        path (Path): The mask.
        root (Path): The data set.
        named (str, optional): The folder of masks, as the user names it.
        besides (Collection[str]): Folders that say no class. Defaults to none.
    """
    ours = Path(named).parts if named else ()
    names = (strip_role(re.sub('(?<=[a-z])Masks?$', '_mask', part))[0]  # leftMask
             for part in reversed(path.relative_to(root).parts[:-1])
             if part not in ours and part not in besides)
    return next((name for name in names if not role_of(name) and not split_of([name])), None)


def may_be_classes(root: Path, masks: Iterable[Path]) -> list[str]:
    """The folders that masks lie in, if these may be classes: several words, no numbers."""
    found = {class_of(path, root) for path in masks}
    names = sorted(name for name in found if name)
    several = len(names) == len(found) > 1
    return names if several and not any(c.isdigit() for c in ''.join(names)) else []


def find_class_masks(root: Path, images: str | None = None,
                     masks: str | None = None) -> SeveralMasks:
    """Finds the masks of each image, one a class.

    Layouts are those of :func:`~fcn_plugin.layouts.find_pairs.find_pairs`, with a folder of
    the class above or below that of the masks: ``masks/cat/a.png``, ``cat/masks/a.png``, or
    ``cat/a.jpg`` and ``cat/a_mask.png``. Or the class is the end of the name:
    ``masks/a_cat.png``.

    Args:
        root, images, masks: As there.

    Raises:
        NotADirectoryError: If one of them is no folder.
        ValueError: If there are no images or no masks, or a mask is of no class.
    """
    notes: list[str] = []
    pictures, labels = files_of_roles(root, images, masks, notes, '--class-folders')
    by_class: dict[str, list[File]] = defaultdict(list)
    homeless: list[File] = []
    for file, named in _named_by_folders(root, pictures, labels, masks):
        (by_class[named] if named else homeless).append(file)
    ends = _named_by_ends(pictures, labels)
    if homeless and len(ends) < len(labels):
        raise InputError(f'{homeless[0].path}: --class-folders expects each mask in a folder '
                         'called like its class, such as masks/cat/NAME.png, or NAME_cat.png; '
                         'if others have the classes, --masks FOLDER names theirs')
    said: list[str] = []
    matched = [(image, mask, name) for name, files in sorted(by_class.items())
               for image, mask in match(pictures, files, said)]
    if homeless or len(ends) > len(matched):
        image, mask, end = ends[0]
        matched, said = ends, ['classes are at the ends of names: '
                               f"{mask.path.name} is '{end}' of {image.path.name}"]
    return _several(root, pictures, labels, matched, notes + said)


def _named_by_folders(root: Path, pictures: Iterable[File], labels: Sequence[File],
                      masks: str | None) -> list[tuple[File, str | None]]:
    """Masks and the classes that their folders say."""
    # Of masks/cat/seq1/a.png beside images/seq1/a.jpg the class is cat.
    scenes = {part for file in pictures for part in file.path.relative_to(root).parts[:-1]}
    named = [(file, class_of(file.path, root, masks, scenes)) for file in labels]
    if not any(name for _, name in named):  # cat/a.jpg and cat/a_mask.png
        named = [(file, class_of(file.path, root, masks)) for file in labels]
    homes = {folder.parent for file, name in named for folder in file.path.parents
             if name and strip_role(folder.name)[0] == name}
    for place, (file, name) in enumerate(named):
        folder = next((each for each in file.path.parents if each.parent in homes), None)
        if name is None and folder:  # beside masks/bus, masks/train is no split
            split = split_of(folder.parent.relative_to(root).parts)
            named[place] = file._replace(split=split), folder.name
    return named


def _named_by_ends(pictures: Iterable[File], labels: Iterable[File]
                   ) -> list[tuple[File, File, str]]:
    """Images, masks and classes, where the name of a mask is that of its image and the class:
    7.jpg and 00007_cat.png."""
    def key(name: str) -> str | int:
        return int(name) if name.isdecimal() else name
    of_name = defaultdict(list)
    for picture in pictures:
        for split in {picture.split, None}:
            of_name[split, key(picture.stem)].append(picture)
    found = []
    for mask in labels:
        for end in reversed(list(re.finditer('[_. -]+', mask.stem))):
            head, rest = key(mask.stem[:end.start()]), strip_role(mask.stem[end.end():])[0]
            ours = of_name.get((mask.split, head)) or [
                picture for picture in of_name.get((None, head), []) if not picture.split]
            if len(ours) == 1 and re.search('[^0-9]', rest):
                found.append((ours[0], mask, rest))
                break
    return found


def find_object_masks(root: Path, images: str | None = None,
                      masks: str | None = None) -> SeveralMasks:
    """Finds masks of objects: one an image, which numbers them, or one an object.

    Where each folder has one image, the masks in it are the image's:
    ``1/images/a.png`` and ``1/masks/b.png``, ``1/masks/c.png``.

    Args:
        root, images, masks: As for :func:`~fcn_plugin.layouts.find_pairs.find_pairs`.

    Raises:
        NotADirectoryError: If one of them is no folder.
        ValueError: If there are no images or no masks, or none fit one another.
    """
    notes: list[str] = []
    pictures, labels = files_of_roles(root, images, masks, notes, '--instances')
    by_place = defaultdict(list)
    for file in labels:
        by_place[file.split, file.place].append(file)
    places = Counter((picture.split, picture.place) for picture in pictures)
    if max(places.values()) == 1 and set(by_place) <= set(places):
        matched = [(image, mask, OBJECT) for image in pictures
                   for mask in by_place[image.split, image.place]]
    else:
        matched = [(*pair, OBJECT) for pair in match(pictures, labels, notes)]
    return _several(root, pictures, labels, matched, notes)


def _several(root: Path, pictures: Sequence[File], labels: Sequence[File],
             matched: Sequence[tuple[File, File, str]], notes: list[str]) -> SeveralMasks:
    if not matched:
        raise InputError(f'{root}: no mask has the name of one image alone. There are images '
                         f'such as {pictures[0].path}, and masks such as {labels[0].path}; '
                         '--images FOLDER and --masks FOLDER say which they are')
    of_image: dict[Path, list[tuple[str, Path]]] = defaultdict(list)
    split = {}
    for image, mask, name in matched:
        of_image[image.path].append((name, mask.path))
        split[image.path] = image.split or mask.split
    pairs = [Pair(path, found[0][1], split[path]) for path, found in sorted(of_image.items())]
    used = {path for found in of_image.values() for _, path in found}
    lone = [f for f in labels if f.path not in used]
    pairs = splits_of_lists(root, pairs, notes)
    left = [f for f in pictures if f.path not in of_image]
    left = without_unlisted(root, left, pairs, notes)
    left = without_need(left, pictures, pairs, lone, notes)
    return SeveralMasks(
        Pairing(pairs, [f.path for f in left], [f.path for f in lone], notes, []),
        dict(of_image), sorted({name for *_, name in matched}))
