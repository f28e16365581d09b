"""mmseg's cross-entropy, of scores that are brought to the image on the way."""
from collections.abc import Sequence

import torch
from mmseg.models.losses import CrossEntropyLoss
from torch import Tensor, nn

from ...ops import cross_entropy_at_image
from ...utils.errors import InputError


def is_cross_entropy(loss: nn.Module) -> bool:
    """Whether a loss is mmseg's own, of a softmax, averaged or summed."""
    return type(loss) is CrossEntropyLoss and loss.reduction in ('mean', 'sum') and not (
        loss.use_sigmoid or loss.use_mask)


def check_channels(loss: nn.Module, channels: int) -> None:
    """Raises ValueError if a cross-entropy cannot be taken of so many channels.

    The softmax of one is 1 everywhere, with the loss 0. Weights of another number of classes
    would be those of other classes.
    """
    if not is_cross_entropy(loss):
        return
    if channels == 1:
        raise InputError(
            'the cross-entropy of a single channel is 0 whatever it scores: set '
            'use_sigmoid=True in loss_decode, or leave out_channels out and count the '
            'background in num_classes')
    weights = loss.class_weight
    if weights is not None and len(weights) != channels:
        raise InputError(f'loss_decode: class_weight has {len(weights)} values, expected one '
                         f'for each of {channels} classes')


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
