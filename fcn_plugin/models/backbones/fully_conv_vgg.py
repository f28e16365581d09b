"""VGG whose fully connected layers are convolutions."""
import re
from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.logging import print_log
from mmpretrain.models.backbones import VGG
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...utils.errors import InputError
from ..geometry import CAFFE_PADDING, Grid

POOL_CHANNELS = (64, 128, 256, 512, 512)
"""Channels of pool1 to pool5."""


@MODELS.register_module()
class FullyConvVGG(VGG):
    """VGG trunk followed by the classifier's fc6 and fc7 as convolutions.

    The paper's figure 2: fc6 becomes ``conv6``, 7x7 on 512 channels, and fc7
    becomes ``conv7``, 1x1, each followed by ReLU and elementwise dropout. With
    padding, conv7's map has pool5's size, 1/32 of the image.

    Any ImageNet checkpoint of the same depth loads: torchvision's keys
    (``features.0.weight``, ``classifier.0.weight``), mmpretrain's
    (``backbone.features.0.conv.weight``), convolutions only or with the
    classifier, whose matrices are reshaped to kernels. The log says what was
    loaded, what was reshaped and what stays as initialised.

    Args:
        depth (int): 11, 13, 16 or 19.
        out_indices (Sequence[int]): Maps to return: 0 to 4 are pool1 to pool5
            (strides 2 to 32), 5 is conv7 (stride 32). Defaults to (2, 3, 5): pool3,
            pool4 and conv7.
        with_switches (bool): Whether the output also holds the switches of
            every pooling from the second on whose input map is returned, so
            that :class:`MaxUnpool` can undo it: with the default
            ``out_indices`` pool4's (index 3) and pool5's (index 4). int64 positions,
            (N, K, h, w) each. Defaults to False.
        fc_channels (int): Width of conv6 and conv7. 4096 is VGG's; a lean model
            takes less. Defaults to 4096.
        fc_kernel_size (int): Kernel of conv6, odd. 7 is VGG's. For FCN-8s with ``alignment``
            'caffe' 5 or 7, else pool3's map is too small for some images. Defaults to 7.
        fc_dropout (float): Elementwise dropout after conv6 and after conv7.
            Defaults to 0.5.
        alignment (str): 'same', or 'caffe' for the authors' geometry: the image is
            padded with zeros as if conv1_1 padded by 100, pooling rounds up, and
            conv6 is not padded. Defaults to 'same'.
        in_channels (int): Channels of the image. Weights that were trained with three serve
            more: see ``take_weights_of_three``. Defaults to 3.
        conv_cfg, norm_cfg, act_cfg (dict, optional): As in mmpretrain's VGG; they
            apply to conv6 and conv7 too.
        frozen_stages (int): Stages that are not trained, -1 for none.
        norm_eval (bool): Whether batch norms keep their statistics in training.
        ceil_mode (bool): Pooling rounds up, as Caffe's. Defaults to False.
        init_cfg (dict | list[dict], optional): With ``dict(type='Pretrained',
            checkpoint=...)`` alone, parameters that the checkpoint lacks start as they
            would without it. Defaults to mmpretrain's (Kaiming).

    Raises:
        ValueError: On an unknown depth, out index or an even kernel.
    """

    _INIT = (dict(type='Kaiming', layer=['Conv2d']),
             dict(type='Constant', val=1., layer=['_BatchNorm']))

    def __init__(self,
                 depth: int = 16,
                 out_indices: Sequence[int] = (2, 3, 5),
                 with_switches: bool = False,
                 fc_channels: int = 4096,
                 fc_kernel_size: int = 7,
                 fc_dropout: float = 0.5,
                 alignment: str = 'same',
                 in_channels: int = 3,
                 conv_cfg: dict | None = None,
                 norm_cfg: dict | None = None,
                 act_cfg: dict = dict(type='ReLU'),
                 frozen_stages: int = -1,
                 norm_eval: bool = False,
                 ceil_mode: bool = False,
                 init_cfg=None) -> None:
        if depth not in self.arch_settings:
            raise InputError(f'FullyConvVGG: depth is {depth!r}, expected one of '
                             f'{sorted(self.arch_settings)}')
        if not out_indices or not set(out_indices) <= set(range(6)):
            raise InputError(f'FullyConvVGG: out_indices is {out_indices!r}, expected '
                             'numbers from 0 (pool1) to 4 (pool5) and 5 (conv7)')
        if fc_kernel_size % 2 == 0:
            raise InputError(f'FullyConvVGG: fc_kernel_size is {fc_kernel_size}, expected '
                             'an odd number, so that conv6 keeps the size of pool5')
        if alignment not in ('same', 'caffe'):
            raise InputError(f"FullyConvVGG: alignment is {alignment!r}, expected 'same' or "
                             "'caffe'")
        init_cfg = [init_cfg] if isinstance(init_cfg, dict) else list(init_cfg or [])
        if all(cfg['type'] == 'Pretrained' for cfg in init_cfg):
            init_cfg = [*self._INIT, *init_cfg]
        super().__init__(
            depth, out_indices=tuple(sorted(out_indices)), frozen_stages=frozen_stages,
            conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg, norm_eval=norm_eval,
            ceil_mode=ceil_mode or alignment == 'caffe', init_cfg=init_cfg)
        if in_channels != 3:  # mmpretrain's has three, always, and a bias before each norm
            self.features[0] = ConvModule(
                in_channels, POOL_CHANNELS[0], 3, padding=1, bias=True, conv_cfg=conv_cfg,
                norm_cfg=norm_cfg, act_cfg=act_cfg)
        self.alignment = alignment
        self.with_switches = with_switches
        self.with_fc = 5 in self.out_indices
        if self.with_fc:
            cfgs = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=act_cfg)
            self.conv6 = ConvModule(512, fc_channels, fc_kernel_size,
                                    padding=self._fc_padding(fc_kernel_size), **cfgs)
            self.conv7 = ConvModule(fc_channels, fc_channels, 1, **cfgs)
            self.fc_dropout = nn.Dropout(fc_dropout)

    def _fc_padding(self, kernel_size: int) -> int:
        return 0 if self.alignment == 'caffe' else kernel_size // 2

    @property
    def grids(self) -> list[Grid]:
        """list[Grid]: Where the maps of ``out_indices`` lie (caffe alignment)."""
        # conv1_1 alone pads more than its kernel asks for.
        grid = Grid().convolve(3, padding=CAFFE_PADDING)
        found = []
        for stage in range(len(self.stage_blocks)):
            grid = grid.convolve(2, stride=2)
            if stage in self.out_indices:
                found.append(grid)
        if self.with_fc:
            found.append(grid.convolve(self.conv6.conv.kernel_size[0]))
        return found

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """An image (N, C, H, W) to the maps of ``out_indices``, fine to coarse.

        Returns:
            tuple[Tensor]: (N, C_i, H / s_i, W / s_i) each, rounded down; after them,
            with ``with_switches``, the switches.
        """
        maps, switches = [], []
        x = image
        if self.alignment == 'caffe':
            # conv1_1 pads by 1 itself; its input is the image minus the mean.
            x = F.pad(x, (CAFFE_PADDING - 1, ) * 4)
        for stage, (start, end) in enumerate(self.range_sub_modules):
            for index in range(start, end - 1):
                x = self.features[index](x)
            if self.with_switches and stage - 1 in self.out_indices:
                x, where = F.max_pool2d(x, 2, 2, ceil_mode=self.features[end - 1].ceil_mode,
                                        return_indices=True)
                switches.append(where)
            else:
                x = self.features[end - 1](x)
            if stage in self.out_indices:
                maps.append(x)
        if self.with_fc:
            x = self.fc_dropout(self.conv6(x))
            maps.append(self.fc_dropout(self.conv7(x)))
        return tuple(maps + switches)

    def train(self, mode: bool = True) -> 'FullyConvVGG':
        """As in torch; mmpretrain's forgets to return the module."""
        super().train(mode)
        return self

    # --- loading -----------------------------------------------------------

    def _load_from_state_dict(self, state_dict, prefix, *args):
        self._convert_imagenet_checkpoint(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _convert_imagenet_checkpoint(self, state_dict: dict[str, Tensor],
                                     prefix: str) -> None:
        """Renames and reshapes a classifier's weights in place, and logs it.

        Leaves a checkpoint of this class alone. Keys that have no place here (the
        last classifier layer, a head) are dropped.
        """
        own = {prefix + name: value for name, value in self.state_dict().items()}
        conv_key = re.compile(
            re.escape(prefix) + r'(?:backbone\.)?features\.(\d+)(?:\.conv)?\.weight$')
        found = [(int(match[1]), key) for key, match in
                 ((key, conv_key.match(key)) for key in state_dict) if match]
        convs = [key for _, key in sorted(found) if state_dict[key].ndim == 4]
        if not convs or own.keys() <= state_dict.keys():
            return

        targets = [index for index, layer in enumerate(self.features)
                   if isinstance(layer, ConvModule)]
        if len(convs) != len(targets):
            raise InputError(
                f'the checkpoint holds {len(convs)} VGG convolutions, but FullyConvVGG of '
                f'this depth has {len(targets)}: load the weights of the same depth '
                '(VGG11 has 8, VGG13 10, VGG16 13, VGG19 16)')
        # What has its name here already, such as conv6 of a net without norms, stays.
        converted = {key: value for key, value in state_dict.items() if key in own}
        reshaped = []
        for key, index in zip(convs, targets):
            converted.update(_conv_and_norm(state_dict, key,
                                            f'{prefix}features.{index}.'))
        if any(key.endswith('.bn.running_mean') and key not in own for key in converted):
            raise InputError(
                'the checkpoint holds VGG with batch norms, but FullyConvVGG has none: set '
                "norm_cfg=dict(type='BN'), or load weights of VGG without them")
        for source, target in (('classifier.0', 'conv6'), ('classifier.3', 'conv7')):
            for stem in (prefix, f'{prefix}backbone.'):
                weight = state_dict.get(f'{stem}{source}.weight')
                name = f'{prefix}{target}.conv.'
                if weight is None or f'{name}weight' not in own:
                    continue
                # fc6 flattens (C, H, W), so its matrix is the kernel, row by row.
                shape = own[f'{name}weight'].shape
                if weight.numel() == shape.numel() and weight.shape[0] == shape[0]:
                    converted[f'{name}weight'] = weight.reshape(shape)
                    if f'{name}bias' in own:
                        converted[f'{name}bias'] = state_dict[f'{stem}{source}.bias']
                    reshaped.append(f'{source} {tuple(weight.shape)} -> {target} '
                                    f'{tuple(shape)}')
        for key in [key for key in state_dict if key.startswith(prefix)]:
            del state_dict[key]
        # float16 files are read as they are; the parameters keep their own type.
        state_dict.update((key, value) for key, value in converted.items() if key in own)
        _log_conversion(len(convs), reshaped, own, converted, prefix)


def _conv_and_norm(state_dict: dict[str, Tensor], conv_key: str,
                   target: str) -> dict[str, Tensor]:
    """A convolution's tensors, and those of the batch norm behind it, renamed."""
    stem = conv_key[:-len('weight')]
    renamed = {f'{target}conv.{name}': state_dict[stem + name]
               for name in ('weight', 'bias') if stem + name in state_dict}
    if stem.endswith('.conv.'):  # mmpretrain: features.N.bn beside features.N.conv
        norm = stem[:-len('conv.')] + 'bn.'
    else:  # torchvision: features.N+1
        head, number = stem[:-1].rsplit('.', 1)
        norm = f'{head}.{int(number) + 1}.'
    if f'{norm}running_mean' in state_dict:
        renamed.update((f'{target}bn.{key[len(norm):]}', value)
                       for key, value in state_dict.items() if key.startswith(norm))
    return renamed


def _log_conversion(convolutions: int, reshaped: list[str], own: dict[str, Tensor],
                    converted: dict[str, Tensor], prefix: str) -> None:
    left = [key[len(prefix):] for key in own
            if key not in converted and not key.endswith('num_batches_tracked')]
    print_log(
        f'FullyConvVGG: {convolutions} convolutions loaded; reshaped: '
        f'{", ".join(reshaped) or "none"}; left as initialised: '
        f'{", ".join(left) or "none"}', logger='current')
