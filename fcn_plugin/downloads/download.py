"""Downloading large files over lines that break."""
import contextlib
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ..utils.errors import InputError
from ..version import __version__

_CHUNK = 1 << 18  # bytes
_TIMEOUT = 60  # seconds without a byte
_TOTAL = re.compile(r'bytes (?:(\d+)-\d+|\*)/(\d+|\*)')


class _Cut(OSError):
    """The connection broke, or the server failed for the moment: try again."""


def byte_progress() -> Progress:
    """A bar that counts bytes."""
    return Progress(TextColumn('{task.description}'), BarColumn(), DownloadColumn(),
                    TransferSpeedColumn(), TimeRemainingColumn())


def check_digest(path: str | Path, checksum: str) -> None:
    """Compares a file with its published checksum.

    Args:
        path (str or Path): The file.
        checksum (str): Algorithm and hexadecimal digest, such as ``'md5:d41d8c...'``.

    Raises:
        ValueError: If they differ.
    """
    algorithm, _, expected = checksum.partition(':')
    with open(path, 'rb') as file:
        # Some systems refuse MD5 unless told that it is not for security.
        found = hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    if found != expected.lower():
        raise InputError(
            f'{path} has the {algorithm.upper()} {found}, expected {expected}')


def download(url: str, path: str | Path, checksum: str | None = None) -> Path:
    """Downloads a file, and resumes an earlier attempt.

    The bytes are kept in ``<path>.part`` until the file is complete and checked. When
    the connection breaks, the next one begins at once and goes on from there, as long as
    it brings more bytes. Otherwise the error says that the same call resumes later. A
    server that cannot send a part of a file sends it from the start.
    (``torch.hub.download_url_to_file`` starts anew each time and knows SHA-256 alone.)

    Args:
        url (str): http or https.
        path (str or Path): Where the file goes. A file that is there already is checked
            and kept.
        checksum (str, optional): See :func:`check_digest`. Defaults to None: nothing is
            checked, and parts of different files may be joined unnoticed.

    Returns:
        Path: ``path``.

    Raises:
        OSError: If the server cannot be reached or refuses; the bytes so far are kept.
        ValueError: If the checksum differs; the downloaded bytes are removed, but not a
            file that was there before.
    """
    if not url.startswith(('http://', 'https://')):
        raise InputError(f'{url} cannot be downloaded, expected http:// or https://')
    path = Path(path)
    if path.exists():
        if checksum:
            try:
                check_digest(path, checksum)
            except ValueError as error:
                raise InputError(f'{error}: move it away, and it is downloaded '
                                 'again') from None
        return path
    part = path.with_name(f'{path.name}.part')
    part.parent.mkdir(parents=True, exist_ok=True)
    part.touch()
    try:
        _receive_all(url, part)
    finally:
        if not part.stat().st_size:
            part.unlink()
    if checksum:
        try:
            check_digest(part, checksum)
        except ValueError as error:
            part.unlink()
            raise InputError(
                f'{url}: {error}. The file has been removed: it was damaged on '
                'its way, or the server has another one now') from None
    os.replace(part, path)
    return path


def _receive_all(url: str, part: Path) -> None:
    """Fills ``part``, over as many connections as are needed."""
    with byte_progress() as progress:
        task = progress.add_task(part.stem, total=None)
        most = part.stat().st_size
        while True:
            try:
                _receive(url, part, lambda done, total: progress.update(
                    task, completed=done, total=total))
                return
            except _Cut as cut:
                arrived = part.stat().st_size
                if arrived <= most:  # nothing new came
                    raise OSError(
                        f'{url}: {cut}; {arrived} bytes are in {part}, and the same '
                        'command goes on from there') from None
                most = arrived


def _receive(url: str, part: Path,
             report: Callable[[int, int | None], None]) -> None:
    """One connection: appends the missing bytes to ``part``.

    Args:
        url (str): The address.
        part (Path): The file of the bytes so far.
        report (Callable): Called with the number of bytes so far, and of all.

    Raises:
        _Cut: If the connection ended early.
        OSError: If the server refuses.
    """
    have = part.stat().st_size
    headers = {'User-Agent': f'fcn_plugin/{__version__}',
               'Accept-Encoding': 'identity'}
    if have:
        headers['Range'] = f'bytes={have}-'
    request = urllib.request.Request(url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            if error.code == 416 and have:  # no bytes after those that we have
                whole = _TOTAL.fullmatch(error.headers.get('Content-Range', ''))
                if whole and whole[2] == str(have):
                    return
                part.write_bytes(b'')  # its bytes are of another file
                return _receive(url, part, report)
            answer = f'the server answers {error.code} {error.reason}'
            if error.code >= 500:
                raise _Cut(answer) from None
            raise OSError(f'{url}: {answer}; is the address right? Else name a '
                          'mirror') from None
    except (OSError, http.client.HTTPException) as error:
        raise _Cut(f'no connection ({getattr(error, "reason", error)})') from None

    with response:
        length = response.headers.get('Content-Length', '')
        total = int(length) if length.isdecimal() else None
        if response.status == 206:
            span = _TOTAL.fullmatch(response.headers.get('Content-Range', ''))
            if not span or span[1] != str(have):
                raise OSError(
                    f'{url}: asked for the bytes from {have} on, but got '
                    f'{response.headers.get("Content-Range")!r}; remove {part} to start '
                    'anew')
            total = None if total is None else have + total
        else:
            have = 0
        with open(part, 'ab' if have else 'wb') as file:
            report(have, total)
            while True:
                try:
                    chunk = response.read(_CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise _Cut(f'the connection broke ({error})') from None
                if not chunk:
                    break
                file.write(chunk)
                have += len(chunk)
                report(have, total)
    if total is not None and have < total:
        raise _Cut(f'the connection ended after {have} of {total} bytes')
