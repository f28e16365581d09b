"""What is measured of each class before training: rules go by these numbers."""
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from rich.progress import track

from ..inference.predict import spread
from ..masks.encoding import Encoding
from ..own_data.findings import labels_of
from ..own_data.inspect_pairs import Checked, Inspected, class_shares, common_size
from ..utils.errors import InputError
from ..utils.files import write_text

#: Masks whose regions are measured, evenly spread over the training images: so many, or as
#: many as have so many pixels, but at least the third. Then one for each class that none has.
MOST_MASKS, MOST_PIXELS, FEWEST_MASKS = 200, 10 ** 8, 10


class ClassFacts(NamedTuple):
    """Of one class in the training images.

    Attributes:
        name (str): Its name.
        images (int): How many have it.
        share (float): Of all pixels that count, 0 to 1.
        beside (float): Of the pixels that count in the images that have it, 0 to 1.
        width (float): Of the region in which its median pixel lies: half of its pixels are in
            regions no wider. The width of a region is that of the largest disc in it, so
            that of a pole is not its length. As a part of the image's longer side; 0 where
            the class does not occur.
    """
    name: str
    images: int
    share: float
    beside: float
    width: float


class Facts(NamedTuple):
    """Of the training images.

    Attributes:
        images (int): How many.
        longest (int): Median of their longer sides, in pixels.
        scale (int): What that is brought to in training, in pixels.
        classes (list[ClassFacts]): In their order.
    """
    images: int
    longest: int
    scale: int
    classes: list[ClassFacts]


def facts_of(checked: Checked) -> Facts:
    """Measures the training images.

    Args:
        checked (Checked): From :func:`~fcn_plugin.own_data.check_dataset.check_dataset`.
    """
    train, encoding = checked.splits['train'], checked.encoding
    shares = class_shares(train, encoding)
    height, width = common_size(train)
    most = max(FEWEST_MASKS, min(MOST_MASKS, MOST_PIXELS // (height * width)))
    chosen = masks_of_all(train, encoding, most)
    widths = median_widths((labels_of(item, encoding) for item in track(
        chosen, 'measuring regions', transient=True)), len(encoding.classes))
    longest = max(height, width)
    total = max(1, shares.pixels.sum())
    return Facts(len(train), longest, longest, [
        ClassFacts(name, int(shares.images[i]), float(shares.pixels[i] / total),
                   float(shares.pixels[i] / max(1, shares.beside[i])), widths[i])
        for i, name in enumerate(encoding.classes)])


def masks_of_all(train: Sequence[Inspected], encoding: Encoding, most: int
                 ) -> list[Inspected]:
    """Pairs that are evenly spread, and one for each class that none of them has.

    Args:
        train (Sequence[Inspected]): All.
        encoding (Encoding): Of their masks.
        most (int): How many are spread.
    """
    chosen = [train[i] for i in spread(len(train), most)]
    seen = class_shares(chosen, encoding).images
    for item in train if len(chosen) < len(train) else ():
        images = class_shares([item], encoding).images
        if images[seen == 0].any():
            chosen.append(item)
            seen = seen + images
    return chosen


def median_widths(masks: Iterable[np.ndarray], count: int) -> list[float]:
    """The width of each class's regions, see :class:`ClassFacts`.

    Args:
        masks (Iterable[np.ndarray]): Labels, (H, W) uint8; those from ``count`` on do not
            count.
        count (int): Number of classes.
    """
    found: list[list[np.ndarray]] = [[] for _ in range(count)]
    for labels in masks:
        longest = max(labels.shape)
        for label in np.unique(labels[labels < count]):
            mask = (labels == label).astype(np.uint8)
            regions = cv2.connectedComponents(mask)[1][mask > 0] - 1
            radius = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[mask > 0]
            widths = np.zeros(regions.max() + 1)
            # A region that fills the image has no border to be far from.
            np.maximum.at(widths, regions, np.minimum(2 * radius, longest))
            # As parts of the longer side, and of its square.
            found[label].append(np.stack([
                widths / longest, np.bincount(regions) / longest ** 2]))
    return [_of_median_pixel(*np.concatenate(each, 1)) if each else 0. for each in found]


def _of_median_pixel(widths: np.ndarray, areas: np.ndarray) -> float:
    order = np.argsort(widths, kind='stable')
    pixels = areas[order].cumsum()
    return float(widths[order][np.searchsorted(pixels, pixels[-1] / 2)])


def write_facts(path: Path, facts: Facts) -> None:
    """Keeps them for the end of a run, also of one that is gone on with."""
    content = dict(facts._asdict(), classes=[each._asdict() for each in facts.classes])
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + '\n')


def read_facts(path: Path, classes: Sequence[str]) -> Facts:
    """Reads what :func:`write_facts` has written.

    Args:
        path (Path): The file.
        classes (Sequence[str]): Names that it must be of.

    Raises:
        ValueError: If it is none such.
    """
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        facts = Facts(**dict(content, classes=[
            ClassFacts(**each) for each in content['classes']]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"'{path}' cannot be read ({error}): train anew, without "
                         '--resume') from error
    if len(facts.classes) != len(classes):
        raise InputError(f"'{path}' is of {len(facts.classes)} classes, but the config has "
                         f'{len(classes)}: train anew, without --resume')
    # Names may have been changed in the config since.
    return facts._replace(classes=[each._replace(name=name) for each, name in zip(
        facts.classes, classes)])
