"""Loss sampling: only some cells of an image count (paper, 3.4 and 4.3)."""
import torch
from mmseg.registry import TASK_UTILS
from mmseg.structures.sampler import BasePixelSampler
from torch import Tensor

from ...utils.errors import InputError


@TASK_UTILS.register_module()
class CellSampler(BasePixelSampler):
    """Leaves cells out of the loss at random, as the paper does to compare with patches.

    Each cell of the coarsest scores counts with the probability ``keep``, independently. Those
    that count weigh 1 / ``keep``, so that a loss is expected to be that of whole images. For
    as many cells a step as before, ``1 / keep`` times as many images make a batch. The
    paper found no faster convergence, and sampled no more.

    In a config: ``decode_head=dict(sampler=dict(type='CellSampler', keep=0.25))``.

    Args:
        keep (float): The probability, above 0 and at most 1.
        cell (int): Pixels a side of a cell. Defaults to 32, the coarsest stride.
        context: The head; mmseg passes it and it is not used.

    Raises:
        ValueError: If ``keep`` or ``cell`` is out of range.
    """

    def __init__(self, keep: float, cell: int = 32, context=None) -> None:
        if not 0 < keep <= 1 or not isinstance(cell, int) or cell < 1:
            raise InputError(f'CellSampler: keep={keep} and cell={cell}, expected a '
                             'probability above 0 and at most 1, and pixels from 1 up')
        self.keep, self.cell = keep, cell

    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Tensor:
        """Weights (N, H, W) of pixels, from labels (N, 1, H, W)."""
        count, (height, width) = len(seg_label), seg_label.shape[-2:]
        cells = torch.rand(count, -(-height // self.cell), -(-width // self.cell),
                           device=seg_logit.device) < self.keep
        pixels = cells.repeat_interleave(self.cell, 1).repeat_interleave(self.cell, 2)
        return pixels[:, :height, :width].to(seg_logit.dtype) / self.keep
