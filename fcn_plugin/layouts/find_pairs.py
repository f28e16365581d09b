"""Which files of a folder are images, which are masks, and which belong together."""
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Hashable, Iterator, Sequence
from pathlib import Path

from PIL import Image

from ..utils.errors import InputError
from ..utils.names import plain
from ..utils.paths import IMAGE_SUFFIXES
from .lists import files_below, splits_of_lists, without_unlisted
from .other_files import (
    called_images,
    not_read,
    refuse_numbers_of_each,
    refuse_panoptic,
    split_predictions,
    without_need,
    without_other_images,
    without_other_masks,
)
from .pairs import File, Pair, Pairing
from .roles import (
    NOT_SEEN,
    OTHERS,
    REGIONS,
    SPLITS,
    common_affix,
    role_of,
    split_of,
    strip_role,
    without_affix,
    without_ends,
    words,
)
from .unclear import of_classes, parts, several_fit

_ENDS = 'names differ in what all have at their ends'
_NUMBERS = 'names agree in their numbers alone'


def find_pairs(root: Path, images: str | None = None,
               masks: str | None = None) -> Pairing:
    """Pairs images and masks by their folders and names.

    Folders are recognised by their names (images, img, JPEGImages; masks, labels, gt,
    annotations, SegmentationClass, trainannot, ...), and those with other names by their
    pictures: masks have few values. Masks beside their images are recognised by the word
    at the end of the name (a.jpg and a_mask.png). Splits are folders called train, val or
    test, above the folder of the role, below it, or in one name with it; or the lists
    train.txt and val.txt.

    Args:
        root (Path): The folder.
        images (str, optional): The folder of the images in it, or the name of several, such
            as one in each split. Others have none. Defaults to None: names say.
        masks (str, optional): The same of the masks.

    Raises:
        NotADirectoryError: If one of them is no folder.
        ValueError: If there are no images or no masks.
    """
    notes: list[str] = []
    pictures, labels = files_of_roles(root, images, masks, notes)
    matched = match(pictures, labels, notes)
    several = of_classes(matched, labels)
    pairs = [Pair(image.path, mask.path, image.split or mask.split)
             for image, mask in matched]
    pairs = splits_of_lists(root, sorted(pairs), notes)
    paired = {path for pair in pairs for path in pair[:2]}
    paired |= {path for files in several for path in files}
    lone_masks = [f for f in labels if f.path not in paired]
    lone = without_unlisted(root, [f for f in pictures if f.path not in paired], pairs, notes)
    lone = without_need(lone, pictures, pairs, lone_masks, notes)
    unclear = several + several_fit(lone, lone_masks) + parts(pairs, lone)
    unclear += [] if unclear else several_fit(lone_masks, lone)
    return Pairing(pairs, [f.path for f in lone], [f.path for f in lone_masks], notes, unclear)


def files_of_roles(root: Path, images: str | None, masks: str | None, notes: list[str],
                   option: str = '') -> tuple[list[File], list[File]]:
    """The images and the masks of a folder, as :func:`find_pairs` tells them apart.

    Args:
        root, images, masks: As there.
        notes (list[str]): Takes what was assumed.
        option (str): '--class-folders' or '--instances', where an image has several masks.
            Defaults to '': it has one.
    """
    if not root.is_dir():
        raise NotADirectoryError(f'{root}: no such folder')
    for named in filter(None, (images, masks)):
        if not (root / named).is_dir() and not any(
                map(lies_in(root, named), files_below(root))):
            raise NotADirectoryError(f'{root / named}: no such folder')
    roles = sort_out(root, images, masks, notes)
    predicted = roles.pop('predicted')
    if predicted and masks is None:
        one = predicted[0].relative_to(root)
        what = f'{len(predicted)} label maps, such as {one}, are what fcn predict has written'
        notes.append(f'{what}, and left alone' if roles['mask'] else (
            f'{what}, and taken for masks, as there are no others: look at them first'))
        roles['mask'] = roles['mask'] or predicted
    if not roles['image'] or not roles['mask']:
        seen = sorted({str(p.parent.relative_to(root)) for files in roles.values()
                       for p in files})
        what = 'masks' if roles['image'] else 'images' if roles['mask'] else 'image files'
        raise InputError(
            f'no {what} found in {root}' + (f' (folders with images: {", ".join(seen[:8])})'
                                             if seen else '')
            + '. Expected two folders such as images and masks, or masks beside the images '
            'as NAME_mask.png; --images FOLDER and --masks FOLDER name them. Or regions as '
            'labelling tools export them (docs/annotations.md)'
            + not_read(root, '--masks' if masks else option))
    pictures = [_file(root, path, images) for path in roles['image']]
    labels = [_file(root, path, masks) for path in roles['mask']]
    if masks is None:
        refuse_panoptic(labels)
    refuse_numbers_of_each(labels)
    return (pictures if images else without_other_images(pictures, notes),
            labels if option == '--class-folders' else without_other_masks(labels, notes))


def lies_in(root: Path, named: str | None) -> Callable[[Path], bool]:
    """Says of files whether they lie in the folder of that path in ``root`` or, where there
    is none, in one of that name."""
    if named is None:
        return lambda path: False
    wanted = Path(os.path.relpath(root / named, root)).parts
    fixed, count = (root / named).is_dir(), len(wanted)

    def lies(path: Path) -> bool:
        parents = path.relative_to(root).parts[:-1]
        return any(parents[i:i + count] == wanted
                   for i in range(1 if fixed else len(parents) - count + 1))
    return lies


def sort_out(root: Path, images: str | None, masks: str | None,
              notes: list[str]) -> dict[str, list[Path]]:
    """Every picture below a folder, by role: 'image', 'mask', or 'predicted', which are labels
    that ``fcn predict`` has written there and no image needs."""
    files = sorted(path for path in files_below(root)
                   if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
                   and not any(part.startswith('.') for part in path.relative_to(root).parts))
    roles: dict[str, list[Path]] = dict(image=[], mask=[])
    named = dict(image=images, mask=masks)
    inside = {role: lies_in(root, named[role]) for role in ('mask', 'image')}
    files, roles['predicted'] = split_predictions(files, inside['mask'])
    twins = Counter((path.parent, path.stem) for path in files)
    ends = {path: _end_of(path, twins) for path in files}
    ended = {path.parent for path, end in ends.items() if end}
    homes: dict[str, set[Path]] = defaultdict(set)
    for path in files:
        homes[path.stem].add(path.parent)
    # A folder of all pictures says of none what it is.
    above = len(Path(os.path.commonpath(p.parent for p in files)).parts) if files else 0
    spoken = {(path.parent, role_of(path.stem)) for path in files}
    undecided = defaultdict(list)
    for path in files:
        parents = path.parts[max(above, len(root.parts)):-1]
        role = next((r for r in map(role_of, reversed(parents)) if r), None)
        mixed = role is None and path.parent in ended
        own = strip_role(path.stem)[1]
        if own == 'image' and len(homes[path.stem]) > 1:  # photos/IMG_1.jpg and lab/IMG_1.png
            own = None
        if role is None or (own == 'mask' and role == 'image' and masks is None):
            role = own or role
        if {(path.parent, 'image'), (path.parent, 'mask')} <= spoken:
            role = role or role_of(path.stem)  # image.png and mask.png
        twin = twins[path.parent, path.stem] > 1  # a.jpg and a.png
        given = [role for role, lies in inside.items() if lies(path)]
        if given:
            roles[given[0]].append(path)
        elif role and not (role == 'image' and (twin or mixed)):
            if named[role] is None:
                roles[role].append(path)
        else:
            undecided[path.parent, (ends[path] if mixed else '') + (
                path.suffix.lower() if twin or mixed else '')].append(path)

    def speaks(of: set[str], folder: Path) -> bool:
        return any(of & set(words(part)) for part in folder.parts[above:])
    looks = {place: not speaks(NOT_SEEN - REGIONS, place[0]) and _look_like_masks(paths)
             for place, paths in undecided.items()}
    # Where the names speak of edges or coloured copies alone, others have the masks.
    known = any(not speaks(OTHERS, path.parent) for path in roles['mask'])
    both = known and bool(roles['image'])
    beside_masks = known or (
        images is None and not roles['image'] and len(set(looks.values())) == 1)
    taken: dict[str, list[str]] = {}
    left: list[str] = []
    for place, paths in undecided.items():
        # Beside masks known by name, pictures without the name of a role are images.
        role = 'mask' if looks[place] and not beside_masks else 'image'
        if named[role] is None and (looks[place] and both):
            left.append(str(place[0].relative_to(root)))
        elif named[role] is None:
            roles[role] += paths
            if not beside_masks:
                shown = place[0].relative_to(root) / (f'*{place[1]}' if place[1] else '')
                taken.setdefault(role, []).append(str(shown))
    said = {f'taken for {role}s, by what is in them': places for role, places in taken.items()}
    said['left alone: pictures of few values beside images and masks'] = left
    for what, places in said.items():
        more = f' and {len(places) - 3} more' if len(places) > 3 else ''
        if places:
            notes.append(f'{", ".join(places[:3])}{more}: {what}')
    return roles


def _end_of(path: Path, stems: Container[tuple[Path, str]]) -> str:
    """What a name has behind that of another picture beside it: '_1st' of a_1st.png beside
    a.jpg; empty where there is none, or it is a number."""
    end = re.search('[_. -][^_. -]*[^_. 0-9-][^_. -]*$', path.stem)
    return end[0] if end and (path.parent, path.stem[:end.start()]) in stems else ''


def _file(root: Path, path: Path, named: str | None) -> File:
    parts = path.relative_to(root).parts[:-1]
    split = split_of(parts)
    ours = Path(named).parts if named else ()
    place = tuple(plain(part) for part in parts if part not in ours and not role_of(part)
                  and not set(words(part)) & set(SPLITS))
    return File(path, split, place, strip_role(plain(path.stem))[0])


def match(images: list[File], masks: list[File],
          notes: list[str]) -> list[tuple[File, File]]:
    """Pairs by equal names, else by names that differ in one prefix or suffix all
    through, else in capitals, else by numbers. Two folders that each have images and masks
    share none. Where images in folders of that name have all masks, others have none."""
    called = called_images(images)
    if 0 < len(called) < len(images):
        said: list[str] = []
        of_called = match(called, masks, said)
        if len(of_called) == len(masks):
            notes += said
            return of_called
    usual = {name for files in (images, masks) for name in set.intersection(
        *(set(f.place) for f in files))}  # 1/color/a.jpg and 1/label/a.png

    def place(file):
        return tuple(name for name in file.place if name not in usual)
    of_images, of_masks = set(map(place, images)), set(map(place, masks))

    def apart(image, mask):
        one, other = place(image), place(mask)
        split = bool(image.split and mask.split and image.split != mask.split)
        return split or one != other and one in of_masks and other in of_images
    found: list[tuple[File, File]] = []
    for note, key in _ways(images, masks, place):
        taken = {file for pair in found for file in pair}
        left = [f for f in images if f not in taken]
        lone = [f for f in masks if f not in taken]
        if not left or not lone:
            break
        new = _by_key(left, lone, key)
        new = [pair for pair in new if not apart(*pair)]
        if note in (_NUMBERS, _ENDS) and 2 * len(new) <= min(len(left), len(lone)):
            continue  # two numberings that run apart agree in a few numbers by chance
        if note == _NUMBERS and _run_apart(*(
                {key(f) for f in some if re.search(r'\d', f.stem)} for some in (left, lone))):
            continue
        if new and note:
            one = new[0]
            notes.append(f'{len(new)} pairs: {note}, such as {one[0].path.name} and '
                         f'{one[1].path.name}')
        found += new
    return found


def _ways(images: list[File], masks: list[File], place: Callable[[File], tuple[str, ...]]
          ) -> Iterator[tuple[str, Callable[[File], Hashable]]]:
    """What of its name and folders an image and its mask may share, and a note of that. The
    next one is worked out where those before have left files over."""
    def other_names(note, names):
        yield note, lambda f: (f.split, place(f), names.get(f.path, f.stem))
        yield note, lambda f: (f.split, names.get(f.path, f.stem))
    yield '', lambda f: (f.split, f.place, f.stem)
    yield '', lambda f: (f.place, f.stem)
    yield '', lambda f: (f.split, place(f), f.stem)
    yield '', lambda f: f.stem
    # nnU-Net has NAME_0000.png of NAME.png, and images to test on without a mask.
    labelled = {mask.split for mask in masks} | {None}
    for what, longer, shorter in (
            ('masks', masks, images),
            ('images', [f for f in images if f.split in labelled], masks)):
        affix = common_affix([f.stem for f in shorter], [f.stem for f in longer])
        if affix:
            yield from other_names(f"{what} are called '{affix[0]}NAME{affix[1]}'",
                                   {f.path: without_affix(affix, f.stem) for f in longer})
    yield 'names differ in capitals', lambda f: f.stem.lower()
    inner: dict[Path, str] = {}
    folders = defaultdict(list)
    for file in (*images, *masks):
        folders[file.path.parent].append(file)
    for files in folders.values():
        inner.update(zip((f.path for f in files), without_ends([f.stem for f in files])))
    yield from other_names(_ENDS, inner)
    yield '', lambda f: (f.path.parent,  # image.png and mask.png
                         not (f.stem.isalpha() and role_of(f.stem)) and f.stem)
    yield _NUMBERS, lambda f: tuple(int(n) for n in re.findall(r'\d+', f.stem)) or f.stem


def _run_apart(ours: set[tuple[int, ...]], others: set[tuple[int, ...]]) -> bool:
    """Whether of two ranges of numbers one begins and ends before the other, as of images 3
    to 8 and masks that count them from 1 to 6."""
    first, second = sorted((sorted(ours), sorted(others)))
    both = sorted(ours & others)
    return len(ours) == len(others) > len(both) > 0 and (
        first[:-len(both)] + both == first and both + second[len(both):] == second)


def _by_key(images, masks, key) -> list[tuple[File, File]]:
    of_images, of_masks = defaultdict(list), defaultdict(list)
    for file in images:
        of_images[key(file)].append(file)
    for file in masks:
        of_masks[key(file)].append(file)
    both = [(of_images[k], of_masks[k]) for k in of_images if k in of_masks]
    # If folders have most names twice, those of the others say no more: SUN RGB-D numbers the
    # images of each split from 1, and the masks of both in one row.
    twice = sum(len({file.path.parent for file in files}) > 1
                for pair in both for files in pair)
    # Where two masks fit an image, the names do not say which is its own: no pair.
    return [(some[0], others[0]) for some, others in both
            if len(some) == len(others) == 1 and 2 * twice <= len(both)]


def _look_like_masks(paths: Sequence[Path]) -> bool:
    """Whether the first few pictures have few values, in large areas."""
    seen = 0
    for path in paths[:20]:
        try:
            with Image.open(path) as picture:
                few = picture.convert('RGB').getcolors(64)
        except (OSError, SyntaxError, ValueError):
            continue
        if not few:
            return False
        seen += 1
        if seen == 3:
            break
    return seen > 0
