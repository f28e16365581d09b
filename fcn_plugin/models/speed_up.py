"""Making a trained model run as fast as the machine allows."""
import copy
from collections.abc import Callable

import torch
from mmcv.cnn.utils import fuse_conv_bn
from mmengine.logging import print_log
from torch import Tensor, nn

from ..utils.errors import InputError, InputTypeError
from .feature_maps import image_channels
from .segmentors import FCNSegmentor

# The largest relative change that another order of the sums explains; more is a fault.
_ERROR = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def speed_up(model: nn.Module, dtype: torch.dtype | None = None) -> nn.Module:
    """Prepares a trained :class:`FCNSegmentor` for prediction alone, in place.

    Batch norms are folded into the convolutions before them, memory is laid out
    channels last, and the backbone computes in 16 bits where the machine does so
    natively; on a CPU its kernels are laid out once for the matrix units, on a GPU they are
    started by one call (:class:`~fcn_plugin.models.cuda_graphs.CudaGraphs`). Scores are
    fused in float32 all the same. A step that the model does not allow is left out; the
    log names each step and why one was left out. The state dict has other keys
    afterwards: load checkpoints before, and keep a copy to go on training.

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
        raise InputTypeError(f'speed_up: the model is a {type(model).__name__}, expected '
                             'an FCNSegmentor')
    model.eval()
    device = next(model.parameters()).device
    done: list[str] = [_fold_batch_norms(model)]
    model.use_channels_last()
    done.append('channels last')
    dtype = dtype or native_dtype(device)
    if dtype != torch.float32:
        for part in (model.backbone, getattr(model, 'neck', None)):
            if part is not None:
                part.to(dtype)
        model.feature_dtype = dtype
    done.append(str(dtype).removeprefix('torch.'))
    if device.type == 'cpu' and torch.backends.mkldnn.is_available():
        done.append(_pack_kernels(model))
    if device.type == 'cuda':
        model.use_cuda_graphs()
        done.append('CUDA graphs')
    print_log(f'fast: {", ".join(done)}', logger='current')
    return model


def native_dtype(device: torch.device) -> torch.dtype:
    """The fastest floating-point type in which a device multiplies matrices natively."""
    if device.type == 'cuda':
        # Older GPUs only emulate bfloat16, which runs and is slow.
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else (
            torch.float16)
    # No public function says so. A torch without these private ones knows no such unit.
    native = any(getattr(torch.cpu, name, lambda: False)()
                 for name in ('_is_amx_tile_supported', '_is_avx512_bf16_supported'))
    return torch.bfloat16 if device.type == 'cpu' and native else torch.float32


class PackedConv2d(nn.Module):
    """A convolution on a CPU whose kernel is stored in the layout that oneDNN works in.

    PyTorch's own convolution brings the kernel into that layout in each call, which for
    an image of 224x224 takes a third of the time of a ResNet-50. The two operators used
    here are those of PyTorch's compiler; they have no public name.

    Args:
        conv (nn.Conv2d): Padded with zeros.
        input_size (torch.Size): The size (N, C, H, W) for which the layout is chosen.
            Inputs of other sizes are computed, too.
    """

    def __init__(self, conv: nn.Conv2d, input_size: torch.Size):
        super().__init__()
        self.geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
        self.register_buffer('bias', None if conv.bias is None else conv.bias.detach())
        # No buffer: state dicts and copies of modules would lose its layout.
        self.kernel = torch.ops.mkldnn._reorder_convolution_weight(
            conv.weight.detach(), *self.geometry, list(input_size))

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.kernel, self.bias, *self.geometry, 'none', [], '')


def _fold_batch_norms(model: FCNSegmentor) -> str:
    norms = [module for module in model.backbone.modules()
             if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return 'no batch norms'
    # mmcv pairs convolutions and norms by the order in which a module lists them,
    # which need not be the order in which it calls them.
    fault = _change_backbone(model, fuse_conv_bn)
    if fault:
        return f'batch norms not folded ({fault})'
    left = sum(isinstance(module, nn.modules.batchnorm._BatchNorm)
               for module in model.backbone.modules())
    return f'{len(norms) - left} of {len(norms)} batch norms folded'


def _pack_kernels(model: FCNSegmentor) -> str:
    fault = _change_backbone(model, lambda backbone: _with_packed_kernels(
        backbone, _probe(model)))
    return f'kernels not packed ({fault})' if fault else 'kernels packed'


def _with_packed_kernels(module: nn.Module, image: Tensor) -> nn.Module:
    sizes = {}
    convs = [each for each in module.modules() if type(each) is nn.Conv2d and
             each.padding_mode == 'zeros' and not isinstance(each.padding, str)]
    hooks = [conv.register_forward_hook(
        lambda conv, args, output: sizes.update({conv: args[0].shape})) for conv in convs]
    module(image)
    for hook in hooks:
        hook.remove()
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if child in sizes:
                setattr(parent, name, PackedConv2d(child, sizes[child]))
    return module


def _probe(model: FCNSegmentor) -> Tensor:
    """An image (1, C, H, W) of a size that the backbone takes."""
    weight = next(model.backbone.parameters())
    side = -(-224 // model.size_divisor) * model.size_divisor
    image = torch.randn(1, image_channels(model.backbone), side, side,
                        generator=torch.Generator().manual_seed(0))
    return image.to(weight, memory_format=torch.channels_last)


@torch.no_grad()
def _change_backbone(model: FCNSegmentor,
                     change: Callable[[nn.Module], nn.Module]) -> str | None:
    """Replaces the backbone by a changed one if both compute the same; else leaves it
    and returns the reason."""
    image = _probe(model)
    try:
        changed = change(copy.deepcopy(model.backbone))
        for a, b in zip(model.backbone(image), changed(image)):
            error = float((a - b).abs().max() / a.abs().max().clamp(min=1e-12))
            if not error < _ERROR[image.dtype]:  # true of NaN as well
                raise InputError(f'what it gives would change by {error:.1%}')
    except Exception as error:  # a user's backbone may raise anything
        return str(error)
    model.backbone = changed
    return None
