"""The device that a network computes on."""
import torch

from .errors import InputError


def pick_device(device: str = 'auto') -> str:
    """'auto' to the GPU where there is one, else the CPU; others are checked."""
    if device == 'auto':
        return 'cuda:0' if torch.cuda.is_available() else 'cpu'
    kind = parse_device(device)
    if kind.type == 'cuda' and (kind.index or 0) >= torch.cuda.device_count():
        raise InputError(f"device '{device}' was asked for, but torch sees "
                         f'{torch.cuda.device_count()} GPUs here; --device cpu works '
                         'anywhere')
    return device


def parse_device(device: str) -> torch.device:
    """'cpu', 'cuda:0', ... as torch has it; ValueError where that is none."""
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise InputError(
            f"no device '{device}': write auto, cpu, cuda or cuda:0") from error
