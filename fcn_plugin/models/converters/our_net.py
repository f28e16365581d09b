"""Names and shapes of our FCNs on VGG16 and AlexNet, by layers of Caffe."""
import warnings

import torch
from mmengine.model import BaseModule

from ..backbones import FullyConvAlexNet, FullyConvVGG
from ..decode_heads import FCNSkipHead
from ..feature_maps import describe_backbone

# Layers of the released nets: strides of the maps that are scored, names of the score
# layers by stride, and for each upsampling layer ours, its factor and its kernel's size.
STRIDES = {'32s': (32, ), '16s': (16, 32), '8s': (8, 16, 32), 'alexnet': (32, )}
_SCORES = {8: 'score_pool3', 16: 'score_pool4', 32: 'score_fr'}
UPSAMPLING = {
    '32s': {'upscore': ('upsample_image', 32, 64)},
    '16s': {'upscore2': ('upsample.stride32', 2, 4),
            'upscore16': ('upsample_image', 16, 32)},
    '8s': {'upscore2': ('upsample.stride32', 2, 4),
           'upscore_pool4': ('upsample.stride16', 2, 4),
           'upscore8': ('upsample_image', 8, 16)},
    'alexnet': {'upscore': ('upsample_image', 32, 63)},
}


def build_backbone(**kwargs) -> FullyConvVGG:
    """The trunk of the nets on VGG16, without data."""
    with torch.device('meta'):
        return FullyConvVGG(16, **kwargs)


def build_alexnet() -> FullyConvAlexNet:
    """The trunk of FCN-AlexNet, without data."""
    with torch.device('meta'):
        return FullyConvAlexNet()


def _trunk(stage: str, channels: int = 3) -> BaseModule:
    return build_alexnet() if stage == 'alexnet' else build_backbone(in_channels=channels)


def target_shapes(stage: str, num_classes: int, channels: int = 3
                  ) -> dict[str, tuple[int, ...]]:
    """The shapes of our state dict, with fixed upsampling.

    Args:
        stage (str): '32s', '16s', '8s' or 'alexnet'.
        num_classes (int): Number of classes C, of all tasks together.
        channels (int): Of the image, on VGG16. Defaults to 3.
    """
    backbone = _trunk(stage, channels)
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


def crop_offsets(stage: str) -> tuple[int, ...]:
    """Columns that Caffe's crops leave out, in the order of its layers: in the scores of the
    skips, coarse to fine, and in the logits.

    Args:
        stage (str): '32s', '16s', '8s' or 'alexnet'.
    """
    count = len(STRIDES[stage])
    backbone = build_alexnet() if stage == 'alexnet' else build_backbone(
        alignment='caffe', out_indices=(2, 3, 5)[-count:])
    *_, (_, _, size) = UPSAMPLING[stage].values()
    with torch.device('meta'):  # offsets do not depend on channels and classes
        head = FCNSkipHead([1] * count, list(range(count)), STRIDES[stage], 21,
                           alignment='caffe', final_upsampler=dict(
                               type='BilinearDeconv', kernel_size=size))
    head.align(backbone.grids)
    return *reversed(head.skip_offsets), head.image_offset


def layer_names(stage: str) -> dict[str, str]:
    """The convolutions of a net, theirs to ours: ``'conv1_1'`` to
    ``'backbone.features.0.conv'``.

    Args:
        stage (str): '32s', '16s', '8s' or 'alexnet'.
    """
    names = trunk_names(stage)
    for stride in reversed(STRIDES[stage]):
        names[_SCORES[stride]] = f'decode_head.score.stride{stride}'
    return names


def trunk_names(stage: str) -> dict[str, str]:
    """As :func:`layer_names`, without score layers."""
    names = {}
    if stage == 'alexnet':
        fc = dict(conv6='fc6', conv7='fc7')
        return {fc.get(name, name): f'backbone.{name}'
                for name, _ in _trunk(stage).named_children() if name.startswith('conv')}
    for block, (start, end) in enumerate(build_backbone().range_sub_modules, 1):
        for i, index in enumerate(range(start, end - 1), 1):  # the last one pools
            names[f'conv{block}_{i}'] = f'backbone.features.{index}.conv'
    return dict(names, fc6='backbone.conv6.conv', fc7='backbone.conv7.conv')


def upsampling_names(stage: str) -> dict[str, tuple[str, int, int]]:
    """The upsampling layers of a net: their name to ours, in the head, the factor and the
    kernel's size.

    Args:
        stage (str): '32s', '16s', '8s' or 'alexnet'.
    """
    return dict(UPSAMPLING[stage])
