"""How images and maps lie in memory: channels last where a step takes less time."""
import platform

import torch
from torch import Tensor, nn

from ..utils.errors import InputError

#: With fewer channels a convolution may corrupt memory, see :func:`check_channels_last`.
_FEWEST_CHANNELS = 32


def fastest_layout(images: Tensor, network: nn.Module) -> torch.memory_format:
    """The layout for images where the config asks for none.

    Channels last for training in bfloat16 on an x86 CPU, where oneDNN would bring each map to
    that layout and back: a step takes an eighth to a third less time (docs/speed.md). Not in
    float32: it gains less, and torch's batch norms sum in float32 then, in float64 otherwise.

    Args:
        images (Tensor): (N, C, H, W).
        network (nn.Module): What they go through.
    """
    faster = (network.training and images.device.type == 'cpu'
              and torch.is_autocast_enabled('cpu') and is_x86()
              and torch.backends.mkldnn.is_available() and _unsafe(network) is None)
    return torch.channels_last if faster else torch.contiguous_format


def is_x86() -> bool:
    """Whether this is a processor of Intel's or AMD's kind."""
    return platform.machine().lower() in ('x86_64', 'amd64')


def check_channels_last(network: nn.Module) -> None:
    """Raises ValueError for a network that torch cannot train channels last.

    The gradient of a 1x1 convolution with a stride writes beyond its memory in torch 2.13
    (oneDNN) where it has fewer input channels than a register has places: 16, or 8 with AVX2.
    """
    name = _unsafe(network)
    if name is not None:
        raise InputError(
            f'channels_last=True: {name} is a 1x1 convolution with a stride and fewer than '
            f'{_FEWEST_CHANNELS} channels, for which torch corrupts memory when it trains '
            'that way on a CPU: leave channels_last out')


def _unsafe(network: nn.Module) -> str | None:
    return next((name for name, layer in network.named_modules()
                 if isinstance(layer, nn.Conv2d) and set(layer.kernel_size) == {1}
                 and max(layer.stride) > 1
                 and layer.in_channels // layer.groups < _FEWEST_CHANNELS), None)
