"""Reads images of any number of channels; needs neither torch nor mmcv."""
import io
import math
import struct
from pathlib import Path

import cv2
import numpy as np

from ..utils.errors import InputError, MissingPackageError
from .channels import turned
from .lzw import check_lzw

TIFF_MAGIC = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
"""How TIFF files begin: of both orders of bytes, the last two of more than 4 GB."""

_PNG_MAGIC = b'\x89PNG\r\n\x1a\n'
_ALWAYS_READ = 2 ** 28  # bytes of pixels


def read_channels(content: bytes, name: str) -> np.ndarray:
    """Reads all channels of an image in the file's order, none dropped and none converted.

    TIFF is read by tifffile, whose channels may be stored pixel by pixel, plane by plane or
    as one page each. OpenCV reads PNG and others. It would drop or exchange
    channels of a TIFF of two or four, and reads none of more.

    Args:
        content (bytes): What the file holds.
        name (str): The file's name, for errors.

    Returns:
        np.ndarray: (H, W, C), uint8, uint16, int16 or float32.

    Raises:
        ValueError: If it cannot be read or is no single image.
        ImportError: If it is TIFF and tifffile is not installed.
    """
    if content[:4] in TIFF_MAGIC:
        image = _read_tiff(content, name)
    else:
        _check_chunks(content, name)
        try:
            decoded = cv2.imdecode(np.frombuffer(content, np.uint8),
                                   cv2.IMREAD_UNCHANGED) if content else None
        except cv2.error as error:  # of more pixels than it reads
            raise InputError(f"cannot read the image '{name}': OpenCV refuses it "
                             f'({error.err})') from error
        if decoded is None:
            raise InputError(f"cannot read the image '{name}': it is no TIFF, and OpenCV "
                             'cannot decode it')
        image = np.atleast_3d(decoded)
        image = image[..., turned(image.shape[2])]
    if image.dtype.kind == 'c':
        raise InputError(f"cannot read the image '{name}': its numbers are complex; write "
                         'their magnitude, or real and imaginary parts as channels')
    if image.dtype not in (np.uint8, np.uint16, np.int16, np.float32):
        image = image.astype(np.float32)
    return np.ascontiguousarray(image)


def _check_chunks(content: bytes, name: str) -> None:
    """Raises ValueError where a chunk of a PNG reaches beyond its end.

    OpenCV makes room for all of a chunk before it reads it: 90 bytes took 4 GB.
    """
    at, kind = 8, b''
    while content[:8] == _PNG_MAGIC and kind != b'IEND' and at < len(content):
        size, kind = int.from_bytes(content[at:at + 4], 'big'), content[at + 4:at + 8]
        at += 12 + size  # size, kind and checksum
        if at > len(content) or kind == b'IEND' and size:
            raise InputError(f"cannot read the image '{name}': it is cut or damaged, as a "
                             f'chunk says that it has {size} bytes, of {len(content)} in all')


def _read_tiff(content: bytes, name: str) -> np.ndarray:
    try:
        import tifffile
    except ImportError as error:
        raise MissingPackageError('multispectral TIFF needs more than is installed: pip '
                                  "install 'mmseg-fcn-plugin[multispectral]'") from error
    _check_directories(content, name)
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            series = file.series[0]
            # What is missing in the file, tifffile fills with zeros. No packing that it
            # knows makes a thousandth of what it is given.
            if series.nbytes > max(_ALWAYS_READ, 1100 * len(content)):
                raise InputError(f"cannot read the image '{name}': {len(content)} bytes "
                                 f'cannot hold the {series.nbytes} that its header promises')
            pages = [page for page in series.pages if page is not None]  # None: of zeros
            _check_segments(pages, name)
            for page in pages:
                for at, size in zip(page.dataoffsets, page.databytecounts):
                    check_lzw(page.keyframe, memoryview(content)[at:at + size])
            axes, image = series.axes, series.asarray()
    except InputError:
        raise
    except Exception as error:  # one of its own for each part of a file
        raise InputError(f"cannot read the image '{name}': {error}") from error
    if image.ndim != len(axes) or not image.size:
        raise InputError(f"cannot read the image '{name}': it is damaged, as it holds "
                         f'{image.size} numbers for the axes {axes}')
    if axes == 'YX':
        return image[..., None]
    if len(axes) != 3 or not {'Y', 'X'} <= set(axes):
        raise InputError(f"cannot read the image '{name}': it holds an array of "
                         f'{image.shape} with the axes {axes}, expected the height Y, the '
                         'width X and one axis of channels')
    channels, = set(axes) - {'Y', 'X'}
    return image.transpose([axes.index(axis) for axis in ('Y', 'X', channels)])


def _check_segments(pages: list, name: str) -> None:
    """Raises ValueError where pages of a TIFF list too few tiles or strips, or all are empty.

    Single ones may be empty: GDAL leaves out those of which nothing is known.
    """
    for page in pages:
        listed = min(len(page.dataoffsets), len(page.databytecounts))
        expected = math.prod(page.chunked)
        if listed < expected:
            raise InputError(f"cannot read the image '{name}': it is damaged, as it lists "
                             f'{listed} tiles or strips, expected {expected}')
    if not any(size and at for page in pages
               for at, size in zip(page.dataoffsets, page.databytecounts)):
        raise InputError(f"cannot read the image '{name}': all its tiles or strips are empty")


def _check_directories(content: bytes, name: str) -> None:
    """Raises ValueError where directories of a TIFF lie over one another.

    A file of two kilobytes can have a thousand of them that way, each with the same thousands
    of tags, and keeps tifffile busy for minutes.
    """
    order = '<' if content[:2] == b'II' else '>'
    big = 43 in content[2:4]
    count, link, entry = ('Q', 'Q', 20) if big else ('H', 'I', 12)

    def number(kind: str, at: int) -> int:
        fits = at + struct.calcsize(kind) <= len(content)
        return struct.unpack_from(order + kind, content, at)[0] if fits else 0
    at, left = number(link, 8 if big else 4), len(content)
    while at:
        taken = struct.calcsize(count) + number(count, at) * entry
        left -= taken
        # Without the link behind a directory tifffile finds directories without end.
        if left < 0 or at + taken + struct.calcsize(link) > len(content):
            raise InputError(f"cannot read the image '{name}': it is damaged, as its "
                             'directories lie over one another or beyond its end')
        at = number(link, at + taken)


def tiff_size(path: str) -> tuple[int, int] | None:
    """(W, H) of a TIFF; None of other and damaged files, and without tifffile."""
    try:
        import tifffile
    except ImportError:
        return None
    try:
        with tifffile.TiffFile(path) as file:
            return int(file.pages[0].imagewidth), int(file.pages[0].imagelength)
    except OSError:
        raise
    except Exception:  # one of its own for each part of a file
        return None


def check_channels(image: np.ndarray, channels: int, name: str | Path) -> None:
    """Raises ValueError if an image (H, W, C) has not that many channels."""
    if image.shape[2] != channels:
        raise InputError(f"the image '{name}' has {image.shape[2]} channels, expected "
                         f'{channels}')
