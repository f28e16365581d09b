"""Arrays out of MATLAB 5 files."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError, MissingPackageError


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
    with open(path, 'rb') as file:
        try:
            return loadmat(file, variable_names=list(keys))
        except Exception as error:  # scipy answers other files with almost any type
            reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:200]
            raise InputError(f'{path} is no MATLAB 5 file ({reason})') from error


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
