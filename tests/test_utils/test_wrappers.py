"""The network in whatever stands around it."""
from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn

from fcn_plugin.utils.wrappers import unwrapped


class Network(nn.Conv2d):
    def test_step(self, data):
        return data


class Views(BaseTTAModel):
    def merge_preds(self, data_samples_list):
        return data_samples_list


def test_the_network_in_one_wrapper_in_both_and_in_none():
    network = Network(3, 2, 1)
    assert is_model_wrapper(nn.DataParallel(network))
    for model in (network, Views(network), nn.DataParallel(network),
                  nn.DataParallel(Views(network))):
        assert unwrapped(model) is network
