"""Which classes a network is worst at, and what would help them."""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..evaluation import segmentation_metrics
from .facts import ClassFacts, Facts
from .plan import CELLS, FINER

#: Classes below this IoU are told of, at most so many.
GOOD, MOST = 0.7, 3
#: A class in fewer training images wants more of them.
ENOUGH_IMAGES = 20


class Settings(NamedTuple):
    """What of a run the rules look at.

    Attributes:
        stride (int): Of the finest score map, in pixels.
        config (str): The config's file, as it is shown.
        data (str): What was judged on, in words.
    """
    stride: int
    config: str
    data: str


def advise(facts: Facts, matrix, settings: Settings) -> list[str]:
    """Lines on the worst classes.

    For each: its IoU, what was measured of it, and each of these that applies:

    * more images: fewer than :data:`ENOUGH_IMAGES` training images have it;
    * larger images: half of its pixels are in regions narrower than two cells of the finest
      score map, and images are scaled down;
    * a finer stride: the same, where the stride is above 4;
    * the class that it is confused with, where none of them applies.

    Args:
        facts (Facts): Of C classes.
        matrix (Tensor): Confusions, (C, C) int64, from
            :func:`~fcn_plugin.evaluation.confusion_matrix`.
        settings (Settings): Of the run.
    """
    iou = segmentation_metrics(matrix)['IoU'].numpy()
    counts = matrix.numpy()
    judged = counts.sum(1) > 0
    unseen = [each.name for each, seen in zip(facts.classes, judged) if not seen]
    order = [i for i in np.argsort(iou, kind='stable') if judged[i]]
    worst = [i for i in order if iou[i] < GOOD][:MOST]
    lines = [f'the worst classes on {settings.data}, and what would help them:']
    if not worst:
        lines = [f'every class has an IoU of at least {100 * GOOD:.0f} on {settings.data}']
    for i in worst:
        each = facts.classes[i]
        lines.append(f'  {each.name}: IoU {100 * iou[i]:.1f}; {_measured(each, facts)}')
        lines += [f'    - {line}' for line in _help(each, facts, settings)
                  or [_confusion(counts, i, [c.name for c in facts.classes])]]
    if unseen:
        lines.append(f'not judged, as none of {settings.data} has them: {", ".join(unseen)}')
    return lines


def _measured(each: ClassFacts, facts: Facts) -> str:
    if not each.images:
        return 'no training image has it'
    width = max(1, round(each.width * facts.scale))
    return (f'in {each.images} of {facts.images} training images, {100 * each.share:.2g} % of '
            f'their pixels, half of these in regions no wider than {width}')


def _help(each: ClassFacts, facts: Facts, settings: Settings) -> list[str]:
    lines = []
    if each.images < ENOUGH_IMAGES:
        lines.append(f'more images of {each.name}: fewer than {ENOUGH_IMAGES} of training '
                     'have it')
    cells = CELLS * settings.stride
    if not each.images or round(each.width * facts.scale, 6) >= cells:
        return lines
    why = f'its regions are narrower than {cells} pixels, {CELLS} cells of the network'
    if facts.longest > facts.scale:
        lines.append(f'a larger size: {why}, and images are scaled from {facts.longest} to '
                     f'{facts.scale} pixels. Cut them into parts, or raise scale in '
                     f'{settings.config}')
    if settings.stride > 4:
        lines.append(f'a finer stride than {settings.stride}: {why}. --base {FINER}')
    if not lines:
        lines.append(f'images of a higher resolution: {why}')
    return lines


def _confusion(counts: np.ndarray, label: int, names: Sequence[str]) -> str:
    """The class that takes most of its pixels, or that gives it most, whichever is more."""
    right = counts[label, label]
    lost, won = counts[label].copy(), counts[:, label].copy()
    lost[label] = won[label] = 0
    if lost.sum() >= won.sum():
        share = lost.max() / (lost.sum() + right)
        what = f'{100 * share:.0f} % of its pixels are taken for {names[int(lost.argmax())]}'
    else:
        share = won.max() / (won.sum() + right)
        what = f'{100 * share:.0f} % of what is taken for it is {names[int(won.argmax())]}'
    return f'{what}: look at the masks of both, and add images that have both'
