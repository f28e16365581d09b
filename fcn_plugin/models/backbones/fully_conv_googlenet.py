"""GoogLeNet without its classifier: the trunk of the paper's FCN-GoogLeNet."""
from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...utils.errors import InputError, MissingPackageError

MAPS = ('conv3', 'inception3b', 'inception4e', 'inception5b')
"""The last layers at strides 4, 8, 16 and 32, of 192, 480, 832 and 1024 channels."""


@MODELS.register_module()
class FullyConvGoogLeNet(BaseModule):
    """torchvision's GoogLeNet (Inception v1) up to its last inception block.

    It differs from the paper's: every convolution has a batch norm, and the blocks' 5x5
    convolutions are 3x3. The authors' net was never released. Layers have torchvision's
    names, so that its ImageNet weights load (``init_cfg=dict(type='Pretrained',
    checkpoint='torchvision://googlenet')``). They expect RGB from -1 to 1: ``mean`` and
    ``std`` of 127.5.

    Args:
        out_indices (Sequence[int]): Maps to return, 0 to 3: see :data:`MAPS`. Defaults to
            (3, ), that of stride 32.
        in_channels (int): Channels of the image. Defaults to 3.
        norm_eval (bool): Whether batch norms keep their statistics in training. Defaults to
            False.
        init_cfg (dict | list[dict], optional): As in mmengine. Defaults to None: He's
            initialisation.

    Raises:
        ImportError: If torchvision is not installed.
        ValueError: For another index.
    """

    def __init__(self, out_indices: Sequence[int] = (3, ), in_channels: int = 3,
                 norm_eval: bool = False, init_cfg=None) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        if not out_indices or not set(out_indices) <= set(range(len(MAPS))):
            raise InputError(f'FullyConvGoogLeNet: out_indices is {out_indices!r}, expected '
                             'numbers from 0 (stride 4) to 3 (stride 32)')
        try:
            from torchvision.models.googlenet import BasicConv2d, GoogLeNet
        except ImportError as error:
            raise MissingPackageError("GoogLeNet is torchvision's, which is not installed: "
                                      "pip install 'mmseg-fcn-plugin[timm]'") from error
        self.norm_eval = norm_eval
        for name, layer in GoogLeNet(1, aux_logits=False, init_weights=False).named_children():
            self.add_module(name, layer)
            if name == MAPS[-1]:
                break
        if in_channels != 3:
            self.conv1 = BasicConv2d(in_channels, 64, kernel_size=7, stride=2, padding=3)
        self.returned = [MAPS[i] for i in sorted(out_indices)]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """An image (N, C, H, W) to the maps of ``out_indices``, fine to coarse."""
        maps, x = [], image
        for name, layer in self.named_children():
            x = layer(x)
            if name in self.returned:
                maps.append(x)
        return tuple(maps)

    def train(self, mode: bool = True) -> 'FullyConvGoogLeNet':
        """As in torch, but for batch norms with ``norm_eval``."""
        super().train(mode)
        for module in self.modules() if mode and self.norm_eval else ():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self
