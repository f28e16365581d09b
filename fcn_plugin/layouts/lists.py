"""All files of a folder, and the splits that lists among them make: train.txt and val.txt."""
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ..utils.files import decoded_text
from ..utils.names import NamedFiles, every_file, plain
from .pairs import File, Pair
from .roles import SPLITS, split_of


def files_below(root: Path) -> Iterator[Path]:
    """All files below a folder, without what check_dataset.py and trainings wrote there."""
    files = list(every_file(root))
    written = {file.parent for file in files if file.name == 'config.py'
               and (file.parent / 'overview.png').is_file()
               and (file.parent / 'train.txt').is_file()}
    runs = {file.parent.parent.parent for file in files if file.parent.name == 'vis_data'}
    written |= {folder for folder in runs if root in folder.parents}
    return (path for path in files if not written & set(path.parents))


def splits_of_lists(root: Path, pairs: list[Pair], notes: list[str]) -> list[Pair]:
    """Splits from train.txt, val.txt and test.txt (or .csv, .lst), where folders have none.

    Where there are none of these, lists with such a word in their name count (a_train.txt),
    if all their lines name images, training and another split have some, and none is in two.
    Else names of images do that each say a split (train_1.png and testA_1.png). A line may
    name the folder of several images, as DAVIS has its videos.
    """
    if any(pair.split for pair in pairs):
        return pairs
    lists = _Lists(root, pairs)
    of_image, said, _ = lists.read(_split_of_list, False)
    if not of_image:
        more, said_of_more, twice = lists.read(lambda file: split_of([file.stem]), True)
        by_name = {pair.image: split_of([pair.image.stem]) or '' for pair in pairs}
        if not twice and {'train'} < {*more.values()}:
            of_image, said = more, said + said_of_more
        elif '' not in by_name.values() and {'train'} < {*by_name.values()}:
            of_image = by_name
            said.append(f'the names of images say their splits, such as {pairs[0].image.name}')
    notes += said
    found = [pair._replace(split=of_image.get(pair.image)) for pair in pairs]
    return found if of_image else pairs


def without_unlisted(root: Path, lone: list[File], pairs: list[Pair],
                     notes: list[str]) -> list[File]:
    """Images that lack a mask, less those in no list of a split that has pairs, where lists
    say the splits of all pairs: most images of VOC are there for other tasks.

    Args:
        root (Path): The folder.
        lone (list[File]): Images without a mask.
        pairs (list[Pair]): With their splits.
        notes (list[str]): Takes what was left out.
    """
    if not lone or not pairs or not all(pair.split for pair in pairs):
        return lone
    every = [*pairs, *(pairs[0]._replace(image=file.path) for file in lone)]
    listed, _, _ = _Lists(root, every).read(_split_of_list, False)
    if any(listed.get(pair.image) != pair.split for pair in pairs):
        return lone
    splits = {pair.split for pair in pairs}
    out = [file for file in lone if listed.get(file.path) not in splits]
    if out:
        notes.append(f'{len(out)} images are left alone: they have no mask and are in no list '
                     f'of a split that has some, such as {out[0].path}')
    return [file for file in lone if listed.get(file.path) in splits]


def _split_of_list(file: Path) -> str | None:
    return SPLITS.get(file.stem.lower())


class _Lists:
    """The files of a folder that may be lists of its images."""

    def __init__(self, root: Path, pairs: list[Pair]) -> None:
        context = any(pair.mask.parent.name == 'SegmentationClassContext' for pair in pairs)
        # Of VOC's tasks.
        others = {'Main', 'Layout', 'Action',
                  'Segmentation' if context else 'SegmentationContext'}
        self.root = root
        self.files = sorted(
            path for path in files_below(root)
            if path.suffix.lower() in ('.txt', '.csv', '.lst')
            and not ('ImageSets' in path.parts and path.parent.name in others))
        self.images = NamedFiles(root, (pair.image for pair in pairs))
        self.folders: dict[str, list[Path]] = defaultdict(list)
        for pair in pairs:
            self.folders[plain(pair.image.parent.name)].append(pair.image)

    def read(self, split_of_file, whole: bool) -> tuple[dict[Path, str], list[str], bool]:
        """The split of each image that is listed, what is to be said of that, and whether
        one is in two splits.

        Args:
            split_of_file (Callable): From a file to its split, or None: it is no list.
            whole (bool): Whether a file of which a line names no image is no list.
        """
        of_image: dict[Path, str] = {}
        twice: dict[Path, None] = {}
        notes = []
        for file in self.files:
            split = split_of_file(file)
            if split is None:
                continue
            lines = [line for line in decoded_text(file).splitlines() if line.strip()]
            named = [self.images.of_line(line) or self.folders.get(plain(line.strip()), [])
                     for line in lines]
            if file.suffix.lower() == '.csv' and any(named) and not named[0]:  # its header
                lines, named = lines[1:], named[1:]
            lost = [line for line, found in zip(lines, named) if not found]
            if whole and lost:
                continue
            shown = file.relative_to(self.root)
            if any(named):
                notes.append(f"{shown} is the list of '{split}'")
            if lost:
                notes.append(f'{len(lost)} of the {len(lines)} lines of {shown} name no image '
                             f'with a mask, such as {lost[0].strip()!r:.80}')
            of_list = dict.fromkeys((path for found in named for path in found), split)
            twice.update((p, None) for p in of_list if of_image.get(p, split) != split)
            of_image.update(of_list)
        for one in list(twice)[:1]:
            notes.append(f'{len(twice)} images are in the lists of two splits, such as {one}, '
                         f"which is taken for '{of_image[one]}'")
        return of_image, notes, bool(twice)
