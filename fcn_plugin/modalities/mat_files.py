"""Arrays out of MATLAB 5 files."""
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..utils.errors import InputError, MissingPackageError


def read_mat(path: str | Path, keys: Sequence[str]) -> dict[str, np.ndarray]:
    """Reads arrays of numbers.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: Without scipy.
        ValueError: If it is another kind of file, or lacks a key, with that key's name.
    """
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise MissingPackageError("MATLAB's files are read by scipy, which is not "
                                  'installed: pip install scipy') from error
    with open(path, 'rb') as file:
        try:
            found = loadmat(file, variable_names=list(keys))
        except Exception as error:  # scipy answers other files with almost any type
            raise InputError(f'{path} is no MATLAB 5 file ({error})') from error
    for key in keys:
        if key not in found or found[key].dtype.kind not in 'iuf':
            raise InputError(f"{path} has no '{key}', expected numbers under it")
    return {key: found[key] for key in keys}
