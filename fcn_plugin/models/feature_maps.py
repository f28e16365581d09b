"""What a backbone gives, found by running it on tensors without data."""
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_PROBE_SIZE = 256
_NORMALISATIONS = F.batch_norm, F.group_norm, F.instance_norm, F.layer_norm


@dataclass(frozen=True)
class FeatureMap:
    """One entry of a backbone's output tuple.

    Args:
        index (int): Its place, what a head's ``in_index`` refers to.
        channels (int): Its channels.
        stride (int): Image pixels between two of its columns; 0 where this is no
            map, but one vector an image.
        switches (bool): Whether these are a pooling's switches (integer positions)
            and no features.
    """
    index: int
    channels: int
    stride: int
    switches: bool = False

    def __str__(self) -> str:
        if not self.stride:
            return f'out {self.index}: a vector of {self.channels}, no map'
        kind = 'pooling switches' if self.switches else 'features'
        return (f'out {self.index}: {self.channels} channels at stride {self.stride} '
                f'({kind})')


def describe_backbone(backbone: nn.Module,
                      neck: nn.Module | None = None) -> list[FeatureMap]:
    """Lists the maps of a backbone (and the neck behind it).

    The forward pass runs on the ``meta`` device with the modules' own code and
    no arithmetic, so it costs milliseconds and no memory whatever the size.

    Args:
        backbone (nn.Module): Takes an image (N, C, H, W), returns a tuple of maps.
        neck (nn.Module, optional): Takes that tuple and returns another.

    Returns:
        list[FeatureMap]: In the order of the output.

    Raises:
        RuntimeError: If the backbone cannot run without data (its code asks for
            values of tensors); the cause is chained.
    """
    maps = _run_without_data(backbone, torch.empty(
        1, image_channels(backbone), _PROBE_SIZE, _PROBE_SIZE, device='meta'))
    if neck is not None:
        maps = _run_without_data(neck, maps)
    if isinstance(maps, Tensor):
        maps = (maps, )
    if getattr(backbone, 'alignment', 'same') == 'caffe' and neck is None:
        # Padding by 100 hides the stride from a map's size.
        return [FeatureMap(index, feature.shape[1], int(grid.stride))
                for index, (feature, grid) in enumerate(zip(maps, backbone.grids))]
    return [
        FeatureMap(index, feature.shape[1],
                   round(_PROBE_SIZE / feature.shape[-1]) if feature.dim() == 4 else 0,
                   not feature.is_floating_point())
        for index, feature in enumerate(maps)
    ]


class _ShapesAlone(TorchFunctionMode):
    """Passes by normalisations, which keep shape and type: without data torch derives them
    in Python, operation by operation, which takes most of the time."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in _NORMALISATIONS:
            return args[0] if args else kwargs['input']
        return func(*args, **kwargs)


def _run_without_data(module: nn.Module, inputs):
    tensors = {name: tensor.to('meta') for name, tensor in
               [*module.named_parameters(), *module.named_buffers()]}
    training = module.training
    module.eval()
    try:
        with torch.no_grad(), _ShapesAlone():
            return torch.func.functional_call(module, tensors, (inputs, ))
    except Exception as error:
        raise RuntimeError(f'{type(module).__name__} cannot be run without data: '
                           f'{error}') from error
    finally:
        module.train(training)


def image_channels(backbone: nn.Module) -> int:
    """Channels of the image that a backbone takes.

    It is what the backbone says by an attribute ``image_channels``, or else what its first
    convolution takes; 3 where it has none.
    """
    first = first_convolution(backbone)
    return getattr(backbone, 'image_channels', 3 if first is None else first.in_channels)


def first_convolution(backbone: nn.Module) -> nn.Conv2d | None:
    """The one that sees the image, or None where there is none."""
    return next((module for module in backbone.modules()
                 if isinstance(module, nn.Conv2d)), None)
