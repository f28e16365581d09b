"""Replacements for modules whose exported graph would serve a single image size."""
import copy

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import Conv2dAdaptivePadding
from mmpretrain.models.utils import ShiftWindowMSA
from torch import Tensor, nn

from ..models.same_padding import SamePadConv2d
from ..utils.errors import InputError


class AnySizeShiftWindowMSA(ShiftWindowMSA):
    """mmpretrain's shifted window attention (Swin Transformer), traceable for any size.

    The graph of mmpretrain's keeps the batch size, the mask of the shifted windows and
    the cropping of the traced image. Here the graph computes them for each image. Weights,
    arguments and results are the same.
    """

    def forward(self, query: Tensor, hw_shape: tuple) -> Tensor:
        """(N, H * W, C) to the same."""
        batch, _, channels = query.shape
        height, width = hw_shape
        side = self.window_size
        shift = self.shift_size
        x = query.view(batch, height, width, channels)
        x = F.pad(x, (0, 0, 0, -width % side, 0, -height % side))
        rows, columns = x.shape[1], x.shape[2]
        if shift:
            x = torch.roll(x, (-shift, -shift), (1, 2))
        mask = self._mask(rows, columns, shift, x) if shift else None
        windows = self.window_partition(x, side).view(-1, side**2, channels)
        windows = self.w_msa(windows, mask=mask)
        x = windows.view(batch, rows // side, columns // side, side, side, channels)
        x = x.permute(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, channels)
        if shift:
            x = torch.roll(x, (shift, shift), (1, 2))
        x = x[:, :height, :width].reshape(batch, height * width, channels)
        return self.drop(x)

    def _mask(self, rows, columns, shift: int, like: Tensor) -> Tensor:
        """(windows, side^2, side^2): -100 between pixels that were no neighbours before
        the shift, else 0."""
        side = self.window_size
        bands = []
        for count in (rows, columns):
            place = torch.arange(count, device=like.device)
            bands.append((place >= count - side).long() + (place >= count - shift).long())
        region = bands[0][:, None] * 3 + bands[1][None]
        region = self.window_partition(region[None, ..., None], side).view(-1, side**2)
        return (region[:, None] != region[:, :, None]).to(like.dtype) * -100.


#: From the type of a module to the type that computes the same for any size.
REPLACEMENTS = {
    Conv2dAdaptivePadding: SamePadConv2d,
    ShiftWindowMSA: AnySizeShiftWindowMSA,
}


def for_any_size(model: nn.Module) -> nn.Module:
    """Exchanges the modules whose graph would be right for the traced image's size alone.

    Args:
        model (nn.Module): Not changed.

    Returns:
        nn.Module: ``model`` itself, or a copy in which the modules of
        :data:`REPLACEMENTS` are exchanged.

    Raises:
        InputError: If a Swin Transformer computes otherwise for small maps
            (``pad_small_map=False``).
    """
    if not any(type(module) in REPLACEMENTS for module in model.modules()):
        return model
    if any(getattr(module, 'pad_small_map', True) is False for module in model.modules()):
        raise InputError('pad_small_map=False computes otherwise where a map is as small as a '
                         'window, which no graph of any size can: give the backbone '
                         'pad_small_map=True')
    model = copy.deepcopy(model)
    for module in model.modules():
        # Both types have the same parameters and attributes; only their methods differ.
        module.__class__ = REPLACEMENTS.get(type(module), type(module))
    return model
