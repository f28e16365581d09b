"""How weights for images of three channels serve more."""
import torch
from mmengine.logging import print_log
from torch import nn

from ..feature_maps import first_convolution


def take_weights_of_three(backbone: nn.Module) -> None:
    """Has a backbone of more than three channels take weights that were trained with three.

    When the backbone is loaded (``init_cfg``), the filters of each further channel of its
    first convolution become the mean of the three, as the authors start the depth channel of
    their RGB-D net. A whole segmentor's checkpoint has to fit as it is.
    """
    if hasattr(backbone, 'streams'):
        for stream in backbone.streams:
            take_weights_of_three(stream)
        return
    first = first_convolution(backbone)
    if first is None or first.in_channels <= 3 or first.groups > 1:
        return
    more = first.in_channels - 3

    def widen(module, state_dict, prefix, *args) -> None:
        weight = state_dict.get(f'{prefix}weight')
        if weight is None or weight.dim() != 4 or weight.shape[1] != 3 or (
                'backbone.' in prefix):
            return
        mean = weight.float().mean(1, keepdim=True).to(weight.dtype)
        state_dict[f'{prefix}weight'] = torch.cat([weight, *[mean] * more], 1)
        print_log(f'{prefix}weight was trained with three channels: each of the {more} '
                  'others starts with the mean of their filters', logger='current')

    first.register_load_state_dict_pre_hook(widen)
