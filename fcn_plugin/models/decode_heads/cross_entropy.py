"""mmseg's cross-entropy, of scores that are brought to the image on the way."""
from collections.abc import Sequence

import torch
from mmseg.models.losses import CrossEntropyLoss
from torch import Tensor, nn

from ...ops import cross_entropy_at_image


def is_cross_entropy(loss: nn.Module) -> bool:
    """Whether a loss is mmseg's own, of a softmax, averaged or summed."""
    return type(loss) is CrossEntropyLoss and loss.reduction in ('mean', 'sum') and not (
        loss.use_sigmoid or loss.use_mask)


def upsampled_cross_entropy(loss: CrossEntropyLoss, scores: Tensor, labels: Tensor,
                            axes: Sequence[Tensor], ignore_index: int) -> Tensor:
    """What the loss has for the logits ``rows @ scores @ columns.T``, without making them.

    Args:
        loss (CrossEntropyLoss): One for which :func:`is_cross_entropy` holds.
        scores (Tensor): (N, C, h, w).
        labels (Tensor): (N, H, W).
        axes (Sequence[Tensor]): The rows (H, h) and the columns (W, w).
        ignore_index (int): The label of pixels that do not count.
    """
    weight = None if loss.class_weight is None else scores.new_tensor(loss.class_weight)
    value = cross_entropy_at_image(scores, labels, axes[0], axes[1], weight, ignore_index)
    if loss.reduction == 'mean':
        counted = labels != ignore_index
        pixels: Tensor | int = counted.sum() if loss.avg_non_ignore else labels.numel()
        if weight is not None:
            pixels = weight[labels[counted]].sum()
        # as mmseg divides, so that a batch without pixels that count has the loss 0
        value = value / (pixels + torch.finfo(torch.float32).eps)
    return loss.loss_weight * value
