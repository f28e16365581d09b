"""Convolutions padded as TensorFlow pads them, in a graph of any image size."""
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.utils import _pair


class Conv2d(nn.Conv2d):
    """torch's, but depthwise in float32 where a CPU computes in mixed precision.

    oneDNN's gradients of depthwise convolutions take four times as long in bfloat16 as in
    float32, and most of EfficientNet's training time with them.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.groups == 1 or input.device.type != 'cpu' or not (
                torch.is_autocast_enabled('cpu')):
            return super()._conv_forward(input, weight, bias)
        with torch.autocast('cpu', enabled=False):
            return super()._conv_forward(input.float(), weight, bias).to(input.dtype)


class SamePadConv2d(Conv2d):
    """A convolution whose output has ``ceil(H / stride)`` rows, with zeros around its input.

    This is TensorFlow's padding 'SAME'. The number of zeros depends on the input's size;
    of an odd number, the right and the bottom get one more than the left and the top.
    mmcv's ``Conv2dAdaptivePadding`` computes the same, but its exported graph keeps the
    numbers of the traced image. Here the graph computes them for each image.

    Args:
        in_channels, out_channels, kernel_size, stride, dilation, groups, bias: As in
            ``nn.Conv2d``. The kernel must be at least as wide as the stride.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, ``out_channels``, ceil(H / stride), ceil(W / stride))."""
        pads = []
        for dim in (1, 0):  # F.pad begins with the last dimension
            span = (self.kernel_size[dim] - 1) * self.dilation[dim]
            size, stride = x.shape[2 + dim], self.stride[dim]
            if torch.compiler.is_compiling() and size % stride == 0:
                # Known to the compiler: with remainders of remainders it takes for ever.
                total = span - stride + 1
            else:
                total = span - (size - 1) % stride
            pads += [total // 2, total - total // 2]
        return self._conv_forward(F.pad(x, pads), self.weight, self.bias)


@MODELS.register_module('SamePadConv2d')
def same_padded(in_channels: int, out_channels: int, kernel_size: int | tuple,
                stride: int | tuple = 1, padding: int | tuple = 0,
                dilation: int | tuple = 1, **kwargs) -> Conv2d:
    """The layer that ``conv_cfg=dict(type='SamePadConv2d')`` stands for.

    Args:
        padding: Not used: it follows from the other arguments.
        **kwargs: As in ``nn.Conv2d``; so are the arguments before ``padding``.

    Returns:
        Conv2d: A plain one for stride 1 and an odd kernel, where one padding serves all
        sizes and the input is not copied; else a :class:`SamePadConv2d`.
    """
    spans = [(size - 1) * step for size, step in zip(_pair(kernel_size), _pair(dilation))]
    if _pair(stride) == (1, 1) and not any(span % 2 for span in spans):
        return Conv2d(in_channels, out_channels, kernel_size, 1,
                      tuple(span // 2 for span in spans), dilation, **kwargs)
    return SamePadConv2d(in_channels, out_channels, kernel_size, stride, 0, dilation,
                         **kwargs)
