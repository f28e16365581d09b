"""Arrays out of MATLAB 5 files."""
import io
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.errors import InputError, MissingPackageError

# Types of elements of a MATLAB 5 file: numbers and texts, arrays, and a compressed array.
_PLAIN, _ARRAY, _COMPRESSED = {*range(1, 8), 9, 12, 13, 16, 17, 18}, 14, 15
# Classes of arrays that hold arrays: cells, structs, objects, functions, opaque ones.
_OF_ARRAYS = (1, 2, 3, 16, 17)
_MOST_BYTES = 2 ** 28


def load_mat(path: str | Path, keys: Sequence[str]) -> dict[str, Any]:
    """Reads variables as scipy gives them.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: Without scipy.
        ValueError: If it is another kind of file.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingPackageError("MATLAB's files are read by scipy, which is not "
                                  'installed: pip install scipy') from error
    data = Path(path).read_bytes()
    try:
        _check(data)
        return loadmat(io.BytesIO(data), variable_names=list(keys))
    except Exception as error:  # scipy answers other files with almost any type
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
        raise InputError(f'{path} is no MATLAB 5 file ({reason})') from error


def _check(data: bytes) -> None:
    """Raises an error for elements of other types than their place asks for.

    scipy 1.17 looks up how numbers of a type are read without asking whether the type has
    numbers, and the process ends. Files of other versions are left to scipy.
    """
    order = '<' if data[126:128] == b'IM' else '>'
    if data[125 if order == '<' else 124:][:1] == b'\1':
        _check_elements(data, 128, len(data), order, (_ARRAY, _COMPRESSED))


def _check_elements(data: bytes, place: int, stop: int, order: str,
                    others: Sequence[int]) -> None:
    """Elements from ``place`` to ``stop``, plain or of the types ``others``."""
    while place < stop:
        kind, size = struct.unpack_from(f'{order}II', data, place)
        place += 8
        if kind >> 16:  # up to four bytes stand within the head
            kind, size = kind & 0xffff, 0
        if place + size > stop or kind == _ARRAY and 0 < size < 16:
            raise ValueError(f'an element of {size} bytes where {stop - place} are left')
        if kind not in _PLAIN and kind not in others:
            raise ValueError(f'an element of the type {kind} is out of place')
        if kind == _ARRAY and size:
            of_arrays = data[place + (8 if order == '<' else 11)] in _OF_ARRAYS
            _check_elements(data, place, place + size, order, (_ARRAY, ) * of_arrays)
        if kind == _COMPRESSED:
            inner = zlib.decompressobj().decompress(data[place:place + size], _MOST_BYTES)
            _check_elements(inner, 0, len(inner), order, (_ARRAY, ))
        place += size if kind == _COMPRESSED else size + -size % 8


def read_mat(path: str | Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Reads arrays of numbers.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: Without scipy.
        ValueError: If it is another kind of file, or lacks a key, with that key's name.
    """
    found = load_mat(path, keys)
    for key in keys:
        if key not in found or found[key].dtype.kind not in 'iuf':
            raise InputError(f"{path} has no '{key}', expected numbers under it")
    return {key: found[key] for key in keys}
