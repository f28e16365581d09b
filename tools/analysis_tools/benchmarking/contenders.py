"""The networks that are compared, all with random weights."""
import copy

import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmseg.registry import MODELS
from torch import Tensor, nn

from fcn_plugin.models import without_teachers
from fcn_plugin.utils.errors import InputError
from fcn_plugin.utils.inherited import without_weights

NAMES = ('backbone', 'plain', 'mmseg-d8', 'stock', 'ours', 'ours-fast')
"""What can be compared:

* backbone: the config's backbone alone, eager, float32, an image in memory;
* plain: the same layers as a plain module, in a loop written by hand;
* mmseg-d8: mmsegmentation's FCN on ResNet-50 whose last stages are dilated;
* stock: the config's layers in mmsegmentation's EncoderDecoder and IoUMetric;
* ours: the config as it is;
* ours-fast: the same behind :func:`fcn_plugin.models.speed_up`.
"""


class PlainFCN(nn.Module):
    """The layers of a config's FCN without any of this package around them.

    Args:
        backbone (nn.Module): Gives the maps.
        head (nn.Module): An ``FCNSkipHead``, whose score layers are taken.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.score = nn.ModuleList(head.score.values())
        self.index, self.stride = head.in_index, head.in_strides

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), multiples of the coarsest stride, to logits (N, C, H, W)."""
        maps = self.backbone(image)
        fused = None
        for i in reversed(range(len(self.score))):
            scores = self.score[i](maps[self.index[i]])
            if fused is not None:
                scores = scores + F.interpolate(fused, size=scores.shape[-2:],
                                                mode='bilinear')
            fused = scores
        return F.interpolate(fused, size=image.shape[-2:], mode='bilinear')


def model_config(config: Config, num_classes: int | None = None) -> ConfigDict:
    """The config's model without pretrained weights, with that many classes."""
    config = copy.deepcopy(config)
    if num_classes not in (None, config.model.decode_head.num_classes):
        # Weights are those of the config's own classes.
        config.merge_from_dict(dict(model=dict(decode_head=dict(
            without_weights(config), num_classes=num_classes))))
    model = ConfigDict(without_teachers(config.model))
    model.backbone.init_cfg = None
    model.pop('pretrained', None)
    model.test_cfg.rescale = True
    return model


def build_model(name: str, config: Config, num_classes: int | None,
                device: str) -> nn.Module:
    """A contender of :data:`NAMES`, in evaluation mode.

    Raises:
        ValueError: If the config's head is not a FCNSkipHead with bilinear upsampling,
            which is all that the plain loop knows.
    """
    cfg = model_config(config, num_classes)
    if name == 'mmseg-d8':
        cfg = dilated_fcn(cfg.decode_head.num_classes)
    elif name == 'stock':
        divisor = max(cfg.decode_head.in_strides)
        cfg.type = 'EncoderDecoder'
        cfg.data_preprocessor.update(type='SegDataPreProcessor', size_divisor=divisor,
                                     test_cfg=dict(size_divisor=divisor))
    if not name.startswith('ours'):
        cfg.pop('channels_last', None)
    torch.manual_seed(0)
    model = MODELS.build(cfg).to(device).eval()
    if name == 'backbone':
        return model.backbone
    if name == 'plain':
        if getattr(model.decode_head, 'image_grid', None) is None:
            raise InputError('plain: the config upsamples in a way that the loop written by '
                             'hand does not; leave it out of --contenders')
        return PlainFCN(model.backbone, model.decode_head)
    if name == 'ours-fast':
        from fcn_plugin.models import speed_up
        speed_up(model)
    return model


def dilated_fcn(num_classes: int) -> dict:
    """mmsegmentation's fcn_r50-d8: its settings, with BN for SyncBN."""
    norm = dict(type='BN', requires_grad=True)
    head = dict(type='FCNHead', in_channels=2048, in_index=3, channels=512, num_convs=2,
                concat_input=True, dropout_ratio=0.1, num_classes=num_classes,
                norm_cfg=norm, align_corners=False,
                loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True))
    return ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[123.675, 116.28, 103.53],
            std=[58.395, 57.12, 57.375], bgr_to_rgb=True, pad_val=0, seg_pad_val=255,
            size_divisor=8, test_cfg=dict(size_divisor=8)),
        backbone=dict(type='ResNetV1c', depth=50, num_stages=4, out_indices=(0, 1, 2, 3),
                      dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), norm_cfg=norm,
                      norm_eval=False, style='pytorch', contract_dilation=True),
        decode_head=head,
        auxiliary_head=dict(
            head, in_channels=1024, in_index=2, channels=256, num_convs=1,
            concat_input=False,
            loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True,
                             loss_weight=0.4)),
        train_cfg=dict(), test_cfg=dict(mode='whole'))
