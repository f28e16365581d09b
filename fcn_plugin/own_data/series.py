"""Series of images that are of one film, patient or place."""
import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

#: Images that are compared with all others: as many as tell a share to a few percent.
_COMPARED = 1000
#: Of the way from chance to certainty, how often an image's likest must be of its series.
_ALIKE = 0.7


class Series(NamedTuple):
    """Images whose names say that they are of one film, patient or place.

    Attributes:
        pattern (str): For ``group`` of :func:`split`.
        counts (Counter): How many images each has, by what ``pattern`` matches.
    """
    pattern: str
    counts: Counter


def find_series(names: Sequence[str], looks: np.ndarray) -> Series | None:
    """Finds series of images that resemble each other, as a film's do.

    A series is a folder, or names that differ in their last number. That names are alike says
    nothing yet. They are of one film, patient or place where the image that resembles one
    most is of its series nearly always, and more often than by chance.

    Args:
        names (Sequence[str]): Paths of the images, without suffix, with '/'.
        looks (np.ndarray): (N, 256) of the images, in that order; see
            :class:`~fcn_plugin.own_data.inspect_pairs.Inspected`.

    Returns:
        Series or None: None where there are none.
    """
    ending = os.path.commonprefix([name[::-1] for name in names])[::-1].lstrip('0123456789')
    likest = None
    for pattern in ('.*/', rf'.*\D(?=\d+{re.escape(ending)}$)' if ending else r'.*\D'):
        matches = [re.match(pattern, name) for name in names]
        keys = [match[0] for match in matches if match]
        counts = Counter(keys)
        if len(keys) < len(names) or len(counts) < 2:
            continue
        likest = _likest(looks) if likest is None else likest
        if _is_told(np.unique(keys, return_inverse=True)[1], likest):
            return Series(pattern, counts)
    return None


def _likest(looks: np.ndarray) -> dict[int, int]:
    """Of some images, evenly spread, the index of the image that resembles each most."""
    chosen = np.unique(np.linspace(0, len(looks) - 1, _COMPARED).astype(int))
    alike = looks[chosen] @ looks.T
    alike[np.arange(len(chosen)), chosen] = -2
    return dict(zip(chosen.tolist(), alike.argmax(1).tolist()))


def _is_told(series: np.ndarray, likest: dict[int, int]) -> bool:
    """Whether images are likest to one of their series, more often than by chance."""
    one, other = list(likest), list(likest.values())
    right = (series[one] == series[other]).mean()
    chance = ((np.bincount(series)[series[one]] - 1) / (len(series) - 1)).mean()
    return right - chance >= _ALIKE * (1 - chance)


def note_of_series(series: Series) -> str:
    """What a report says of them."""
    name, count = series.counts.most_common(1)[0]
    return (f"images of {len(series.counts)} series, such as '{name}' ({count}), resemble "
            'each other: if each is of one film, patient or place, figures are too good where '
            'some of it trains and some validates; '
            f"--group '{series.pattern}' keeps it on one side")
