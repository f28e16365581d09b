"""Batches as tables have them: a column of images comes in, one of labels goes out."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..utils.errors import InputError

#: What a column of images may be called, and what then lies in it.
_COLUMNS = dict(image='arrays (H, W, 3)', bytes='files', path="files' names")


def images_of(batch: Mapping[str, Any]) -> Sequence:
    """The images of a batch, one a row: the first of :data:`_COLUMNS` that is there.

    Raises:
        ValueError: If there is none.
    """
    for name in _COLUMNS:
        if name in batch:
            return batch[name]
    raise InputError(f'a batch has the columns {", ".join(map(str, batch)) or "none"}, but '
                     'images are in one called '
                     + ' or '.join(f"'{name}' ({what})" for name, what in _COLUMNS.items()))


def with_results(batch: Mapping[str, Any], labels: Sequence, scores: Sequence,
                 tasks: Mapping[str, Sequence]) -> Any:
    """The batch (dict) with 'labels', and where there are any 'scores' and 'labels_<task>'."""
    more = dict(scores=_column(scores)) if scores else {}
    more |= {f'labels_{task}': _column(each) for task, each in tasks.items()}
    return dict(batch, labels=_column(labels), **more)


def _column(arrays: Sequence) -> np.ndarray:
    """(N, ...) where all have one size, else N arrays in an array."""
    if len({array.shape for array in arrays}) == 1:
        return np.stack(arrays)
    column = np.empty(len(arrays), object)
    for i, array in enumerate(arrays):  # at once, numpy would look into them
        column[i] = array
    return column
