"""Making a trained model run as fast as the machine allows."""
import copy
from typing import List, Optional

import torch
from mmcv.cnn.utils import fuse_conv_bn
from mmengine.logging import print_log
from torch import nn

from .segmentors import FCNSegmentor

# Folding reorders sums; more than this, relative, and something else has happened.
_FOLDING_ERROR = 1e-3


def speed_up(model: nn.Module, dtype: Optional[torch.dtype] = None) -> nn.Module:
    """Prepares a trained :class:`FCNSegmentor` for prediction alone, in place.

    Batch norms are folded into the convolutions before them, memory is laid out
    channels last, and the backbone computes in 16 bits where the machine does so
    natively. Scores are fused in float32 all the same. What cannot be done is left, and
    all of it is logged. The model's state dict is another one afterwards: load
    checkpoints before, and keep a copy to go on training.

    Args:
        model (nn.Module): The segmentor, on the device that it is to run on.
        dtype (torch.dtype, optional): What the backbone computes in. Defaults to None:
            bfloat16 where a CPU or a GPU has it, float16 on an older GPU, else float32.

    Returns:
        nn.Module: ``model``, in evaluation mode.

    Raises:
        TypeError: If it is no ``FCNSegmentor``.
    """
    if not isinstance(model, FCNSegmentor):
        raise TypeError(f'speed_up: the model is a {type(model).__name__}, expected an '
                        'FCNSegmentor')
    model.eval()
    device = next(model.parameters()).device
    done: List[str] = [_fold_batch_norms(model, device)]
    model.use_channels_last()
    done.append('channels last')
    dtype = dtype or native_dtype(device)
    if dtype != torch.float32:
        for part in (model.backbone, getattr(model, 'neck', None)):
            if part is not None:
                part.to(dtype)
        model.feature_dtype = dtype
    done.append(str(dtype).removeprefix('torch.'))
    print_log(f'fast: {", ".join(done)}', logger='current')
    return model


def native_dtype(device: torch.device) -> torch.dtype:
    """The fastest floating-point type that a device multiplies matrices of natively."""
    if device.type == 'cuda':
        # without emulation, which only lets old GPUs run the code
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else (
            torch.float16)
    # No public function tells; without these torch knows of no such unit either.
    native = any(getattr(torch.cpu, name, lambda: False)()
                 for name in ('_is_amx_tile_supported', '_is_avx512_bf16_supported'))
    return torch.bfloat16 if device.type == 'cpu' and native else torch.float32


@torch.no_grad()
def _fold_batch_norms(model: FCNSegmentor, device: torch.device) -> str:
    """Folds the backbone's, unless that changes what it computes."""
    norms = [module for module in model.backbone.modules()
             if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return 'no batch norms'
    image = torch.randn(1, 3, 2 * model.size_divisor, 2 * model.size_divisor,
                        generator=torch.Generator().manual_seed(0)).to(device)
    # mmcv pairs convolutions and norms by the order in which a module lists them,
    # which need not be the order in which it calls them.
    try:
        folded = fuse_conv_bn(copy.deepcopy(model.backbone))
        before, after = model.backbone(image), folded(image)
        errors = [float((a - b).abs().max() / a.abs().max().clamp(min=1e-12))
                  for a, b in zip(before, after)]
        if not max(errors) < _FOLDING_ERROR:
            raise ValueError(f'what it gives would change by {max(errors):.1%}')
    except Exception as error:  # the backbone is anybody's
        return f'batch norms not folded ({error})'
    model.backbone = folded
    left = sum(isinstance(module, nn.modules.batchnorm._BatchNorm)
               for module in folded.modules())
    return f'{len(norms) - left} of {len(norms)} batch norms folded'
