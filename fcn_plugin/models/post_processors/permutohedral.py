"""High-dimensional Gaussian filtering in linear time, in PyTorch alone."""
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...utils.errors import InputError

_MAX_CODE = 2**62  # of a vertex, packed into an int64


class PermutohedralFilter:
    r"""A Gaussian kernel between all pairs of points, normalised on both sides.

    Filters values ``v`` of N points with features ``f`` to

    .. math:: (D^{-1/2} K D^{-1/2} v)_i, \quad
              K_{ij} = \exp(-|f_i - f_j|^2 / 2), \quad D = \mathrm{diag}(K 1)

    on the permutohedral lattice (Adams, Baek and Davis, 2010), as Kraehenbuehl's DenseCRF
    does: values are splatted onto the d + 1 corners of the simplex around each
    point, the corners are blurred with their neighbours along d + 1 axes, and sliced
    again. A point counts among its own neighbours. What is approximated is the kernel:
    a piecewise linear stand-in for the Gaussian, which loses what would pass
    through corners that no point touches.

    Every step is a weighted sum of rows, which torch's ``embedding_bag`` computes in
    parallel on CPU and GPU. Differentiable in the values, not in the features.

    Args:
        features (Tensor): (N, d), divided by the kernel's deviations. Their device is
            where filtering happens.

    Raises:
        ValueError: If features are not finite, or spread over so many deviations
            that corners cannot be told apart.
    """

    def __init__(self, features: Tensor) -> None:
        count, dims = features.shape
        corners = dims + 1
        weights, codes, steps = _simplices(features)

        # One sort gives the vertices, their numbers, and which points touch each.
        codes, order = codes.flatten().sort(stable=True)
        first = torch.ones_like(codes, dtype=torch.bool)
        first[1:] = codes[1:] != codes[:-1]
        vertex = first.cumsum(0, dtype=torch.int32) - 1
        vertices = codes[first]
        starts = first.nonzero().flatten()
        starts = torch.cat([starts, starts.new_tensor([corners * count])])
        named = torch.empty_like(vertex)
        named[order] = vertex
        self._splat = _Sums((order % count).int(), starts.int(), weights.flatten()[order])
        self._slice = _Sums.of(named.view(corners, count).t(), weights.t())
        self._blurs = [_neighbours(vertices, step, features.dtype) for step in steps]

        # The normalisation goes into the weights, so that it costs nothing afterwards.
        mass = self._filter(features.new_ones(count, 1), self._blurs)
        scale = mass.clamp(min=torch.finfo(mass.dtype).tiny).rsqrt().flatten()
        self._splat.weights.mul_(scale[self._splat.rows])
        self._slice.weights.view(count, corners).mul_(scale[:, None])

    def __call__(self, values: Tensor) -> Tensor:
        """Filters values (N, C) of the features' dtype to (N, C)."""
        return _Filter.apply(values, self)

    def apply(self, values: Tensor) -> Tensor:
        """Filters as a call does, without a gradient."""
        return self._filter(values, self._blurs)

    def apply_transpose(self, values: Tensor) -> Tensor:
        """Multiplies by the transposed matrix, which is another one: the blurs along the
        axes do not quite commute."""
        return self._filter(values, self._blurs[::-1])

    def _filter(self, values: Tensor, blurs: list) -> Tensor:
        lattice = self._splat(values)
        for blur in blurs:
            lattice = blur(lattice)
        return self._slice(lattice)


class _Sums(NamedTuple):
    """Weighted sums of rows; sum i is over entries ``starts[i]`` to ``starts[i + 1]``.

    Attributes:
        rows (Tensor): Which rows, int32.
        starts (Tensor): int32, one more than there are sums.
        weights (Tensor): Of the rows.
    """
    rows: Tensor
    starts: Tensor
    weights: Tensor

    @classmethod
    def of(cls, rows: Tensor, weights: Tensor) -> '_Sums':
        """From rows and weights (K, n), n of them for each sum."""
        count, each = rows.shape
        starts = torch.arange(0, count * each + 1, each, dtype=torch.int32,
                              device=rows.device)
        return cls(rows.int().flatten(), starts, weights.flatten())

    def __call__(self, values: Tensor) -> Tensor:
        """Rows (M, C) to sums (K, C)."""
        return F.embedding_bag(self.rows, values, self.starts, mode='sum',
                               per_sample_weights=self.weights, include_last_offset=True)


class _Filter(torch.autograd.Function):
    """A linear map: its gradient is the transposed map."""

    @staticmethod
    def forward(ctx, values, lattice):
        ctx.lattice = lattice
        return lattice.apply(values)

    @staticmethod
    def backward(ctx, gradient):
        return ctx.lattice.apply_transpose(gradient.contiguous()), None


def _simplices(features: Tensor):
    """The simplex of the lattice around each point.

    Returns:
        tuple: Barycentric weights (d + 1, N), the corners' codes (d + 1, N) int64, and
        d + 1 numbers: how the code changes to the next vertex along each axis.
    """
    if not features.isfinite().all():
        raise InputError('the features of the kernel are not finite')
    count, dims = features.shape
    size = dims + 1
    # The plane of the lattice in d + 1 dimensions. A blur along all axes then has
    # the deviation 1 (Adams et al., section 3.1).
    basis = features.new_zeros(size, dims)
    for i in range(dims):
        scale = (2 / 3)**0.5 * size / ((i + 1) * (i + 2))**0.5
        basis[:i + 1, i] = scale
        basis[i + 1, i] = -scale * (i + 1)
    elevated = basis @ features.t()

    # The nearest vertex of remainder 0, and the order of what remains.
    rounded = (elevated / size).round()
    surplus = rounded.sum(0).to(torch.int64)
    base = rounded * size
    rest = elevated - base
    rank = torch.zeros(size, count, dtype=torch.int64, device=features.device)
    for i in range(size):
        for j in range(i + 1, size):
            less = (rest[i] < rest[j]).long()
            rank[i] += less
            rank[j] += 1 - less
    rank += surplus
    back = ((rank < 0).long() - (rank >= size).long()) * size  # onto the plane
    rank += back
    base += back
    rest = (elevated - base) / size

    ascending = torch.empty_like(rest).scatter_(0, dims - rank, rest)
    weights = ascending.clone()
    weights[1:] -= ascending[:-1]
    weights[0] += 1 - ascending[-1]

    # Corner k + 1 lies one step from corner k along the axis of rank d - k, so that
    # codes follow from the first one's by adding.
    keys = base[:dims].long()
    low = keys.amin(1) - 2 * size  # room for neighbours
    extents = (keys.amax(1) + 2 * size - low + 1).tolist()
    spans = [1]
    for extent in extents[:0:-1]:
        spans.insert(0, spans[0] * extent)
    if spans[0] * extents[0] > _MAX_CODE:
        raise InputError(
            f'the features spread over {extents} steps of the lattice, more than can be '
            'told apart: the deviations (sigma) of the kernel are too small')
    strides = torch.tensor([*spans, 0], device=features.device)
    steps = strides.sum() - size * strides
    codes = torch.empty(size, count, dtype=torch.int64, device=features.device)
    by_rank = torch.empty_like(codes).scatter_(
        0, dims - rank, steps[:, None].expand(size, count))
    codes[0] = ((keys - low[:, None]) * strides[:dims, None]).sum(0)
    codes[1:] = codes[0] + by_rank[:-1].cumsum(0)
    return weights, codes, steps.tolist()


def _neighbours(vertices: Tensor, step: int, dtype: torch.dtype) -> _Sums:
    """The blur (1, 2, 1) / 4 along one axis.

    A neighbour that is not there is the vertex itself with weight 0.
    """
    count = len(vertices)
    here = torch.arange(count, device=vertices.device)
    after = torch.searchsorted(vertices, vertices + step).clamp(max=count - 1)
    found = vertices[after] == vertices + step
    indices = here[:, None].repeat(1, 3)
    weights = torch.zeros(count, 3, dtype=dtype, device=vertices.device)
    weights[:, 0] = 0.5
    indices[found, 1] = after[found]
    weights[found, 1] = 0.25
    # Of two neighbours each is the other's.
    indices[after[found], 2] = here[found]
    weights[after[found], 2] = 0.25
    return _Sums.of(indices, weights)


def position_features(height: int, width: int, sigma: float,
                      like: Tensor | None = None) -> Tensor:
    """Columns and rows of pixels over ``sigma``: (H * W, 2), in the type of ``like``."""
    options: dict[str, Any] = {}
    if like is not None:
        options = dict(dtype=like.dtype, device=like.device)
    rows, columns = torch.meshgrid(
        torch.arange(height, **options), torch.arange(width, **options), indexing='ij')
    return torch.stack([columns.flatten(), rows.flatten()], 1) / sigma


@lru_cache(maxsize=4)
def _smoothness(height, width, sigma, dtype, device) -> PermutohedralFilter:
    like = torch.empty(0, dtype=dtype, device=device)
    return PermutohedralFilter(position_features(height, width, sigma, like))


def smoothness_filter(height: int, width: int, sigma: float,
                      like: Tensor) -> PermutohedralFilter:
    """The kernel on positions alone; cached, since many images have one size.

    Args:
        height, width (int): Of the image.
        sigma (float): Its deviation in pixels.
        like (Tensor): Has the dtype and device to filter in.
    """
    return _smoothness(height, width, float(sigma), like.dtype, like.device)


def appearance_filter(image: Tensor, sigma_xy: float, sigma_rgb: float,
                      like: Tensor) -> PermutohedralFilter:
    """The kernel on positions and colours.

    Args:
        image (Tensor): (H, W, 3), 0 to 255.
        sigma_xy (float): Deviation of positions, in pixels.
        sigma_rgb (float): Deviation of colours, of 255.
        like (Tensor): Has the dtype and device to filter in.
    """
    positions = position_features(*image.shape[:2], sigma_xy, like)
    colours = image.reshape(-1, image.shape[-1]).to(like) / sigma_rgb
    return PermutohedralFilter(torch.cat([positions, colours], 1))
