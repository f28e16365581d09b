"""What all backends share.

A backend is called with RGB images and returns, for each, labels and scores; its
``meta`` has the classes' names and colours.
"""
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

LabelsAndScores = tuple[np.ndarray, np.ndarray | None]


def by_shape(arrays: Sequence) -> Iterable[list[int]]:
    """The places of the arrays of each shape."""
    places = defaultdict(list)
    for i, array in enumerate(arrays):
        places[tuple(array.shape)].append(i)
    return places.values()
