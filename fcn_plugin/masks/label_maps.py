"""Label maps alone, without their images."""
import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from mmseg.registry import DATASETS

from ..utils.config import class_names, dataset_type
from ..utils.errors import InputError
from .reading import label_files, read_labels


class LabelMaps:
    """Label maps, each of which is read when the iteration reaches it.

    Iterating gives tuples of a name and integer labels (H, W).

    Args:
        names (Sequence[str]): The name of each, for errors.
        read (Callable): From a position to the labels there.
    """

    def __init__(self, names: Sequence[str],
                 read: Callable[[int], np.ndarray]) -> None:
        self.names, self.read = names, read

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, np.ndarray]]:
        return ((name, self.read(index)) for index, name in enumerate(self.names))


def label_maps_of_folder(folder: str | Path) -> LabelMaps:
    """The masks of a folder, by name.

    Args:
        folder (str or Path): With masks as :func:`read_labels` reads them.

    Raises:
        FileNotFoundError: If there is none.
    """
    paths = label_files(folder)
    return LabelMaps([str(path) for path in paths], lambda i: read_labels(paths[i]))


def _keep_masks_only(dataset: dict) -> None:
    """Takes every step but the loading of masks out of the pipelines of a config."""
    for part in [*dataset.get('datasets', ()), dataset.get('dataset')]:
        if part:
            _keep_masks_only(part)
    if 'pipeline' in dataset:
        dataset['pipeline'] = [step for step in dataset['pipeline']
                               if step['type'] in ('LoadAnnotations', 'LoadTasks')]


def label_maps_of_dataset(dataset: dict) -> tuple[LabelMaps, int]:
    """The masks of a data set at their own sizes; its images are not read.

    Args:
        dataset (dict): Config of a data set in mmseg's registry. Its label map and its
            ``reduce_zero_label`` are applied.

    Returns:
        tuple[LabelMaps, int]: The masks, and the number of classes.

    Raises:
        ValueError: If its pipeline loads no masks.
    """
    dataset = copy.deepcopy(dataset)
    _keep_masks_only(dataset)
    built = DATASETS.build(dataset)

    def read(index: int) -> np.ndarray:
        item = built[index]
        if 'gt_seg_map' not in item:
            raise InputError(f"the pipeline of {dataset['type']} has no "
                             'LoadAnnotations, which would load its masks')
        return item['gt_seg_map']

    names = [f"image {i} of {dataset['type']}" for i in range(len(built))]
    return LabelMaps(names, read), len(built.metainfo['classes'])


def label_map_of(dataset: dict, count: int, reduced: bool | None = None
                 ) -> list[tuple[int, int]] | None:
    """What the values of a data set's masks stand for where it is trained on.

    Args:
        dataset (dict): Its config: a label map, ``reduce_zero_label``, or classes that are
            some of those that its type has.
        count (int): Number of classes.
        reduced (bool, optional): Whether training took 1 off, where the config does not say:
            a type of one's own may do so by itself. Defaults to None: not known.

    Returns:
        list[tuple[int, int]], optional: Values and their classes, 255 for none; None where
        values are the numbers of the classes.
    """
    kind = dataset_type(dataset)
    if dataset.get('label_map') is not None or not hasattr(kind, 'get_label_map'):
        return dataset.get('label_map')
    try:
        chosen = kind.get_label_map(class_names(dataset)) or {}
    except ValueError:  # classes that the type has not, which prediction does without
        return None
    if reduced is None:
        argument = inspect.signature(kind).parameters.get('reduce_zero_label')
        reduced = argument is not None and argument.default
    # mmseg's LoadAnnotations takes 1 off before it looks into the map.
    first = int(dataset.get('reduce_zero_label', reduced))
    found = {value + first: chosen.get(value, value) for value in {*range(count), *chosen}}
    if first:
        found[0] = 255
    return sorted(found.items()) if first or chosen else None
