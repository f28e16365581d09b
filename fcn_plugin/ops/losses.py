"""Cross-entropy at the image's size, of scores at a coarse stride."""
import itertools

import torch
from torch import Tensor

# Logits at once: some images on a GPU, on a CPU as much as its caches may hold.
_AT_ONCE = {'cpu': 1 << 20, 'cuda': 1 << 26}


def cross_entropy_at_image(scores: Tensor, labels: Tensor, rows: Tensor, columns: Tensor,
                           class_weight: Tensor | None = None,
                           ignore_index: int = 255) -> Tensor:
    """Upsamples scores and sums the cross-entropy of the pixels that count.

    As ``F.cross_entropy(rows @ scores @ columns.T, labels, class_weight, reduction='sum',
    ignore_index=ignore_index)``, but logits and their gradients exist for some images or rows
    at a time only: the gradient of the scores is computed beside their loss.

    Args:
        scores (Tensor): (N, C, h, w), float32 or float64.
        labels (Tensor): (N, H, W), int64.
        rows, columns (Tensor): (H, h) and (W, w), the shares that the scores of one axis
            have in the logits, from :meth:`BilinearUpsample.matrix`.
        class_weight (Tensor, optional): (C, ). Defaults to None: all weigh 1.
        ignore_index (int): The label of pixels that do not count. Defaults to 255.

    Returns:
        Tensor: The sum, without dimensions.

    Raises:
        IndexError: On a CPU, for a label that no class has.
    """
    return _CrossEntropy.apply(scores, labels, rows, columns, class_weight, ignore_index)


class _CrossEntropy(torch.autograd.Function):

    @staticmethod
    def forward(ctx, scores, labels, rows, columns, class_weight, ignore_index):
        slopes = torch.zeros_like(scores) if ctx.needs_input_grad[0] else None
        total = scores.new_zeros(())
        (count, height, width), classes = labels.shape, scores.shape[1]
        lines = max(_AT_ONCE.get(scores.device.type, _AT_ONCE['cpu']) // (classes * width), 1)
        images = max(lines // max(height, 1), 1)
        for some, band in itertools.product(_parts(count, images), _parts(height, lines)):
            target = labels[some, None, band]
            counted = target != ignore_index
            target = target.where(counted, 0)
            if scores.device.type == 'cpu':
                wrong = target[(target < 0) | (target >= classes)]
                if len(wrong):
                    raise IndexError(f'Target {int(wrong[0])} is out of bounds.')
            share = counted.to(scores.dtype) if class_weight is None else (
                class_weight[target] * counted)
            logits = (rows[band] @ scores[some] @ columns.T).log_softmax(1)
            total -= (logits.gather(1, target) * share).sum()
            if slopes is not None:
                # softmax minus one at the label
                slope = logits.exp_().scatter_add_(1, target, -torch.ones_like(share))
                slopes[some] += rows[band].T @ (slope.mul_(share) @ columns)
        ctx.save_for_backward(slopes)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, upstream):
        slopes, = ctx.saved_tensors
        return slopes * upstream, None, None, None, None, None


def _parts(count: int, size: int) -> list[slice]:
    return [slice(first, first + size) for first in range(0, count, size)]
