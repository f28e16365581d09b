"""Which device a word stands for, on machines with GPUs and without."""
import pytest
import torch

from fcn_plugin.utils.devices import pick_device
from fcn_plugin.utils.errors import InputError


@pytest.mark.parametrize('gpus, there, not_there', [
    (0, ['cpu'], ['cuda', 'cuda:0', 'cuda:1']), (2, ['cpu', 'cuda', 'cuda:1'], ['cuda:2'])])
def test_a_gpu_that_is_not_there_is_refused(monkeypatch, gpus, there, not_there):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: gpus)
    assert list(map(pick_device, there)) == there
    for device in not_there:
        with pytest.raises(InputError, match=f"'{device}' was asked for, but .* {gpus} GPUs"):
            pick_device(device)


@pytest.mark.parametrize('there, device', [(True, 'cuda:0'), (False, 'cpu')])
def test_a_gpu_is_taken_where_there_is_one(monkeypatch, there, device):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: there)
    assert pick_device() == device
