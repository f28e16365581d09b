"""The figure of a config's network, drawn from its modules."""
import warnings
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from ..checkpoints.loading import open_config
from ..models import FCNSkipHead
from ..utils.errors import InputError
from ..utils.files import check_outputs, replacing
from ..visualization.network import Stage, draw_network

SUFFIXES = ('.png', '.svg', '.pdf')


def write_network(config: str, out: str, options: dict | None = None,
                  overwrite: bool = False) -> None:
    """Builds a config's network without weights and draws what it is made of.

    Args:
        config (str): A config whose head is a ``FCNSkipHead``, or a checkpoint that keeps
            one.
        out (str): The picture; .png, .svg or .pdf.
        options (dict, optional): Overrides of the config. Defaults to None.
        overwrite (bool): Whether ``out`` may be replaced. Defaults to False.

    Raises:
        FileExistsError: If ``out`` exists and may not be replaced.
        FileNotFoundError: If there is no such config, or no folder for the picture.
        ValueError: If the head is another one, or the picture of another kind.
    """
    path = Path(out)
    if path.suffix not in SUFFIXES:
        raise InputError(f"--out {out} ends in '{path.suffix}', expected one of "
                         f'{", ".join(SUFFIXES)}')
    if not path.parent.is_dir():
        raise FileNotFoundError(f'--out {out}: there is no folder {path.parent}')
    check_outputs([path], overwrite)
    init_default_scope('mmseg')
    cfg = open_config(config, options)
    cfg.model.backbone.init_cfg = None
    with warnings.catch_warnings():
        # mmseg's about losses, which only training needs
        warnings.filterwarnings('ignore', category=UserWarning, module='mmseg')
        try:
            with torch.device('meta'):  # the figure needs no weights
                model = MODELS.build(cfg.model)
        except RuntimeError:  # some backbones read numbers out of tensors, mmpretrain's ResNet
            model = MODELS.build(cfg.model)
    head = model.decode_head
    if not isinstance(head, FCNSkipHead):
        raise InputError(f'{config}: decode_head is {type(head).__name__}, and the figure '
                         'is of FCNSkipHead; take a config of configs/fcn')
    figure = draw_network(
        describe_head(head), head.out_channels,
        f'FCN-{head.in_strides[0]}s on {type(model.backbone).__name__}')
    with replacing(path) as staged:
        figure.savefig(staged, dpi=110, format=path.suffix[1:])
    print(path)


def describe_head(head: FCNSkipHead) -> list[Stage]:
    """What a head is made of, read from its modules, fine to coarse."""
    stages = []
    for i, stride in enumerate(head.in_strides):
        upsampler = head.upsample[f'stride{stride}'] if i else head.upsample_image
        score = head.score[f'stride{stride}']
        size = 'x'.join(map(str, score.kernel_size))
        stages.append(Stage(stride, score.in_channels, f'score {size}',
                            _kind(upsampler), head.skip_scales[i]))
    return stages


def _kind(upsampler: nn.Module) -> str:
    if getattr(upsampler, 'weight', None) is None:
        return type(upsampler).__name__
    learned = isinstance(upsampler.weight, nn.Parameter) and upsampler.weight.requires_grad
    return f'{type(upsampler).__name__}, {"learned" if learned else "fixed"}'
