"""What all backends share.

A backend is called with images and returns a :class:`Prediction` for each; its
``meta`` has the classes' names and colours, and names of the classes of further tasks, and
its ``gives_scores`` says whether a prediction can have scores.
"""
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np


class Prediction(NamedTuple):
    """What is found in an image.

    Attributes:
        labels (np.ndarray): (H, W), of uint8 (int16 above 255 classes).
        scores (np.ndarray, optional): Probabilities of the classes, (C, H, W) float32, where
            they were asked for.
        tasks (Mapping[str, Prediction]): The same of each further task, by its name.
    """
    labels: np.ndarray
    scores: np.ndarray | None = None
    tasks: 'Mapping[str, Prediction]' = MappingProxyType({})


def by_shape(arrays: Sequence) -> Iterable[list[int]]:
    """The places of the arrays of each shape."""
    places = defaultdict(list)
    for i, array in enumerate(arrays):
        places[tuple(array.shape)].append(i)
    return places.values()
