"""State dicts of the PyTorch ports that keep Caffe's layer names, in and out.

pytorch-fcn's naming: ``conv1_1.weight``, ``fc6.weight``, ``score_fr.weight``,
``upscore2.weight`` and so on.
"""
from collections.abc import Mapping

import torch
from torch import Tensor

from ...utils.errors import InputError
from ..geometry import bilinear_kernel
from .caffemodel import Layer
from .mapping import Conversion, convert_layers
from .our_net import layer_names, target_shapes, upsampling_names


def from_port(state_dict: Mapping[str, Tensor],
              variant: str | None = None) -> Conversion:
    """Maps a port's state dict to ours; see :func:`convert_layers`.

    Args:
        state_dict (Mapping[str, Tensor]): Of FCN32s, FCN16s, FCN8s or FCN8sAtOnce, or of
            FCN-AlexNet under Caffe's names. A prefix ``module.`` is ignored.
        variant (str, optional): As in :func:`convert_layers`. The port's FCN8s and
            FCN8sAtOnce have the same names, so that 'at-once' must be said.

    Raises:
        ValueError: If it is no port's, or as :func:`convert_layers` raises.
    """
    layers: dict[str, dict[str, Tensor]] = {}
    for key, value in state_dict.items():
        name, _, parameter = key.removeprefix('module.').rpartition('.')
        if parameter not in ('weight', 'bias') or not isinstance(value, Tensor):
            raise InputError(f"'{key}' is not the weight or bias of a layer, expected "
                             "a port's state dict (conv1_1.weight ... upscore.weight)")
        layers.setdefault(name, {})[parameter] = value
    for name, found in layers.items():
        if 'weight' not in found:
            raise InputError(f"there is '{name}.bias', but no '{name}.weight'")
    return convert_layers(
        [Layer(name, '', tuple(found[key].detach().cpu().float().numpy()
                               for key in ('weight', 'bias') if key in found))
         for name, found in layers.items()], variant, implicit_scales=True)


def to_port(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of :func:`from_port`: our state dict under the port's names.

    Upsampling kernels are written in full, (C, C, k, k), the bilinear ones where
    ours are fixed. The skip scales of a net trained at once are not in its state
    dict: the port has them in the code of FCN8sAtOnce.

    Args:
        state_dict (Mapping[str, Tensor]): Of an FCN-32s, 16s or 8s on
            ``FullyConvVGG(16)`` or of FCN-AlexNet, with bilinear or learned upsampling.

    Returns:
        dict[str, Tensor]: float32.

    Raises:
        ValueError: If the state dict is not such a net's.
    """
    scores = [key for key in state_dict if key.startswith('decode_head.score.')
              and key.endswith('.bias')]
    stage = {1: '32s', 2: '16s', 3: '8s'}.get(len(scores), '8s')
    if 'backbone.conv1.weight' in state_dict:
        stage = 'alexnet'
    names, upsampling = layer_names(stage), upsampling_names(stage)
    left = dict(state_dict)
    bias = left.get('decode_head.score.stride32.bias')
    if not isinstance(bias, Tensor) or bias.dim() != 1:
        raise InputError(
            'the state dict has no vector decode_head.score.stride32.bias, expected '
            'that of an FCNSkipHead on strides 32, 16 32 or 8 16 32')
    classes = len(bias)
    shapes = target_shapes(stage, classes)
    port = {}
    for name, source in names.items():
        for parameter in ('weight', 'bias'):
            key = f'{source}.{parameter}'
            port[f'{name}.{parameter}'] = _taken(left, key, shapes[key])
    for name, (source, factor, size) in upsampling.items():
        key = f'decode_head.{source}.weight'
        kernel = bilinear_kernel(factor, size)
        full = (classes, classes, *kernel.shape)
        if key in left and getattr(left[key], 'shape', None) == full:
            port[f'{name}.weight'] = _taken(left, key, full)
            continue
        if key in left:  # one kernel a class
            kernel = _taken(left, key, (classes, 1, *kernel.shape))[:, 0]
        weight = torch.zeros(full)
        weight[range(classes), range(classes)] = kernel
        port[f'{name}.weight'] = weight
    if left:
        raise InputError(f'the port has no place for {", ".join(list(left)[:5])}'
                         + ', ...' * (len(left) > 5)
                         + ': it is an FCN on VGG16 or AlexNet without batch norm, upsampled '
                         'bilinearly')
    return port


def _taken(left: dict[str, Tensor], key: str, shape) -> Tensor:
    if key not in left:
        raise InputError(f'the state dict lacks {key}, expected an FCN on VGG16 or AlexNet')
    value = left.pop(key)
    if not isinstance(value, Tensor):
        raise InputError(f'{key} is a {type(value).__name__}, expected a tensor')
    if tuple(value.shape) != tuple(shape):
        raise InputError(f'{key} has shape {tuple(value.shape)}, but the port has '
                         f'{tuple(shape)}')
    return value.detach().cpu().float()
