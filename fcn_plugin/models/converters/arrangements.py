"""The authors' nets of two inputs or two tasks, as the layers of nets with one, and back.

Colour and depth are one image of four channels (``conv1_1_bgrd``). Colour and HHA have a whole
net each (``fc6color``, ``fc6hha``), whose scores are averaged before one ``upscore``. SIFT
Flow's nets have score and upsampling layers for each task (``score_fr_sem``,
``score_fr_geo``).
"""
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ...utils.errors import InputError
from .caffemodel import Layer

EARLY = 'conv1_1_bgrd'
STREAMS = 'color', 'hha'
TASKS = 'sem', 'geo'
OTHER_TASK = 'geometric'
"""What ``FCNSkipHead.other_tasks`` calls the second of :data:`TASKS`."""


def streams_of(named: Mapping[str, Layer]) -> list[list[Layer]]:
    """The layers of each stream of late fusion, called as those of a net of its own; what both
    share is in both. Empty for any other net."""
    ends = {name: next((one for one in STREAMS if name.endswith(one)), None)
            for name in named}
    if not any(ends.values()):
        return []
    # Without what they read, which is compared for both streams at once.
    return [[replace(layer, name=name.removesuffix(stream), bottoms=())
             for name, layer in named.items()
             if ends[name] in (stream, None)] for stream in STREAMS]


def join_tasks(named: Mapping[str, Layer]) -> tuple[dict[str, Layer], tuple[int, ...]]:
    """One set of layers for all tasks, and the number of classes of each.

    The second task's channels follow the first's. Of a net of one task: ``named``, and ().

    Raises:
        ValueError: If a layer is there for one task alone, or layers differ in their number
            of classes.
    """
    if not {f'score_fr_{task}' for task in TASKS} & named.keys():
        return dict(named), ()
    parts: dict[str, list[Layer | None]] = {}
    for name, layer in named.items():
        base, _, task = name.rpartition('_')
        if task in TASKS:
            parts.setdefault(base, [None, None])[TASKS.index(task)] = layer
    joined = {name: layer for name, layer in named.items()
              if name.rpartition('_')[2] not in TASKS}
    sizes = {}
    for base, pair in parts.items():
        lacking = [f'{base}_{task}' for task, layer in zip(TASKS, pair) if layer is None]
        if lacking:
            raise InputError(f"by its layers this is a net of SIFT Flow's two tasks, but it "
                             f'lacks {lacking[0]}: the file is cut off or of another net')
        layers = [layer for layer in pair if layer is not None]
        sizes[base] = tuple(len(layer.blobs[0]) for layer in layers)
        joined[base] = _joined(base, layers)
    if len(set(sizes.values())) > 1:
        raise InputError('the layers of a task differ in their number of classes: '
                         + ', '.join(f'{base} {" and ".join(map(str, each))}'
                                     for base, each in sizes.items()))
    return joined, next(iter(sizes.values()))


def _joined(base: str, layers: Sequence[Layer]) -> Layer:
    kinds = {(layer.type, len(layer.blobs), layer.blobs[0].ndim) for layer in layers}
    if len(kinds) > 1 or layers[0].blobs[0].ndim != 4:
        raise InputError(f'{base} is not of one kind in both tasks, with weights of four '
                         'dimensions: ' + ', '.join(
                             f'{layer.name} {layer.type} {layer.blobs[0].shape}'
                             for layer in layers))
    weights = [layer.blobs[0] for layer in layers]
    if len(layers[0].blobs) > 1:
        blobs = [np.concatenate(weights),
                 np.concatenate([layer.blobs[1].reshape(-1) for layer in layers])]
    else:  # upsampling: no class of one task counts in the other
        counts, size = [len(weight) for weight in weights], weights[0].shape[2:]
        kernel = np.zeros((sum(counts), sum(counts), *size), weights[0].dtype)
        kernel[:counts[0], :counts[0]] = weights[0]
        kernel[counts[0]:, counts[0]:] = weights[1]
        blobs = [kernel]
    return Layer(' and '.join(layer.name for layer in layers), layers[0].type, tuple(blobs))


def join_streams(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The state dict behind ``LateFusion``, of those of its streams' nets.

    One score layer on both streams' maps, each times 0.5, is the mean of two score layers.
    """
    joined = {f'backbone.streams.{i}.{key.removeprefix("backbone.")}': value
              for i, state in enumerate(states) for key, value in state.items()
              if key.startswith('backbone.')}
    for key in states[0]:
        values = [state[key] for state in states]
        if key.startswith('decode_head.score.'):
            joined[key] = torch.cat(values, 1) if values[0].dim() == 4 else (
                torch.stack(values).mean(0))
        elif key.startswith('decode_head.'):
            joined[key] = values[0]
    return joined


def split_streams(state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """The inverse of :func:`join_streams`; each stream gets the mean bias."""
    parts: list[dict[str, Tensor]] = []
    for i in range(len(STREAMS)):
        start = f'backbone.streams.{i}.'
        part = {'backbone.' + key.removeprefix(start): value
                for key, value in state.items() if key.startswith(start)}
        for key, value in state.items():
            if not key.startswith('backbone.'):
                shared = not key.startswith('decode_head.score.') or value.dim() != 4
                part[key] = value if shared else value.chunk(len(STREAMS), 1)[i]
        parts.append(part)
    return parts
