"""What must not depend on the number of processes: gradients and figures."""
import process_runs
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from tiny_runs import SHAPES, forget_runs, write_config

from fcn_plugin.datasets.shapes import ShapesDataset
from fcn_plugin.utils.config import load_config


def load(path):
    return torch.load(path, weights_only=True)


@pytest.fixture(scope='module')
def folder(processes, tmp_path_factory):
    """What one process and two have written, who judge the same weights on five images."""
    init_default_scope('mmseg')  # fixtures of a module come before the tests' own
    folder = tmp_path_factory.mktemp('processes')
    path = write_config(folder, SHAPES + "test_evaluator = dict(trimap_widths=[1, 3])\n",
                        'config.py')
    config = load_config(str(path))
    torch.manual_seed(0)
    weights = MODELS.build(config.model).state_dict()
    for key in weights:  # random scores, which tell classes apart
        if key.startswith('decode_head.score') and key.endswith('weight'):
            weights[key] = torch.randn_like(weights[key])
    torch.save(dict(state_dict=weights), folder / 'weights.pth')
    process_runs.what_all_have(folder)
    process_runs.in_processes(processes, 2, process_runs.what_all_have, folder)
    forget_runs()
    return folder


# --- gradients ------------------------------------------------------------------------


@pytest.fixture(scope='module')
def gradients(folder):
    """Of one process and of two."""
    return [load(folder / f'gradients_{processes}.pth') for processes in (1, 2)]


def furthest(found, expected):
    """The largest difference, against the largest entry of the expected gradients."""
    scale = max(float(one.abs().max()) for one in expected)
    assert scale > 1e-3
    return max(float((a - b).abs().max()) for a, b in zip(found, expected)) / scale


@pytest.mark.parametrize('loss, masks', [
    ('mean', 'all'), ('mean_of_all', 'all'), ('mean_of_all', 'some')])
def test_gradients_are_those_of_the_whole_batch(gradients, loss, masks):
    one, two = gradients
    for found in (two[loss, masks, 1], two[loss, masks, 2], one[loss, masks, 2]):
        assert furthest(found, one[loss, masks, 1]) < 3e-6


@pytest.mark.parametrize('masks', ['all', 'some'])
def test_a_summed_loss_is_divided_by_processes_and_steps(gradients, masks):
    """As docs/distributed.md says: the rate of a batch's share serves."""
    one, two = gradients
    whole = one['sum', masks, 1]
    for found, share in ((two['sum', masks, 1], 2), (one['sum', masks, 2], 2),
                         (two['sum', masks, 2], 4)):
        assert furthest([share * part for part in found], whole) < 3e-6


def test_unlike_numbers_of_pixels_weigh_processes_alike(gradients):
    """The mean over pixels that count is each process's own."""
    one, two = gradients
    key = 'mean', 'some'
    assert 1e-4 < furthest(two[*key, 1], one[*key, 1]) < 1


# --- figures --------------------------------------------------------------------------


@pytest.fixture(scope='module')
def figures(folder):
    """Of one process and of two: (metrics, matrices)."""
    return [load(folder / f'figures_{processes}.pth') for processes in (1, 2)]


def test_figures_are_the_same_to_the_last_bit(figures):
    (alone, matrices), (found, seen) = figures
    assert len(alone) == 8 and len(matrices) == 1
    assert len(set(alone.values())) > 4, 'the figures tell nothing apart'
    assert found == alone
    assert len(seen) == 1 and torch.equal(seen[0], matrices[0])


def test_no_image_counts_twice(figures):
    dataset = ShapesDataset(5, 'test', image_size=(32, 40))
    assert len(dataset) == 5
    counted = sum(int((dataset[i]['gt_seg_map'] != 255).sum()) for i in range(5))
    for _, (matrices, ) in figures:
        assert int(matrices[0].sum()) == counted


def test_all_processes_judge_by_the_first_one_s_statistics(folder):
    first, second = (load(folder / f'statistics_{rank}.pth') for rank in (0, 1))
    assert not first['running_mean'].any()
    assert all(torch.equal(value, second[key]) for key, value in first.items())
