"""The files of a folder, and the names that lists and exports call them by."""
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from .errors import InputError
from .paths import IMAGE_SUFFIXES, VIDEO_SUFFIXES

#: A path that ends as images do, before a blank or what else parts two of them.
_IMAGE = re.compile(rf'(.+?(?:{"|".join(map(re.escape, IMAGE_SUFFIXES))}))(?=[\s,;"]|$)',
                    re.IGNORECASE)
#: Names of what ``fcn predict`` writes: of the input, and what it is.
_WRITTEN = re.compile('(.+)_(overlay|labels(?:_.+)?|heatmap_.+)')


def every_file(root: Path) -> Iterator[Path]:
    """All files below a folder, behind links to folders too; each folder once.

    Raises:
        ValueError: If a folder in it may not be read; hidden ones and lost+found are passed
            over.
    """
    links, seen = [str(root)], set()
    while links:
        for folder, folders, names in os.walk(links.pop(0), onerror=_refuse):
            real = os.path.realpath(folder)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            inner = [os.path.join(folder, name) for name in sorted(folders)]
            links += filter(os.path.islink, inner)  # which os.walk passes over
            yield from (Path(folder, name) for name in sorted(names))


def _refuse(error: OSError) -> None:
    folder = Path(error.filename)
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return  # callers say that
    if folder.name != 'lost+found' and not folder.name.startswith('.'):
        raise InputError(f'{folder}: what is in this folder cannot be read: {error.strerror}')


def written_by_predict(files: Iterable[Path]) -> dict[Path, str]:
    """Those of some files that ``fcn predict`` has written, and what they are: 'overlay',
    'labels', 'labels_<task>' or 'heatmap_<class>'.

    Its pictures are known by what lies in their folder: NAME_overlay.jpg beside
    NAME_labels.png, and of a video NAME_overlay.mp4 beside NAME.mp4.
    """
    there: dict[Path, set[str]] = {}
    found = {}
    for file in files:
        match = _WRITTEN.fullmatch(file.stem)
        if not match:
            continue
        if file.parent not in there:
            there[file.parent] = {Path(name).stem for name in os.listdir(file.parent)
                                  if name.lower().endswith(IMAGE_SUFFIXES + VIDEO_SUFFIXES)}
        beside = '' if file.suffix.lower() in VIDEO_SUFFIXES else '_labels'
        if {f'{match[1]}_overlay', match[1] + beside} <= there[file.parent]:
            found[file] = match[2]
    return found


def plain(name: str) -> str:
    """A name in the form that macOS, which takes letters apart, and others agree on."""
    return unicodedata.normalize('NFC', name)


def parts_of(name: str) -> tuple[str, ...]:
    """The folders and the name of a path, with slashes of either kind."""
    parts = plain(name).replace('\\', '/').split('/')
    return tuple(part for part in parts if part not in ('', '.', '..'))


def name_apart(path: str, seen: dict[str, str]) -> str:
    """A file's name, with as many of its folders before it as tell it from those seen.

    Args:
        path (str): The file.
        seen (dict[str, str]): Names given so far, and of what; takes this one.
    """
    parts, count = Path(path).parts, 1
    while count < len(parts) and seen.get('_'.join(parts[-count:]), path) != path:
        count += 1
    name = '_'.join(parts[-count:])
    seen.setdefault(name, path)
    return name


class NamedFiles:
    """Files of a folder, found by the lines of lists.

    Args:
        root (Path): The folder.
        files (Iterable[Path]): In it.
    """

    def __init__(self, root: Path, files: Iterable[Path]) -> None:
        self._files: dict[str, list[tuple[tuple[str, ...], Path]]] = defaultdict(list)
        for file in files:
            *folders, name = parts_of(file.relative_to(root).as_posix())
            for key in {name, Path(name).stem}:
                self._files[key].append((tuple(folders), file))

    def of_line(self, line: str) -> list[Path]:
        """The files that a line means: several, where they differ in folders alone and it
        names none of these.

        Args:
            line (str): A name or a path from anywhere, with its suffix or without, and
                perhaps others behind it, or the number of the line before it.
        """
        for text in _paths_in(line):
            *folders, name = parts_of(text) or ('', )
            stem, suffix = os.path.splitext(name)
            for key in (name, stem) if suffix.lower() in IMAGE_SUFFIXES else (name, ):
                if key in self._files:
                    return _nearest(tuple(folders), self._files[key])
        return []


def _paths_in(line: str) -> Iterator[str]:
    """What may be the path at the beginning of a line; names may have blanks and commas."""
    line = line.strip().lstrip('"\'')
    found = _IMAGE.match(line)
    if found:
        yield found[1]
    for text in (line, re.split(r'[\t,;]', line)[0], line.split()[0] if line else ''):
        yield text.strip(' "\'')
    counted = re.match(r'\d+[\s,;]+(?=\S*[^\d\s,;-])', line)  # HELEN: '1 , 100032540_1'
    if counted:
        yield from _paths_in(line[counted.end():])


def _nearest(wanted: tuple[str, ...], files: list[tuple[tuple[str, ...], Path]]
             ) -> list[Path]:
    """Those whose folders agree best: from the last one on, then anywhere, then in number."""
    def agreement(folders: tuple[str, ...]) -> tuple[int, int, int]:
        last = 0
        while folders[-1 - last:][:1] == wanted[-1 - last:][:1] and last < min(
                len(folders), len(wanted)):
            last += 1
        return last, len(set(folders) & set(wanted)), -len(folders)
    best = max(agreement(folders) for folders, _ in files)
    return [file for folders, file in files if agreement(folders) == best]
