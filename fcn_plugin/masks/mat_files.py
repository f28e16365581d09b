"""Arrays out of MATLAB 5 files."""
import io
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.errors import InputError, MissingPackageError

# Types of elements of a MATLAB 5 file: numbers and texts, arrays, and a compressed array.
_PLAIN, _ARRAY, _COMPRESSED = {*range(1, 8), 9, 12, 13, 16, 17, 18}, 14, 15
# Classes of arrays that hold an array for each of their cells, and all that hold arrays:
# cells, structs, objects; functions and opaque ones too.
_CELL, _STRUCT, _OBJECT = 1, 2, 3
_OF_CELLS = (_CELL, _STRUCT, _OBJECT)
# Which of their elements are the length and the names of their fields.
_FIELDS = {_STRUCT: 3, _OBJECT: 4}
_OF_ARRAYS = (*_OF_CELLS, 16, 17)
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
    """Raises an error for elements of other types than their place asks for, or too few.

    scipy 1.17 looks up how numbers of a type are read without asking whether the type has
    numbers, and the process ends. It also makes room for as many cells as an array is said to
    have before it reads the first. Files of other versions are left to scipy.
    """
    order = '<' if data[126:128] == b'IM' else '>'
    if data[125 if order == '<' else 124:][:1] == b'\1':
        _check_elements(data, 128, len(data), order, (_ARRAY, _COMPRESSED))


def _element(data: bytes, place: int, order: str) -> tuple[int, int, int, int]:
    """Type of the element at ``place``, its content's start and end, and the next's place."""
    kind, size = struct.unpack_from(f'{order}II', data, place)
    if kind >> 16:  # up to four bytes stand within the head
        return kind & 0xffff, place + 4, place + 4 + (kind >> 16), place + 8
    start = place + 8
    return kind, start, start + size, start + size + (0 if kind == _COMPRESSED else -size % 8)


def _check_elements(data: bytes, place: int, stop: int, order: str,
                    others: Sequence[int]) -> None:
    """Elements from ``place`` to ``stop``, plain or of the types ``others``."""
    while place < stop:
        kind, start, end, place = _element(data, place, order)
        size = end - start
        if end > stop or kind == _ARRAY and 0 < size < 16:
            raise ValueError(f'an element of {size} bytes where {stop - start} are left')
        if kind not in _PLAIN and kind not in others:
            raise ValueError(f'an element of the type {kind} is out of place')
        if kind == _ARRAY and size:
            holds = data[start + (0 if order == '<' else 3) + 8]
            _check_elements(data, start, end, order, (_ARRAY, ) * (holds in _OF_ARRAYS))
            if holds in _OF_CELLS:
                _check_cells(data, start, end, order, holds)
        if kind == _COMPRESSED:
            inner = zlib.decompressobj().decompress(data[start:end], _MOST_BYTES)
            _check_elements(inner, 0, len(inner), order, (_ARRAY, ))


def _check_cells(data: bytes, start: int, end: int, order: str, holds: int) -> None:
    """An array whose cells, or their fields, each are an array of 8 bytes or more."""
    parts, place = [], start
    while place < end and len(parts) < 6:
        _, first, last, place = _element(data, place, order)
        parts.append(data[first:last])
    # Flags; sizes; name; of an object its class; length of the fields' names, and these.
    cells = struct.unpack(f'{order}{len(parts[1]) // 4}i', parts[1])
    fields = 1
    if holds != _CELL:
        length, names = parts[_FIELDS[holds]:][:2]
        fields = len(names) // max(struct.unpack(f'{order}i', length)[0], 1)
    if math.prod(cells) * max(fields, 1) * 8 > end - start:
        raise ValueError(f'an array of {" x ".join(map(str, cells))} cells in '
                         f'{end - start} bytes')


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
