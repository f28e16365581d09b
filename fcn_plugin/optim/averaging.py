"""The moving average of weights, for all tensors at once."""
from mmengine.model import ExponentialMovingAverage
from mmseg.registry import MODELS
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


@MODELS.register_module()
class ForeachEMA(ExponentialMovingAverage):
    """As mmengine's, for all tensors at once where weights and buffers are averaged.

    mmengine takes one tensor after another, 363 of FCN-4s with a pyramid on
    EfficientNet-Lite2, and has a GPU compare the number of steps, for which each step waits.
    The averages come out the same. Without ``update_buffers``, with an ``interval`` or with a
    ``device`` other than the network's, it is mmengine's.

    Args:
        *args, **kwargs: As in mmengine's ``ExponentialMovingAverage``.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._average = get_ema_multi_avg_fn(1 - self.momentum)
        self._at_once = False

    def update_parameters(self, model: nn.Module) -> None:
        """Takes in what a step has made of a network.

        Args:
            model (nn.Module): The network.
        """
        if not self._at_once:
            super().update_parameters(model)  # the first step copies
            places = {value.device for network in (self.module, model)
                      for value in network.state_dict().values()}
            self._at_once = self.update_buffers and self.interval == 1 and len(places) == 1
            return
        values = model.state_dict()
        means = {name: mean for name, mean in self.avg_parameters.items()
                 if mean.is_floating_point()}
        self._average(list(means.values()), [values[name] for name in means], None)
        self.steps += 1
