"""The lattice against the Gaussian kernel that it stands for."""
import weakref

import numpy as np
import pytest
import torch

from fcn_plugin.models.post_processors.permutohedral import (
    PermutohedralFilter,
    appearance_filter,
    position_features,
    smoothness_filter,
)


def exact_filter(features, values):
    """sum_j k_ij v_j / sqrt(n_i n_j), k a Gaussian, n its sums; NumPy, float64."""
    features, values = features.double().numpy(), values.double().numpy()
    distance = ((features[:, None] - features[None])**2).sum(2)
    kernel = np.exp(-distance / 2)
    norm = np.sqrt(kernel.sum(1))
    return torch.from_numpy(kernel / norm[:, None] / norm[None] @ values)


def cloud(count=300, dims=5, spread=1.5):
    return spread * torch.randn(count, dims), torch.rand(count, 4)


@pytest.mark.parametrize('dims', [1, 2, 3, 5])
def test_close_to_the_gaussian(dims):
    features, values = cloud(dims=dims)
    exact = exact_filter(features, values)
    found = PermutohedralFilter(features)(values).double()
    # 2% in low dimensions; in five the cloud is thin, and corners are missing
    assert (found - exact).norm() / exact.norm() < (0.15 if dims > 3 else 0.06)
    assert not torch.allclose(found, values.double(), atol=0.1)


def test_smoothness_of_a_grid_is_close():
    like = torch.empty(0)
    values = torch.rand(30 * 40, 3)
    rows, columns = np.mgrid[:30, :40]
    features = torch.from_numpy(np.stack([columns.ravel(), rows.ravel()], 1) / 3.)
    exact = exact_filter(features, values)
    found = smoothness_filter(30, 40, 3, like)(values).double()
    assert (found - exact).norm() / exact.norm() < 0.02


def test_smoothness_of_another_deviation_is_another_filter():
    """Filters are kept by what they depend on."""
    values = torch.rand(70, 2)
    found = [smoothness_filter(10, 7, sigma, values)(values) for sigma in (3., 1.5, 3.)]
    assert torch.equal(found[0], found[2]) and not torch.allclose(found[0], found[1])
    fresh = PermutohedralFilter(position_features(10, 7, 1.5, values))(values)
    assert torch.equal(found[1], fresh)


def test_filters_of_few_sizes_are_kept():
    like = torch.empty(0)
    first = weakref.ref(smoothness_filter(3, 4, 2, like))
    assert first() is smoothness_filter(3, 4, 2, like)
    for width in range(5, 10):
        smoothness_filter(3, width, 2, like)
    assert first() is None


def test_positions_are_of_column_and_row():
    found = position_features(2, 3, 0.5)
    assert found.tolist() == [[0, 0], [2, 0], [4, 0], [0, 2], [2, 2], [4, 2]]


def test_a_colour_edge_stops_the_filter():
    image = torch.zeros(10, 20, 3, dtype=torch.uint8)
    image[:, 10:] = 200
    values = (image[..., 0].flatten() > 0).float()[:, None]
    found = appearance_filter(image, 10, 10, values)(values).view(10, 20)
    assert found[:, :10].abs().max() < 1e-6
    assert 0.9 < found[:, 10:].mean() < 1.1


def test_transposed():
    """<F a, b> = <a, F^T b>, which makes the gradient right."""
    features, _ = cloud()
    lattice = PermutohedralFilter(features.double())
    a, b = torch.rand(2, 300, 2, dtype=torch.double)
    assert torch.allclose((lattice(a) * b).sum(), (a * lattice.apply_transpose(b)).sum())
    a.requires_grad_()
    assert torch.autograd.gradcheck(PermutohedralFilter(features[:20].double()),
                                    a[:20].detach().requires_grad_())


def test_points_in_any_order():
    features, values = cloud()
    order = torch.randperm(300)
    found = PermutohedralFilter(features[order])(values[order])
    torch.testing.assert_close(found, PermutohedralFilter(features)(values)[order])


@pytest.mark.parametrize('features', [torch.zeros(1, 5), torch.zeros(7, 2),
                                      torch.tensor([[0., 0.], [1000., -1000.]])])
def test_points_without_neighbours_or_all_in_one_place(features):
    values = torch.rand(len(features), 2)
    found = PermutohedralFilter(features)(values)
    torch.testing.assert_close(found.double(), exact_filter(features, values))


@pytest.mark.parametrize('features, message', [
    (torch.tensor([[0., float('nan')]]), 'not finite'),
    (torch.tensor([[0.] * 5, [1e6] * 5]), 'too small')])
def test_bad_features(features, message):
    with pytest.raises(ValueError, match=message):
        PermutohedralFilter(features)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')
def test_the_same_on_a_gpu():
    features, values = cloud()
    here = PermutohedralFilter(features)(values)
    there = PermutohedralFilter(features.cuda())(values.cuda())
    torch.testing.assert_close(there.cpu(), here)
