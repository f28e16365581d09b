"""Mixed precision on a CPU."""
from contextlib import contextmanager

import pytest
import torch
from torch import nn

from fcn_plugin.optim import CPUAmpOptimWrapper


class Parallel(nn.Linear):
    """A network of several processes, which says when gradients are not exchanged."""

    def __init__(self):
        super().__init__(3, 2)
        self.alone = []

    @contextmanager
    def no_sync(self):
        self.alone.append(True)
        yield


@pytest.mark.parametrize('together', [1, 2])
def test_what_can_is_computed_in_bfloat16(together):
    network = Parallel()
    wrapper = CPUAmpOptimWrapper(torch.optim.SGD(network.parameters(), lr=0.1),
                                 accumulative_counts=together)
    wrapper.initialize_count_status(network, 0, 4)
    for _ in range(4):
        with wrapper.optim_context(network):
            found = network(torch.ones(1, 3))
            assert found.dtype == torch.bfloat16
            loss = nn.functional.mse_loss(found, torch.zeros_like(found))
        wrapper.update_params(loss)
        assert network.weight.dtype == torch.float32
    assert len(network.alone) == (0 if together == 1 else 2)  # of four, the last of each two
