"""Convolutions padded as TensorFlow pads them, in a graph of any image size."""
from typing import Union

import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.utils import _pair


class SamePadConv2d(nn.Conv2d):
    """A convolution whose output has ``ceil(H / stride)`` rows, with zeros around its input.

    TensorFlow's padding 'SAME': where the zeros cannot be shared out evenly, one more
    stands behind than before, so that it depends on the input's size. mmcv's
    ``Conv2dAdaptivePadding`` computes the same, with numbers that an exported graph keeps
    from the image it was traced with; here they are part of the graph.

    Args:
        in_channels, out_channels, kernel_size, stride, dilation, groups, bias: As in
            ``nn.Conv2d``; a kernel that spans at least its stride.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, ``out_channels``, ceil(H / stride), ceil(W / stride))."""
        pads = []
        for dim in (1, 0):  # F.pad begins with the last dimension
            span = (self.kernel_size[dim] - 1) * self.dilation[dim]
            total = span - (x.shape[2 + dim] - 1) % self.stride[dim]
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, 0,
                        self.dilation, self.groups)


@MODELS.register_module('SamePadConv2d')
def same_padded(in_channels: int, out_channels: int, kernel_size: Union[int, tuple],
                stride: Union[int, tuple] = 1, padding: Union[int, tuple] = 0,
                dilation: Union[int, tuple] = 1, **kwargs) -> nn.Conv2d:
    """The layer that ``conv_cfg=dict(type='SamePadConv2d')`` stands for.

    Args:
        padding: Not looked at: it follows from the rest.
        **kwargs: As in ``nn.Conv2d``, as are the others.

    Returns:
        nn.Conv2d: Of stride 1 and an odd kernel a plain one, whose padding is the same for
        all sizes and costs no copy of the input; else a :class:`SamePadConv2d`.
    """
    spans = [(size - 1) * step for size, step in zip(_pair(kernel_size), _pair(dilation))]
    if _pair(stride) == (1, 1) and not any(span % 2 for span in spans):
        return nn.Conv2d(in_channels, out_channels, kernel_size, 1,
                         tuple(span // 2 for span in spans), dilation, **kwargs)
    return SamePadConv2d(in_channels, out_channels, kernel_size, stride, 0, dilation,
                         **kwargs)
