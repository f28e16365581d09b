"""Two networks side by side, each on its part of the image's channels."""
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule, ModuleList
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner.checkpoint import CheckpointLoader
from mmseg.registry import MODELS
from torch import Tensor, nn

from ...utils.errors import InputError
from ..feature_maps import image_channels
from ..geometry import Grid


@MODELS.register_module()
class LateFusion(BaseModule):
    """Backbones that each see their own channels, their maps joined along the channels.

    A score layer on joined maps is the sum of one score layer a stream. So with
    ``skip_scales=(1 / n, )`` :class:`FCNSkipHead` averages the scores of n streams, as the
    authors' late fusion of colour and HHA does with two; :class:`JoinedScores` starts each
    stream from a net of its own.

    Args:
        streams (Sequence[dict]): Backbones of equal strides, in the order of the image's
            channels, of which each takes as many as its first convolution has.
        init_cfg (dict, optional): As in mmengine; streams have their own.

    Raises:
        ValueError: If there are less than two, or their alignments differ.
    """

    def __init__(self, streams: Sequence[dict], init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.streams = ModuleList(MODELS.build(stream) for stream in streams)
        kinds = {getattr(stream, 'alignment', 'same') for stream in self.streams}
        if len(self.streams) < 2 or len(kinds) > 1:
            raise InputError(f'LateFusion: {len(self.streams)} streams of alignment '
                             f'{sorted(kinds)}, expected two or more of one alignment')
        self.alignment, = kinds
        self.channels = [image_channels(stream) for stream in self.streams]
        self.image_channels = sum(self.channels)

    @property
    def grids(self) -> list[Grid]:
        """list[Grid]: Where the maps lie in the image (caffe alignment)."""
        return self.streams[0].grids

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """An image (N, sum of C_i, H, W) to maps (N, sum of K_i, h, w), fine to coarse."""
        parts = image.split(self.channels, dim=1)
        maps = [stream(part) for stream, part in zip(self.streams, parts)]
        return tuple(torch.cat(each, dim=1) for each in zip(*maps, strict=True))


@WEIGHT_INITIALIZERS.register_module()
class JoinedScores:
    """Starts the score layers behind :class:`LateFusion` as those of its streams' nets.

    For the ``init_cfg`` of :class:`FCNSkipHead`. Streams load their own part by
    ``dict(type='Pretrained', checkpoint=..., prefix='backbone.')``.

    Args:
        checkpoints (Sequence[str]): Of the nets, in the order of the streams.

    Raises:
        ValueError: If their score layers do not fit the head's.
    """

    def __init__(self, checkpoints: Sequence[str]) -> None:
        self.checkpoints = tuple(checkpoints)

    def __call__(self, module: nn.Module) -> None:
        """Fills the score layers of a head."""
        loaded = [CheckpointLoader.load_checkpoint(path, 'cpu') for path in self.checkpoints]
        states = [one.get('state_dict', one) for one in loaded]
        for name, parameter in module.score.named_parameters():
            key = f'decode_head.score.{name}'
            lacking = [path for path, state in zip(self.checkpoints, states)
                       if key not in state]
            if lacking:
                raise InputError(f"{lacking[0]} has no '{key}', expected the net of one "
                                 'stream')
            parts = [state[key] for state in states]
            value = torch.cat(parts, 1) if parameter.dim() == 4 else torch.stack(parts).mean(0)
            if value.shape != parameter.shape:
                raise InputError(
                    f"'{key}' of {', '.join(self.checkpoints)} together is of shape "
                    f'{tuple(value.shape)}, but the head has {tuple(parameter.shape)}')
            parameter.data.copy_(value)
