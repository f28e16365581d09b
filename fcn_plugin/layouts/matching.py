"""Which images of a folder the regions of exports are of."""
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from urllib.parse import unquote

from ..annotations.regions import Annotated
from ..utils.errors import first_of
from ..utils.names import parts_of, plain


def match(root: Path, files: Collection[Path], pictures: Collection[Path],
          records: Sequence[Annotated], notes: list[str], faults: list[str]
          ) -> tuple[dict[Path, list[Annotated]], list[Path]]:
    """Finds the images of exports in a folder.

    Args:
        root (Path): The folder.
        files (Collection[Path]): The images in it, and what may be some.
        pictures (Collection[Path]): Those that are images for certain.
        records (Sequence[Annotated]): Of all exports.
        notes, faults (list[str]): Take what was assumed, and what is missing or unclear.

    Returns:
        tuple: By file, what exports say of it; and the pictures that are to be labelled.
    """
    pictures = set(pictures)
    by_name = defaultdict(list)
    for path in files:
        for name in {plain(path.name), plain(path.stem), _UPLOADED + _as_uploaded(path.name)}:
            by_name[name].append(path)
    for name, paths in by_name.items():  # masks may be called as images are
        by_name[name] = [path for path in paths if path in pictures] or paths
    folders = {folder for path in pictures or files for folder in path.parents}
    times = Counter(parts_of(_address(name))[-1:] for name in {one.name for one in records})
    images_of = Counter(one.source for one in records)
    matched: dict[Path, list[Annotated]] = defaultdict(list)
    missing, moved = [], []
    for one in records:
        home = one.source.parent

        def near(fits, home=home):  # what lies beside images is of those
            return [path for path in fits if home in path.parents] if home in folders else fits
        name, address = one.name, _address(one.name)  # an image may be called so, too
        fits = max((_fitting(root, one, each, by_name, near) for each in (name, address)),
                   key=lambda fits: max((len(path.parts) for path in fits), default=0))
        if not fits and images_of[one.source] == 1:
            # A file of one image, beside an image that is called as the file is.
            fits = [path for path in by_name[plain(one.source.stem)]
                    if path.parent == home][:1]
        if len(fits) > 1:
            fits = [path for path in fits if path in pictures] or fits
        last = parts_of(address)[-1:]
        if not fits and last and times[last] == 1:
            # Its folder has another name here; no other image has its own name.
            fits = near(by_name[(parts_of(name) or last)[-1]]) or near(by_name[last[0]])
            if len(fits) == 1:
                moved.append(f'{one.name} for {fits[0].relative_to(root)}')
        if len(fits) > 1:
            faults.append(f"{one.source}: several images fit '{one.name}': "
                          f'{", ".join(str(p.relative_to(root)) for p in fits[:3])}. Rename '
                          'one, or name their folder by --images')
        elif fits:
            matched[fits[0]].append(one)
        elif one.fault:
            faults.append(one.fault)
        else:
            missing.append(f"'{one.name}' ({one.source})")
    for path, ones in matched.items():
        matched[path] = _of_one_path(root, path, ones, faults)
    if missing:
        faults.append(f'{len(missing)} images are not in {root}: '
                      + '; '.join(first_of(missing, 3)))
    several = [path for path, ones in matched.items()
               if sum(bool(one.regions) for one in ones) > 1]
    if several:
        notes.append(f'{len(several)} images have regions in several files, or several times '
                     f'in one, such as {several[0]}: all are drawn')
    if moved:
        notes.append(f'{len(moved)} images are found by their names alone, such as {moved[0]}')
    labelled = {path: records for path, records in matched.items()
                if any(one.labelled or one.fault for one in records)}
    unlabelled = sorted((set(files) & pictures | set(matched)) - set(labelled))
    return labelled, unlabelled


def _of_one_path(root: Path, path: Path, records: Sequence[Annotated], faults: list[str]
                 ) -> list[Annotated]:
    """The records of an image without those of an export that gives them several paths: they
    are of several images, of which one is here. What names it by its path stays."""
    kept, exports = [], defaultdict(list)
    for one in records:
        exports[one.source].append(one)
    for source, ones in exports.items():
        said = {parts_of(_address(one.name)): one.name for one in ones if one.labelled}
        if len(said) < 2:
            kept += ones
            continue
        exact = [parts for parts, name in said.items() if path in (
            Path(name), root.joinpath(*parts), source.parent.joinpath(*parts))][:1]
        names = [name for parts, name in said.items() if parts not in exact]
        faults.append(f'{source}: {", ".join(map(repr, names[:3]))} cannot be told from '
                      f'others of the name, of which {path} alone is here: keep the folders, '
                      'or leave them out of the file')
        kept += [one for one in ones if parts_of(_address(one.name)) in exact]
    return kept


def _address(name: str) -> str:
    """The path in an address, as Label Studio's COCO and YOLO have: '?d=a%20b/1.png'."""
    return unquote(name.rpartition('?d=')[2])


_UPLOADED = '/'  # before what Label Studio makes of a name; none has it


def _as_uploaded(name: str) -> str:
    """What Label Studio calls a file that is uploaded to it, behind eight digits."""
    return ''.join(sign for sign in plain(name).strip().replace(' ', '_')
                   if sign.isalnum() or sign in '-_.')


def _fitting(root: Path, one: Annotated, name: str, by_name: dict[str, list[Path]],
             near: Callable[[list[Path]], list[Path]]) -> list[Path]:
    """The images that an export may mean by a name: one, where folders decide."""
    parts = parts_of(name)
    if not parts:
        return []
    # Label Studio puts eight digits before the name of what is uploaded to it.
    uploaded = re.fullmatch(r'[0-9a-f]{8}-(.+)', parts[-1]) if 'upload' in parts else None
    more = [(uploaded[1], ), (_UPLOADED + uploaded[1], )] if uploaded else []
    for names in [parts, *more]:
        fits = []
        for path in by_name.get(names[-1], ()):
            own = parts_of(path.relative_to(root).as_posix())
            count = min(len(names), len(own)) - 1
            if own[len(own) - 1 - count:-1] == names[len(names) - 1 - count:-1]:
                fits.append(path)
        beside = one.source.parent.joinpath(*names)
        found = [path for path in fits if path in (beside, Path(name))] or near(fits)
        if found:
            return [path for path in found if path == root.joinpath(*names)] or found
    return []


def merged(records: Sequence[Annotated]) -> Annotated:
    """What several files say of one image."""
    first = next((one for one in records if one.size), records[0])
    fault = next((one.fault for one in records if one.fault), None)
    for one in records:
        if one.size not in (None, first.size) or one.shares != first.shares:
            fault = fault or (f'{one.source} and {first.source} give {one.name} two sizes, '
                              f'{one.size} and {first.size}')
    return first._replace(fault=fault, regions=tuple(
        region for one in records for region in one.regions))
