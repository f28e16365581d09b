"""In-network upsampling: from the scores of one stride to those of a finer one.

Each upsampler is built with the number of classes and an integer factor, and is
called with the scores and, where it wants them, a pooling's switches.
"""

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..utils.errors import InputError
from .geometry import bilinear_kernel


def _check_factor(name: str, factor: int) -> None:
    if not isinstance(factor, int) or factor < 1:
        raise InputError(f'{name}: factor is {factor!r}, expected an integer from 1 up '
                         '(the ratio of two neighbouring strides)')


@MODELS.register_module()
class BilinearDeconv(nn.Module):
    """Transposed convolution that starts as bilinear interpolation (paper, 3.3).

    Beyond the border it sees zeros, as the authors' does, so that scores fade
    within half a stride of it; :class:`BilinearUpsample` repeats the border.

    Args:
        channels (int): Number of classes C.
        factor (int): Upsampling factor f, the convolution's stride.
        learnable (bool): Whether the kernel is trained. The paper learned the
            intermediate ones and fixed the last; the released code fixes all.
            Defaults to False.
        per_class (bool): One kernel a class, (C, 1, k, k), instead of the full
            (C, C, k, k) that starts as zero off the diagonal. A fixed kernel is
            the same either way, and cheaper per class. Defaults to True.
        full (bool): Whether the whole result is kept, f (h - 1) + k rows, which the
            caffe alignment crops itself. Else the f h rows in the middle are kept.
            Defaults to False.
        kernel_size (int, optional): k, as in :func:`bilinear_kernel`; FCN-AlexNet's is 63.
            Defaults to None: ``2f - f % 2``.

    Raises:
        ValueError: If a kernel of that size does not interpolate by f, or has no middle
            in f h rows and ``full`` is not set.
    """

    def __init__(self, channels: int, factor: int, learnable: bool = False,
                 per_class: bool = True, full: bool = False,
                 kernel_size: int | None = None) -> None:
        super().__init__()
        _check_factor('BilinearDeconv', factor)
        self.channels, self.factor, self.per_class = channels, factor, per_class
        self.full = full
        kernel = bilinear_kernel(factor, kernel_size)
        if not full and (len(kernel) - factor) % 2:
            raise InputError(
                f'BilinearDeconv: a kernel of {len(kernel)} shifts the scores by half a pixel '
                f"at factor {factor}: leave kernel_size out, or set alignment='caffe' in "
                'the head')
        if per_class:
            weight = kernel.repeat(channels, 1, 1, 1)
        else:
            weight = torch.einsum('ij,hw->ijhw', torch.eye(channels), kernel)
        if learnable:
            self.weight = nn.Parameter(weight)
        else:
            # Not in the state dict: it follows from the factor.
            self.register_buffer('weight', weight, persistent=False)

    def forward(self, scores: Tensor, switches: Tensor | None = None) -> Tensor:
        """(N, C, h, w) to (N, C, f h, f w), or more with ``full``."""
        return F.conv_transpose2d(
            scores, self.weight.to(scores.dtype), stride=self.factor,
            padding=0 if self.full else (self.weight.shape[-1] - self.factor) // 2,
            groups=self.channels if self.per_class else 1)

    def matrix(self, count: int, like: Tensor) -> Tensor | None:
        """See :meth:`BilinearUpsample.matrix`; None if the kernel is learned."""
        if isinstance(self.weight, nn.Parameter):
            return None
        # the kernel is the outer product of a ramp with itself
        ramp = self.weight[0, 0].diagonal().sqrt().to(like)
        single = torch.eye(count, dtype=like.dtype, device=like.device)[:, None]
        padding = 0 if self.full else (len(ramp) - self.factor) // 2
        return F.conv_transpose1d(single, ramp[None, None], stride=self.factor,
                                  padding=padding)[:, 0].T

    def extra_repr(self) -> str:
        return (f'channels={self.channels}, factor={self.factor}, '
                f'learnable={isinstance(self.weight, nn.Parameter)}, '
                f'per_class={self.per_class}, full={self.full}')


@MODELS.register_module()
class BilinearUpsample(nn.Module):
    """Bilinear interpolation with half-pixel centres, the border repeated.

    Equal to a fixed :class:`BilinearDeconv` away from the border, and faster.

    Args:
        channels (int): Number of classes; not used, every upsampler takes it.
        factor (int): Upsampling factor f.
    """

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        _check_factor('BilinearUpsample', factor)
        self.factor = factor

    def forward(self, scores: Tensor, switches: Tensor | None = None) -> Tensor:
        """(N, C, h, w) to (N, C, f h, f w)."""
        if self.factor == 1:
            return scores
        return F.interpolate(scores, scale_factor=self.factor, mode='bilinear',
                             align_corners=False)

    def matrix(self, count: int, like: Tensor) -> Tensor | None:
        """What upsampling does along one axis: ``rows @ scores @ columns.T`` is the whole.

        Args:
            count (int): Scores h along the axis.
            like (Tensor): Of the type and on the device wanted.

        Returns:
            Tensor: (f h, h), the shares of the scores in each upsampled one.
        """
        single = torch.eye(count, dtype=like.dtype, device=like.device)[None]
        return F.interpolate(single, scale_factor=self.factor, mode='linear',
                             align_corners=False)[0].T

    def extra_repr(self) -> str:
        return f'factor={self.factor}'


@MODELS.register_module()
class MaxUnpool(BaseModule):
    """Max-unpooling: scores go back to where the pooling found its maxima.

    A 1x1 convolution spreads the class scores over the channels that were pooled,
    each channel is unpooled with its own switches, and a 3x3 convolution gathers
    the sparse map into class scores again. Of the pooled layer only the switches
    are used.

    Args:
        channels (int): Number of classes C.
        factor (int): Upsampling factor; a VGG pools by 2, so it must be 2.
        switch_channels (int): Channels K of the pooling that is undone.
    """

    def __init__(self, channels: int, factor: int, switch_channels: int) -> None:
        # The small weights that score layers start from would leave its output near zero.
        super().__init__(dict(type='Kaiming', layer='Conv2d', nonlinearity='linear'))
        _check_factor('MaxUnpool', factor)
        if factor != 2:
            raise InputError(
                f'MaxUnpool: factor is {factor}, but a pooling by 2 can only be undone by '
                '2. Give the head neighbouring strides (in_strides=(8, 16, 32)), and use '
                'another type as final_upsampler')
        self.spread = nn.Conv2d(channels, switch_channels, 1)
        self.gather = nn.Conv2d(switch_channels, channels, 3, padding=1)

    def forward(self, scores: Tensor, switches: Tensor | None = None) -> Tensor:
        """(N, C, h, w), with switches (N, K, h, w), to (N, C, 2 h, 2 w)."""
        if switches is None:
            raise InputError('MaxUnpool was called without pooling switches')
        spread = self.spread(scores)
        height, width = spread.shape[-2:]
        return self.gather(F.max_unpool2d(
            spread, switches, 2, 2, output_size=(2 * height, 2 * width)))
