"""Mean-field inference in a fully connected conditional random field."""
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .permutohedral import appearance_filter, smoothness_filter

#: On a CPU a softmax over fewer classes than this is several times slower. So impossible
#: classes are added until there are as many.
_LANES = 16


class Kernels(NamedTuple):
    """Weights and deviations of the two Gaussian kernels.

    Attributes:
        smoothness_weight (float): Of the kernel on positions; 0 leaves it out.
        smoothness_sigma (float): Its deviation in pixels.
        appearance_weight (float): Of the kernel on positions and colours; 0 leaves
            it out.
        sigma_xy (float): Its deviation of positions, in pixels.
        sigma_rgb (float): Its deviation of colours, of 255.
    """
    smoothness_weight: float
    smoothness_sigma: float
    appearance_weight: float
    sigma_xy: float
    sigma_rgb: float


def mean_field(unary: Tensor, update: Callable[[Tensor], Tensor], steps: int) -> Tensor:
    """Updates all marginals at once, ``steps`` times.

    Args:
        unary (Tensor): Log-probabilities, up to a constant a pixel, (N, C).
        update (Callable): Marginals (N, C) to scores (N, C): the unary ones and what
            the neighbours say.
        steps (int): How often.

    Returns:
        Tensor: Scores (N, C), whose softmax is the marginals.
    """
    scores = unary
    for _ in range(steps):
        scores = update(scores.softmax(1))
    return scores


def infer(unary: Tensor, image: Tensor, kernels: Kernels, steps: int,
          compatibility: Tensor | None = None) -> Tensor:
    """The marginals of :class:`DenseCRF`, on the device of ``unary``.

    Args:
        unary (Tensor): Log-probabilities (C, H, W), float32 or float64.
        image (Tensor): (H, W, 3) uint8.
        kernels (Kernels): Weights and deviations.
        steps (int): Mean-field steps.
        compatibility (Tensor, optional): (C, C), the penalty on labels l and l' side
            by side. Defaults to None: Potts, 1 where they differ.

    Returns:
        Tensor: Marginals (C, H, W).
    """
    classes, height, width = unary.shape
    filters, potts = [], compatibility is None
    rows = unary.flatten(1).t()
    if potts:
        rows = F.pad(rows, (0, max(0, _LANES - classes)), value=-torch.inf)
    rows = rows.contiguous()
    if kernels.smoothness_weight:
        filters.append((kernels.smoothness_weight, smoothness_filter(
            height, width, kernels.smoothness_sigma, rows)))
    if kernels.appearance_weight:
        filters.append((kernels.appearance_weight, appearance_filter(
            image.to(rows.device), kernels.sigma_xy, kernels.sigma_rgb, rows)))

    def update(marginals: Tensor) -> Tensor:
        # Under Potts the sum over the other labels is a constant minus the label's own.
        total = rows.clone() if potts else torch.zeros_like(rows)
        for weight, kernel in filters:
            total.add_(kernel(marginals), alpha=weight)
        return total if potts else rows - total @ compatibility.to(total).t()

    marginals = mean_field(rows, update, steps).softmax(1)
    return marginals[:, :classes].t().reshape(classes, height, width)
