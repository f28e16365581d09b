"""State dicts of the PyTorch ports that keep Caffe's layer names, in and out.

pytorch-fcn's naming: ``conv1_1.weight``, ``fc6.weight``, ``score_fr.weight``,
``upscore2.weight`` and so on.
"""
from collections.abc import Mapping

import torch
from torch import Tensor

from ...utils.errors import InputError
from ..geometry import bilinear_kernel
from .arrangements import EARLY, OTHER_TASK, STREAMS, TASKS, split_streams
from .caffemodel import Layer
from .mapping import Conversion, convert_layers
from .our_net import layer_names, target_shapes, upsampling_names


def from_port(state_dict: Mapping[str, Tensor],
              variant: str | None = None) -> Conversion:
    """Maps a port's state dict to ours; see :func:`convert_layers`.

    Args:
        state_dict (Mapping[str, Tensor]): Of FCN32s, FCN16s, FCN8s or FCN8sAtOnce, or of
            another net of the authors' under Caffe's names. A prefix ``module.`` is ignored.
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


def to_port(state_dict: Mapping[str, Tensor],
            tasks: Mapping[str, int] | None = None) -> dict[str, Tensor]:
    """The inverse of :func:`from_port`: our state dict under the port's names.

    Upsampling kernels are written in full, (C, C, k, k), the bilinear ones where
    ours are fixed. The skip scales of a net trained at once are not in its state
    dict: the port has them in the code of FCN8sAtOnce.

    Args:
        state_dict (Mapping[str, Tensor]): Of an FCN-32s, 16s or 8s on
            ``FullyConvVGG(16)``, of three or four channels, of FCN-AlexNet, or of late
            fusion of two FCN-32s, with bilinear or learned upsampling.
        tasks (Mapping[str, int], optional): Further tasks of the head and their numbers of
            classes, ``dict(geometric=3)`` of SIFT Flow's nets. Defaults to None: one task.

    Returns:
        dict[str, Tensor]: float32.

    Raises:
        ValueError: If the state dict is not such a net's.
    """
    if tasks and list(tasks) != [OTHER_TASK]:
        raise InputError(f"tasks are {dict(tasks)}, but of the authors' nets SIFT Flow's "
                         f"alone have two, '{OTHER_TASK}' beside the first")
    if any(key.startswith('backbone.streams.') for key in state_dict):
        whole = [to_port(part) for part in split_streams(state_dict)]
        return {key if key.startswith('upscore') else key.replace('.', f'{stream}.'): value
                for stream, part in zip(STREAMS, whole) for key, value in part.items()}
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
    first = state_dict.get('backbone.features.0.conv.weight')
    channels = 4 if isinstance(first, Tensor) and first.dim() == 4 and (
        first.shape[1] == 4) else 3
    shapes = target_shapes(stage, classes, channels)
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
    if channels == 4:
        port = {key.replace('conv1_1.', f'{EARLY}.'): value for key, value in port.items()}
    return _split_tasks(port, sum(tasks.values())) if tasks else port


def _split_tasks(port: dict[str, Tensor], others: int) -> dict[str, Tensor]:
    """Score and upsampling layers for each task; the last ``others`` classes are the second
    one's."""
    found = {}
    for key, value in port.items():
        name, _, parameter = key.rpartition('.')
        if not name.startswith(('score', 'upscore')):
            found[key] = value
            continue
        for task, part in zip(TASKS, (slice(None, -others), slice(-others, None))):
            own = value[part]
            found[f'{name}_{task}.{parameter}'] = (
                own[:, part] if name.startswith('upscore') else own).clone()
    return found


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
