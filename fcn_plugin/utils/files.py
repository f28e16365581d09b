"""Writing so that nothing half-written is left under its final name."""
import codecs
import contextlib
import errno
import functools
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from .errors import InputError
from .paths import IMAGE_SUFFIXES, VIDEO_SUFFIXES, PathLike

#: What a disk answers that is full, fails, or may not be written.
_OF_DISKS = {getattr(errno, name) for name in ('EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EFBIG')
             if hasattr(errno, name)}


def write_text(path: Path, text: str) -> None:
    """See :func:`write_bytes`; encoded as UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes, to_disk: bool = False) -> None:
    """Writes a file beside its place and then renames it.

    Several processes may write the same file: one of the contents is there in the end.

    Args:
        path (Path): Replaced where it exists; its folder is made where it does not.
        content (bytes): Of the file.
        to_disk (bool): See :func:`replacing`. Defaults to False.

    Raises:
        OSError: If it cannot be written; then the file is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f'{path.name}.{uuid4().hex[:8]}.part')
    with _becoming(path, beside, to_disk):
        beside.write_bytes(content)


def read_list(path: Path) -> list[str]:
    """The lines of a list in UTF-8, with a mark at its beginning or without.

    Raises:
        ValueError: If it is no text, or has nothing but blanks.
    """
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputError(f'{path} is no text in UTF-8 ({error}): save it as such') from None
    if not text.strip():
        raise InputError(f'{path} is an empty list')
    return text.splitlines()


def decoded_text(path: Path) -> str:
    """A text file in UTF-8, UTF-16 or, as older Windows programs write, cp1252."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode('utf-16', errors='replace')
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError:
        return data.decode('cp1252', errors='replace')


@contextlib.contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside ``folder``, on the same disk, that goes away afterwards.

    What is complete is taken out of it by :func:`move_into`. It is called
    ``<name>.part``; what a killed process left under that name is removed.
    """
    folder = folder.resolve()
    staging = folder.with_name(f'{folder.name}.part')
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        with naming_disk('', folder, staging):
            yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def new_folder(parent: str | Path, name: str) -> str:
    """Makes a folder that was not there, also where several processes do so at once.

    Args:
        parent (str or Path): Where it shall lie; made where it is missing.
        name (str): Its name; '_2', '_3' and so on are put behind where it is taken.

    Returns:
        str: The name that it got.
    """
    free, number = name, 1
    while True:
        try:
            Path(parent, free).mkdir(parents=True)
            return free
        except FileExistsError:
            number += 1
            free = f'{name}_{number}'


def move_into(source: Path, target: Path) -> None:
    """Renames a folder, or its files one by one if the target exists.

    Args:
        source (Path): On the same disk as ``target``.
        target (Path): Files in it of the same names are replaced, others stay.
    """
    target = target.resolve()
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        return
    for path in sorted(source.rglob('*')):  # folders before what is in them
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            os.replace(path, place)


@contextlib.contextmanager
def replacing(path: Path, to_disk: bool = False) -> Iterator[Path]:
    """A file to write in place of ``path``, which it becomes once it is complete.

    For writers that go by the suffix, which it shares; it is called
    ``<stem>.part<suffix>``. After an error it is removed, and ``path`` is untouched.

    Args:
        path (Path): Replaced where it exists.
        to_disk (bool): Waits until all bytes are on the disk, some milliseconds, so that
            they outlive a power cut. Defaults to False.

    Raises:
        OSError: With ``path``, if it cannot be written.
    """
    beside = path.with_name(f'{path.stem}.part{path.suffix}')
    with _becoming(path, beside, to_disk):
        yield beside


@contextlib.contextmanager
def _becoming(path: Path, beside: Path, to_disk: bool) -> Iterator[None]:
    try:
        with naming_disk('; what was there is as it was', path, beside):
            yield
            if to_disk:
                with open(beside, 'rb+') as file:
                    os.fsync(file.fileno())
            os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def naming_disk(more: str, path: str | Path, beside: Path | None = None) -> Iterator[None]:
    """Says of an error of the disk, which often names no file, which one it was.

    Args:
        more (str): What follows the disk's answer.
        path (str or Path): Named where the error names no file.
        beside (Path, optional): A file or folder for which ``path`` is named, too; errors of
            other files stay as they are. Defaults to None: all get ``more``, and keep their
            names.

    Raises:
        OSError: With the same number.
    """
    try:
        yield
    except OSError as error:
        name = error.filename
        other = name is not None and not (beside and Path(str(name)).is_relative_to(beside))
        if error.errno not in _OF_DISKS or (beside and other):
            raise
        raise OSError(error.errno, f'{str(error.strerror).removesuffix(more)}{more}',
                      str(name if other else path)) from error


def output_folder(path: PathLike) -> Path:
    """A folder to write into, which need not exist.

    Raises:
        NotADirectoryError: If it is a file, or is called like a picture or a video.
    """
    folder = Path(path).expanduser()
    suffix = folder.suffix.lower()
    if folder.is_file() or not folder.is_dir() and suffix in IMAGE_SUFFIXES + VIDEO_SUFFIXES:
        what = 'is a file' if folder.is_file() else f'ends in {folder.suffix}'
        raise NotADirectoryError(f"'{path}' {what}, expected a folder: files are written into "
                                 'it, named after what they are of')
    return folder


def no_outputs(inputs: Sequence[Path | None], outputs: Iterable[Path]) -> list[int]:
    """Places of the inputs that are not the outputs of others, as in a folder into which a
    former run has written.

    Args:
        inputs (Sequence[Path or None]): Files, or what is none.
        outputs (Iterable[Path]): What they will be written to.
    """
    real = functools.cache(os.path.realpath)  # of folders, which are few
    ours = {(real(file.parent), file.name) for file in outputs}
    return [place for place, path in enumerate(inputs)
            if path is None or (real(path.parent), path.name) not in ours]


def check_writable(path: Path, option: str = '--out') -> None:
    """Raises PermissionError before work is done for a place that may not be written.

    Args:
        path (Path): A file or a folder, there or not: the folder on the way to it that is
            there is tried.
        option (str): What names another place. Defaults to '--out'.
    """
    path = path.expanduser().absolute()
    folder = next(each for each in (path, *path.parents) if os.path.isdir(each))
    try:
        _try_writing(folder)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise PermissionError(f"nothing can be written to '{folder}' ({error.strerror}): "
                                  f'name another place by {option}') from None


@functools.lru_cache(1000)  # once a folder, not once an image
def _try_writing(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder):
        pass


def check_outputs(files: Iterable[Path], overwrite: bool) -> None:
    """Raises FileExistsError for a file that exists, unless it may be overwritten, and
    PermissionError for a place that may not be written."""
    files = list(files)
    for folder in {file.parent for file in files}:
        check_writable(folder)
    existing = [] if overwrite else [file for file in files if os.path.exists(file)]
    if existing:
        more = f' and {len(existing) - 1} more' if len(existing) > 1 else ''
        raise FileExistsError(f"there is '{existing[0]}'{more} already: allow it to be "
                              'replaced (--overwrite), or name another folder '
                              '(--out-dir)')
