"""The average of all tensors at once is mmengine's of one after another."""
import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from torch import nn

from fcn_plugin.optim import ForeachEMA


def after(kind, resumed=False, **options):
    """State of an average over five steps of a network with buffers, of two dtypes."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 2).double())
    average = kind(network, momentum=0.3, **options)
    for step in range(5):
        with torch.no_grad():
            for value in network.state_dict().values():
                value.add_(torch.rand(value.shape) if value.is_floating_point() else 1)
        if resumed and step == 3:
            state = average.state_dict()
            average = kind(network, momentum=0.3, **options)
            average.load_state_dict(state)
        average.update_parameters(network)
    return average.state_dict()


@pytest.mark.parametrize('resumed', [False, True])
@pytest.mark.parametrize('options', [
    dict(update_buffers=True), dict(update_buffers=True, interval=2), dict()], ids=str)
def test_averages_are_those_of_mmengine(options, resumed):
    ours = after(ForeachEMA, resumed, **options)
    theirs = after(ExponentialMovingAverage, **options)
    assert list(ours) == list(theirs) and ours['steps'] == 5
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, rtol=1e-15, atol=1e-15)


def test_tensors_are_taken_at_once(monkeypatch):
    """And none after another, by mmengine's function of one tensor."""
    def fails(*args):
        raise AssertionError
    monkeypatch.setattr(ForeachEMA, 'avg_func', fails)
    after(ForeachEMA, update_buffers=True)
    with pytest.raises(AssertionError):
        after(ForeachEMA)
