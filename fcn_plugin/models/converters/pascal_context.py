"""The class order of the authors' PASCAL-Context nets."""
from collections.abc import Sequence

import torch

from ...utils.errors import InputError
from .mapping import Conversion

CLASSES = (
    'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow',
    'table', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa',
    'train', 'tvmonitor', 'bag', 'bed', 'bench', 'book', 'building', 'cabinet', 'ceiling',
    'cloth', 'computer', 'cup', 'door', 'fence', 'floor', 'flower', 'food', 'grass',
    'ground', 'keyboard', 'light', 'mountain', 'mouse', 'curtain', 'platform', 'sign',
    'plate', 'road', 'rock', 'shelves', 'sidewalk', 'sky', 'snow', 'bedclothes', 'track',
    'tree', 'truck', 'wall', 'water', 'window', 'wood')
"""Their 59 classes, VOC's 20 first (data/pascal-context/classes-59.txt of the released
code), in mmseg's spelling of diningtable, clothes and bedcloth."""


def reorder_classes(conversion: Conversion, classes: Sequence[str]) -> Conversion:
    """Reorders a net's classes from the authors' order to another.

    Args:
        conversion (Conversion): Of a net for :data:`CLASSES`, with or without a
            background before them.
        classes (Sequence[str]): The same names in the order wanted.

    Returns:
        Conversion: With score layers, and upsampling kernels that are stored (C, C, k, k),
        in that order.

    Raises:
        ValueError: If the names are not the same ones.
    """
    names = ('background', ) * (conversion.num_classes - len(CLASSES)) + CLASSES
    if sorted(classes) != sorted(names):
        odd = sorted(set(classes) ^ set(names))
        raise InputError(f'{len(classes)} classes, expected the {len(names)} of '
                         f'PASCAL-Context; not in both: {", ".join(odd)}')
    order = torch.tensor([names.index(name) for name in classes])
    reordered = {}
    for key, value in conversion.state_dict.items():
        if key.startswith('decode_head.'):
            value = value[order]
        if key.startswith('decode_head.upsample'):
            value = value[:, order]
        reordered[key] = value
    return conversion._replace(state_dict=reordered)
