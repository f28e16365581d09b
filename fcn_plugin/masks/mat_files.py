"""Arrays out of MATLAB 5 files."""
import io
import math
import struct
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..utils.errors import InputError, MissingPackageError

# Types of the elements of a MATLAB 5 file: numbers, texts, arrays and compressed arrays.
_INT8, _INT32, _UINT32, _ARRAY, _COMPRESSED = 1, 5, 6, 14, 15
_NUMBERS = (*range(1, 8), 9, 12, 13)
_SIZES, _NAMES, _TEXTS = (_INT32, _UINT32), (_INT8, 16), (*_NUMBERS, 16, 17, 18)
# Classes of arrays; those from 6 to 15 hold numbers, the later ones what no mask is.
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE, _FUNCTION, _OPAQUE = 1, 2, 3, 4, 5, 16, 17
_MOST_BYTES = 2 ** 28  # of a variable that is compressed


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
        _check(data, keys)
        return loadmat(io.BytesIO(data), variable_names=list(keys))
    except Exception as error:  # scipy answers other files with almost any type
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
        raise InputError(f'{path} is no MATLAB 5 file ({reason})') from error


def _check(data: bytes, keys: Sequence[str]) -> None:
    """Walks through the variables ``keys`` as scipy will, and raises where it must not.

    scipy 1.17 makes room for all cells that an array is said to have, and reads numbers of
    types that have none: the process ends. Files of other versions are left to it.
    """
    order, version, place = ('<', 125, 128) if data[126:128] == b'IM' else ('>', 124, 128)
    while data[version:version + 1] == b'\1' and place < len(data):
        kind, size = struct.unpack_from(f'{order}II', data, place)
        variable = data[place:place + 8 + size]
        if kind == _COMPRESSED:
            variable = zlib.decompressobj().decompress(variable[8:], _MOST_BYTES)
        _Walk(variable, order).array(keys)
        place += 8 + size


class _Walk:
    """A walk through the elements of a variable, whose bytes are in the order '<' or '>'."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data, self.order, self.place = data, order, 0

    def array(self, keys: Sequence[str] | None = None) -> None:
        """The next array; past its head only if its name is among ``keys``."""
        kind, size = self._integers(2)
        if kind != _ARRAY:
            raise ValueError(f'an element of the type {kind} is out of place')
        if not size:
            return
        *head, flags, _ = self._integers(4)
        holds = flags & 0xff
        if head != [_UINT32, 8]:
            raise ValueError('an array begins without its flags')
        if keys is not None and holds == _OPAQUE:  # it has no name
            return
        sizes = np.frombuffer(self._element(_SIZES), f'{self.order}i4').tolist()
        if min(sizes, default=-1) < 0:
            raise ValueError(f'an array has the sizes {sizes}')
        name = self._element(_NAMES).decode('latin1')
        if keys is None or name in keys:
            self._content(holds, math.prod(sizes), flags >> 11 & 1)

    def _content(self, holds: int, cells: int, imaginary: int) -> None:
        """What follows the name of an array of the class ``holds``."""
        arrays = cells if holds == _CELL else 0
        if holds in (_STRUCT, _OBJECT):
            if holds == _OBJECT:
                self._element(_NAMES)
            length = int(np.frombuffer(self._element(_SIZES), f'{self.order}i4')[0])
            if length < 1:
                raise ValueError(f'names of fields have a length of {length}')
            arrays = cells * (len(self._element(_NAMES)) // length)
        elif holds == _CHAR:
            if not self._element(_TEXTS) and cells > len(self.data):  # read as so many blanks
                raise ValueError(f'a text of {cells} characters without content')
        elif _SPARSE <= holds < _FUNCTION:
            for _ in range((3 if holds == _SPARSE else 1) + imaginary):
                self._element(_NUMBERS)
        elif holds != _CELL:
            raise ValueError(f'an array of the class {holds}')
        for _ in range(arrays):
            self.array()

    def _integers(self, count: int) -> tuple[int, ...]:
        self.place += 4 * count
        return struct.unpack_from(f'{self.order}{count}I', self.data, self.place - 4 * count)

    def _element(self, kinds: Collection[int]) -> bytes:
        """The content of the next element, whose type must be among ``kinds``."""
        kind, size = self._integers(2)
        start = self.place
        if kind >> 16:  # up to four bytes stand within the head
            kind, size, start = kind & 0xffff, kind >> 16, start - 4
        else:
            self.place += size + -size % 8
        if start + size > min(self.place, len(self.data)):
            raise ValueError(f'an element of {size} bytes has no room')
        if kind not in kinds:
            raise ValueError(f'an element of the type {kind} is out of place')
        return self.data[start:start + size]


def read_mat(path: str | Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Reads arrays of numbers.

    Raises:
        ValueError: As :func:`load_mat`, or if it lacks a key, with that key's name.
    """
    found = load_mat(path, keys)
    for key in keys:
        # neither texts nor sparse matrices
        if not isinstance(found.get(key), np.ndarray) or found[key].dtype.kind not in 'iuf':
            raise InputError(f"{path} has no '{key}', expected numbers under it")
    return {key: found[key] for key in keys}
