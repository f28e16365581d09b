"""Names and shapes of our FCN on VGG16, by layers of Caffe."""
import warnings

import torch

from ..backbones import FullyConvVGG
from ..decode_heads import FCNSkipHead
from ..feature_maps import describe_backbone

# Layers of the released nets: strides of the maps that are scored, names of the score
# layers by stride, and for each upsampling layer ours and its factor.
STRIDES = {'32s': (32, ), '16s': (16, 32), '8s': (8, 16, 32)}
_SCORES = {8: 'score_pool3', 16: 'score_pool4', 32: 'score_fr'}
UPSAMPLING = {
    '32s': {'upscore': ('upsample_image', 32)},
    '16s': {'upscore2': ('upsample.stride32', 2), 'upscore16': ('upsample_image', 16)},
    '8s': {'upscore2': ('upsample.stride32', 2),
           'upscore_pool4': ('upsample.stride16', 2),
           'upscore8': ('upsample_image', 8)},
}


def build_backbone() -> FullyConvVGG:
    """The trunk of all these nets, without data."""
    with torch.device('meta'):
        return FullyConvVGG(16)


def target_shapes(stage: str, num_classes: int) -> dict[str, tuple[int, ...]]:
    """The shapes of our state dict, with fixed upsampling.

    Args:
        stage (str): '32s', '16s' or '8s'.
        num_classes (int): Number of classes C.
    """
    backbone = build_backbone()
    strides = STRIDES[stage]
    # Of the maps at stride 32 conv7's is the last.
    maps = {m.stride: m for m in describe_backbone(backbone)}
    with torch.device('meta'), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # mmseg's advice on two classes
        head = FCNSkipHead([maps[s].channels for s in strides],
                           [maps[s].index for s in strides], strides, num_classes)
    return {f'{part}.{key}': tuple(value.shape)
            for part, module in (('backbone', backbone), ('decode_head', head))
            for key, value in module.state_dict().items()}


def layer_names(stage: str) -> dict[str, str]:
    """The convolutions of a net, theirs to ours: ``'conv1_1'`` to
    ``'backbone.features.0.conv'``.

    Args:
        stage (str): '32s', '16s' or '8s'.
    """
    names = _trunk_names()
    for stride in reversed(STRIDES[stage]):
        names[_SCORES[stride]] = f'decode_head.score.stride{stride}'
    return names


def _trunk_names() -> dict[str, str]:
    names = {}
    for block, (start, end) in enumerate(build_backbone().range_sub_modules, 1):
        for i, index in enumerate(range(start, end - 1), 1):  # the last one pools
            names[f'conv{block}_{i}'] = f'backbone.features.{index}.conv'
    return dict(names, fc6='backbone.conv6.conv', fc7='backbone.conv7.conv')


def upsampling_names(stage: str) -> dict[str, tuple[str, int]]:
    """The upsampling layers of a net: their name to ours, in the head, and the factor.

    Args:
        stage (str): '32s', '16s' or '8s'.
    """
    return dict(UPSAMPLING[stage])
