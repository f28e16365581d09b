"""The fully connected conditional random field on a segmentor's probabilities."""
from collections.abc import Sequence

import numpy as np
import torch
from mmseg.registry import MODELS
from torch import Tensor

from ...utils.errors import InputError
from .base import PostProcessor, log_scores
from .mean_field import Kernels, infer

Array = Tensor | np.ndarray

#: How far the sum of a pixel's probabilities may be from 1: float16 rounds.
_SUM_TOLERANCE = 0.01


@MODELS.register_module()
class DenseCRF(PostProcessor):
    r"""Mean field in the fully connected CRF of Kraehenbuehl and Koltun (NIPS 2011).

    Minimises, over independent marginals Q, the energy of labels x

    .. math:: \sum_i -\log p_i(x_i) + \sum_{i<j} \mu(x_i, x_j)
              \left[ w_s e^{-|\Delta xy|^2 / 2 \sigma_s^2} +
              w_a e^{-|\Delta xy|^2 / 2 \sigma_{xy}^2
              - |\Delta rgb|^2 / 2 \sigma_{rgb}^2} \right]

    with each kernel normalised on both sides, as their code does by default: k_ij /
    sqrt(n_i n_j), n_i the sum of k_ij over all j. A weight w so means the same in every
    image: it adds about w times the mean probability of a label around a pixel to the
    label's log-probability there.

    Two things are approximated: the posterior by independent marginals (mean field), and
    the kernels by the permutohedral lattice, as in their code. On images small enough
    for exact kernels, marginals differ by 0.01 in total variation on average, and labels
    by fewer than 1 in 100 (docs/crf.md has the figures).

    In a config: ``model = dict(post_processor=dict(type='DenseCRF'))``. On arrays::

        refined = DenseCRF(steps=10)(probabilities, image)

    Args:
        smoothness_weight (float): Of the kernel on positions; 0 leaves it out.
            Defaults to 3.
        smoothness_sigma (float): Its deviation in pixels. Defaults to 3.
        appearance_weight (float): Of the kernel on positions and colours; 0 leaves it
            out. Defaults to 4.
        sigma_xy (float): Its deviation of positions, in pixels. Defaults to 60.
        sigma_rgb (float): Its deviation of colours, of 255. Defaults to 5.
        steps (int): Mean-field steps. Defaults to 10.
        compatibility (Sequence[Sequence[float]], optional): The penalty mu of labels
            l and l', (C, C), learned say by :class:`CRFRNN`. Defaults to None:
            Potts, 1 where they differ.
        floor (float): Smaller probabilities are raised to it, so that no label is
            impossible. Defaults to 1e-5.
        engine (str): 'torch', the only one; configs of version 0.1.0 name it.
            Defaults to 'torch'.

    Raises:
        ValueError: If a setting is out of its range.
    """

    def __init__(self,
                 smoothness_weight: float = 3.,
                 smoothness_sigma: float = 3.,
                 appearance_weight: float = 4.,
                 sigma_xy: float = 60.,
                 sigma_rgb: float = 5.,
                 steps: int = 10,
                 compatibility: Sequence[Sequence[float]] | None = None,
                 floor: float = 1e-5,
                 engine: str = 'torch') -> None:
        self.kernels = check_kernels('DenseCRF', Kernels(
            smoothness_weight, smoothness_sigma, appearance_weight, sigma_xy, sigma_rgb))
        check_steps('DenseCRF', steps=steps)
        if not 0 < floor < 0.5:
            raise InputError(f'DenseCRF: floor={floor!r}, expected a probability above 0, '
                             'such as 1e-5')
        if engine != 'torch':
            raise InputError(
                f"DenseCRF: engine={engine!r}, expected 'torch', which runs on CPU and GPU "
                "and gives what 'pydensecrf2' gave: leave engine out")
        self.steps, self.floor = steps, floor
        self.compatibility = None
        if compatibility is not None:
            self.compatibility = _check_compatibility(compatibility)

    def __call__(self, probabilities: Array, image: Array) -> Array:
        """Refines the probabilities of one image.

        Args:
            probabilities (Tensor | np.ndarray): (C, H, W), at least two classes, which
                add up to 1 at each pixel. The result has gradients if it requires
                them.
            image (Tensor | np.ndarray): (H, W, 3), RGB, 0 to 255. Another order of the
                channels changes the last digits alone.

        Returns:
            Tensor | np.ndarray: Marginals (C, H, W), of the type that was given, but
            float32 for float16 and integers.

        Raises:
            ValueError: If they are no probabilities, or the image does not match.
        """
        p, given = _as_tensor(probabilities, 'probabilities')
        image, _ = _as_tensor(image, 'image')
        p = p if p.dtype == torch.float64 else p.float()
        _check_probabilities(p)
        image = _check_image(image, p.shape[-2:])
        if self.compatibility is not None and len(self.compatibility) != len(p):
            raise InputError(f'DenseCRF: compatibility is for {len(self.compatibility)} '
                             f'classes, but there are probabilities of {len(p)}')
        marginals = infer(p.clamp(min=self.floor).log(), image, self.kernels, self.steps,
                          self.compatibility)
        return marginals.numpy() if given is np.ndarray else marginals

    def refine(self, scores: Tensor, image: Tensor) -> Tensor:
        """As :meth:`PostProcessor.refine`: log-marginals of a softmax's scores."""
        return log_scores(self(scores.softmax(0), image))


def dense_crf(probabilities: Array, image: Array, **settings) -> Array:
    """Refines probabilities (C, H, W) by the image (H, W, 3).

    Args:
        probabilities, image: As :meth:`DenseCRF.__call__` takes them.
        **settings: Of :class:`DenseCRF`.

    Returns:
        Tensor | np.ndarray: Marginals (C, H, W).
    """
    return DenseCRF(**settings)(probabilities, image)


def check_kernels(owner: str, kernels: Kernels) -> Kernels:
    """Returns the kernels, or raises ValueError for a setting out of its range."""
    for name, value in kernels._asdict().items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        least = 'at least 0' if name.endswith('weight') else 'above 0'
        if not number or not 0 <= value < float('inf') or (
                value == 0 and least == 'above 0'):
            raise InputError(f'{owner}: {name}={value!r}, expected a number {least}')
    return kernels


def check_steps(owner: str, **steps: int) -> None:
    """Raises ValueError unless each number of steps is an integer of at least 1."""
    for name, value in steps.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(f'{owner}: {name}={value!r}, expected an integer of at least 1')


def _check_compatibility(given) -> Tensor:
    try:
        matrix = torch.as_tensor(np.asarray(given, np.float32))
    except (TypeError, ValueError) as error:
        raise InputError('DenseCRF: compatibility is no matrix of numbers: '
                         f'{error}') from error
    if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1] or (
            not matrix.isfinite().all()):
        raise InputError(f'DenseCRF: compatibility has the shape {tuple(matrix.shape)}, '
                         'expected (C, C), all finite')
    return matrix


def _as_tensor(array: Array, name: str):
    """The array as a tensor, and the type that it had."""
    if isinstance(array, Tensor):
        return array, Tensor
    if isinstance(array, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(array)), np.ndarray
    raise TypeError(f'DenseCRF: {name} is a {type(array).__name__}, expected a tensor or '
                    'a NumPy array')


def _check_probabilities(p: Tensor) -> None:
    if p.dim() != 3 or len(p) < 2 or not p.numel():
        raise InputError(f'DenseCRF: probabilities have the shape {tuple(p.shape)}, '
                         'expected (C, H, W) with at least 2 classes and one pixel; of two '
                         'classes give both: 1 - p and p')
    p = p.detach()
    low, high = (float(value) for value in p.aminmax())
    if not np.isfinite(low) or not np.isfinite(high):
        count = int((~p.isfinite()).sum())
        raise InputError(f'DenseCRF: {count} of {p.numel()} probabilities are NaN or '
                         'infinite')
    totals = p.sum(0)
    error = (totals - 1).abs()
    if low < -1e-3 or float(error.max()) > _SUM_TOLERANCE:
        row, column = divmod(int(error.argmax()), p.shape[2])
        raise InputError(
            f'DenseCRF: probabilities lie between {low:.4g} and {high:.4g} and add up to '
            f'{float(totals[row, column]):.4g} at row {row}, column {column}, expected 1 at '
            'every pixel: if these are scores, put them through softmax(0) first')


def _check_image(image: Tensor, size: torch.Size) -> Tensor:
    if image.dim() != 3 or image.shape[-1] != 3:
        raise InputError(f'DenseCRF: the image has the shape {tuple(image.shape)}, expected '
                         '(H, W, 3)')
    if image.shape[:2] != size:
        raise InputError(
            f'DenseCRF: the image is {image.shape[0]}x{image.shape[1]} (height x width), but '
            f'the probabilities are {size[0]}x{size[1]}: resize one to the other')
    if image.dtype == torch.uint8:
        return image
    low, high = (float(value) for value in image.aminmax())
    if not (low >= 0 and high <= 255):  # NaN too
        raise InputError(f'DenseCRF: the image has values from {low:.4g} to {high:.4g}, '
                         'expected 0 to 255: undo its normalisation')
    if image.is_floating_point() and 0 < high <= 1:
        raise InputError(f'DenseCRF: the image has values from {low:.4g} to {high:.4g}, '
                         'expected 0 to 255: multiply it by 255')
    return image.round().byte() if image.is_floating_point() else image.byte()
