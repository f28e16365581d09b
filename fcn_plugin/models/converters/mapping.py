"""From the layers of the authors' nets to the parameters of ours."""
import math
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...utils.errors import InputError
from .arrangements import EARLY, OTHER_TASK, STREAMS, join_streams, join_tasks, streams_of
from .caffemodel import Layer
from .graph import Net, differences
from .layers import check_layer, fit, is_bilinear, shapes_text, ungrouped
from .our_net import (
    STRIDES,
    UPSAMPLING,
    build_backbone,
    crop_offsets,
    layer_names,
    target_shapes,
    trunk_names,
)

VARIANTS = ('32s', '16s', '8s', 'at-once', 'alexnet', 'pascalcontext', 'imagenet',
            'colour-depth', 'colour-hha', 'siftflow')
"""What a net can be called: its finest stride and training, its trunk, or its data."""

# The layers by which a net is told from the coarser ones, finest net first.
_TELLING = {
    '8s': {'score_pool3', 'upscore_pool4', 'upscore8'},
    '16s': {'score_pool4', 'upscore2', 'upscore16'},
    '32s': {'upscore'},
}
_OF_ALEXNET = {'conv1', 'conv2', 'conv3', 'conv4', 'conv5'}  # VGG's are conv1_1 to conv5_3
# Layers of the net trained at once, on a map by its stride, and their constants.
_SCALES = {8: ('scale_pool3', 0.0001), 16: ('scale_pool4', 0.01)}
_CONTEXT_CLASSES = (59, 60)  # PASCAL-Context without and with background
# A classifier's matrices are the kernels of the same layers as convolutions.
_MATRIX_KINDS = ('Convolution', 'InnerProduct')


class Conversion(NamedTuple):
    """What :func:`convert_layers` makes of a net.

    Attributes:
        state_dict (dict[str, Tensor]): Of ``FCNSegmentor(FullyConvVGG(16),
            FCNSkipHead)``, or of FullyConvAlexNet or LateFusion, float32; of 'imagenet',
            VGG16's under torchvision's names, AlexNet's under those of FullyConvAlexNet.
        variant (str): '32s', '16s', '8s', 'at-once' or 'alexnet', behind 'pascalcontext-'
            where the number of classes says so, or 'siftflow-' where there are two tasks;
            'colour-depth' and 'colour-hha' (32s, early and late fusion); or 'imagenet'.
        num_classes (int): Number of classes C, of the first task.
        decode_head (dict): What the head's config must say for these weights; empty for
            'imagenet', which has none.
        rows (list[tuple[str, str, str]]): For each layer with weights: its name,
            their shapes, what became of them.
        notes (list[str]): Further remarks for the user.
    """
    state_dict: dict[str, Tensor]
    variant: str
    num_classes: int
    decode_head: dict
    rows: list[tuple[str, str, str]]
    notes: list[str]

    def report(self) -> str:
        """The rows as a table, the head's settings and the notes."""
        widths = [max(len(row[i]) for row in self.rows) for i in (0, 1)]
        kind = f'FCN {self.variant}'
        if self.variant == 'imagenet':
            kind = f'{_classifier_of(self.state_dict)} of ImageNet'
        lines = [f'{kind}, {self.num_classes} classes']
        lines += [f'  {name:{widths[0]}}  {shapes:{widths[1]}}  {fate}'
                  for name, shapes, fate in self.rows]
        if self.decode_head:
            lines += ['decode_head: ' + ', '.join(
                f'{key}={value!r}' for key, value in self.decode_head.items())]
        return '\n'.join(lines + [f'note: {note}' for note in self.notes])


def convert_layers(layers: Iterable[Layer], variant: str | None = None,
                   implicit_scales: bool = False) -> Conversion:
    """Maps a net's layers to our state dict and checks all of them.

    Every layer must be there, have the shape that the net of the paper has, finite
    values and a place in our net; and where layers say how they are joined, as those of a
    file from Caffe do, it must be the paper's way. Upsampling kernels that are bilinear are
    not stored, because ours follow from their factor; others are.

    Args:
        layers (Iterable[Layer]): Those without weights do not count.
        variant (str, optional): One of :data:`VARIANTS` that the net must be.
            Defaults to None: what its layers say.
        implicit_scales (bool): Whether a net trained at once has its scales in code
            instead of layers, so that its layers are those of the staged one and
            ``variant`` alone tells them apart. Defaults to False.

    Raises:
        ValueError: If the net is none of the paper's, not ``variant``, lacks a layer,
            has others besides, a layer's weights are not as expected, or what it reads.
    """
    if variant is not None and variant not in VARIANTS:
        raise InputError(f"no variant '{variant}': choose from {', '.join(VARIANTS)}")
    layers = list(layers)
    named = _by_name(layers)
    if _is_classifier(named):
        if variant not in (None, 'imagenet'):
            raise InputError(_contradiction(variant, f"ImageNet's {_classifier_of(named)}",
                                            'imagenet'))
        return _convert_classifier(named, layers)
    streams = streams_of(named)
    if streams:
        if variant not in (None, '32s', 'colour-hha'):
            raise InputError(_contradiction(variant, 'FCN colour-hha', '32s or colour-hha'))
        _refuse_differences('colour-hha', layers, '32s')
        return _join(streams)
    channels = 4 if EARLY in named and 'conv1_1' not in named else 3
    named, tasks = join_tasks({'conv1_1' if name == EARLY and channels == 4 else name: layer
                               for name, layer in named.items()})
    stage, at_once = _recognise(named)
    kind = 'at-once' if at_once else stage
    _check_complete(named, stage, kind)
    _refuse_differences(kind, layers, stage)
    check_layer(named['score_fr'], 2, *_MATRIX_KINDS)
    num_classes = named['score_fr'].blobs[1].size
    context = num_classes in _CONTEXT_CLASSES and not tasks and channels == 3
    family = 'pascalcontext' if context else 'siftflow' if tasks else (
        'colour-depth' if channels == 4 else None)
    kind = _settle(variant, kind, family, num_classes, implicit_scales)
    settings: dict = dict(in_strides=STRIDES[stage], num_classes=num_classes)
    name = kind if family is None else family if channels == 4 else f'{family}-{kind}'
    conversion = Conversion({}, name, num_classes, settings, [], [])

    _convert_convolutions(conversion, named, stage, channels)
    if kind == 'at-once':
        settings['skip_scales'] = tuple(
            _SCALES[s][1] if s in _SCALES else 1. for s in STRIDES[stage])
    if at_once:
        _convert_scales(conversion, named)
    _convert_upsampling(conversion, named, stage)
    if tasks:
        if 'upsampler' in settings or 'final_upsampler' in settings:
            raise InputError('upsampling of two tasks is learned, expected bilinear kernels, '
                             'which the authors fix')
        settings.update(num_classes=tasks[0], other_tasks={OTHER_TASK: tasks[1]})
        conversion = conversion._replace(num_classes=tasks[0])
    if implicit_scales and stage == '8s' and variant not in ('8s', 'at-once'):
        conversion.notes.append(
            'these names do not tell a net trained at once from a staged one; taken as '
            'staged (--variant at-once otherwise)')
    return conversion


def _join(layers: Sequence[list[Layer]]) -> Conversion:
    """Late fusion, of the layers of its streams."""
    streams: list[Conversion] = []
    for name, each in zip(STREAMS, layers):
        try:
            streams.append(convert_layers(each))
        except InputError as error:
            raise InputError(f'late fusion, stream {name}: {error}') from error
    first = streams[0]
    if any(one.decode_head != first.decode_head for one in streams):
        raise InputError('the streams are of different nets: ' + ', '.join(
            f'{name} {one.decode_head}' for name, one in zip(STREAMS, streams)))
    if first.decode_head['in_strides'] != (32, ) or first.variant == 'alexnet':
        raise InputError(f'two streams of FCN {first.variant}, expected two of FCN-32s on '
                         'VGG16')
    rows = [(row[0] + name * (not row[0].startswith('upscore')), row[1],
             row[2].replace('backbone.', f'backbone.streams.{i}.'))
            for i, (name, one) in enumerate(zip(STREAMS, streams)) for row in one.rows]
    return Conversion(
        join_streams([one.state_dict for one in streams]), 'colour-hha', first.num_classes,
        dict(first.decode_head, skip_scales=(0.5, )), list(dict.fromkeys(rows)), [
            'one score layer on both streams, with the mean of their biases, is the mean of '
            'their two', *first.notes])


def _convert_classifier(named: dict[str, Layer], layers: Sequence[Layer]) -> Conversion:
    """ImageNet's VGG16 or AlexNet: what FCN-32s and FCN-AlexNet start from."""
    kind = _classifier_of(named)
    stage = 'alexnet' if kind == 'AlexNet' else '32s'
    conversion = Conversion({}, 'imagenet', named['fc8'].blobs[-1].size, {}, [], [
        "these are a backbone's weights: init_cfg=dict(type='Pretrained', checkpoint=...); "
        'their input is BGR, 0 to 255, minus the mean'])
    # The shapes are those of our net; only fc6 and fc7 are matrices in the file.
    shapes = target_shapes(stage, 1)
    names = trunk_names(stage)
    ours = [target.removeprefix('backbone.') for target in names.values()]
    places = {}
    for (name, target), place in zip(names.items(), ours if stage == 'alexnet' else
                                     _torchvision_places()):
        weight, bias = (shapes[f'{target}.{parameter}'] for parameter in ('weight', 'bias'))
        if name.startswith('fc') and stage != 'alexnet':
            weight = (weight[0], math.prod(weight[1:]))
        places[name] = (place, weight, bias)
    width = places['fc7'][1][0]
    classes = conversion.num_classes
    places['fc8'] = ('classifier.6', (classes, width), (classes, ))
    _refuse_others(named, places, f"ImageNet's {kind}")
    if stage == 'alexnet':  # in which there is no place for it
        del places['fc8']
        conversion.rows.append(
            ('fc8', shapes_text(named['fc8']), 'not stored: the classifier'))
    for name, (place, *wanted) in places.items():
        layer = named[name]
        check_layer(layer, 2, *(('Convolution', ) if name.startswith('conv') else
                                 ('InnerProduct', )))
        for i, parameter in enumerate(('weight', 'bias')):
            conversion.state_dict[f'{place}.{parameter}'] = torch.from_numpy(
                fit(layer, i, wanted[i]))
        conversion.rows.append((name, shapes_text(layer), f'{place}.{{weight,bias}}'))
    conversion.notes.extend(f'a net that starts from these weights computes otherwise: {text}'
                            for text in differences(layers, Net([*names])))
    return conversion


def _torchvision_places() -> list[str]:
    """torchvision's names of VGG16's layers up to fc7; it numbers ReLUs and poolings, too."""
    places, number = [], 0
    for start, end in build_backbone().range_sub_modules:
        for _ in range(start, end - 1):
            places.append(f'features.{number}')
            number += 2
        number += 1
    return [*places, 'classifier.0', 'classifier.3']


def _convert_convolutions(conversion: Conversion, named: dict[str, Layer], stage: str,
                          channels: int) -> None:
    """The trunk and the score layers."""
    shapes = target_shapes(stage, conversion.num_classes, channels)
    for name, target in layer_names(stage).items():
        layer = named[name]
        check_layer(layer, 2, *(('Convolution', ) if name.startswith('conv') else
                                 _MATRIX_KINDS))
        for i, parameter in enumerate(('weight', 'bias')):
            key = f'{target}.{parameter}'
            conversion.state_dict[key] = torch.from_numpy(fit(layer, i, shapes[key]))
        conversion.rows.append((layer.name, shapes_text(layer), f'{target}.{{weight,bias}}'))


def _convert_scales(conversion: Conversion, named: dict[str, Layer]) -> None:
    """Scale layers: published constants become the setting ``skip_scales``; others are
    multiplied into the score layers behind them."""
    settings = conversion.decode_head
    for stride, (name, value) in _SCALES.items():
        key = f'decode_head.score.stride{stride}.weight'
        weight = conversion.state_dict[key]
        check_layer(named[name], 1, 'Scale')
        scale = fit(named[name], 0, (weight.shape[1], ))
        fate = f'skip_scales: {value}'
        if not (scale == np.float32(value)).all():
            columns = torch.from_numpy(scale).double()[:, None, None]
            conversion.state_dict[key] = (weight.double() * columns).float()
            settings['skip_scales'] = tuple(
                1. if s == stride else old
                for s, old in zip(settings['in_strides'], settings['skip_scales']))
            fate = f'folded into {key}'
            conversion.notes.append(
                f'{name} is not {value} throughout ({scale.min():g} to '
                f'{scale.max():g}), so it is multiplied into {key}')
        conversion.rows.append((name, shapes_text(named[name]), fate))


def _convert_upsampling(conversion: Conversion, named: dict[str, Layer],
                        stage: str) -> None:
    """Kernels: dropped where they are bilinear, stored where they were learned."""
    upsampling, classes = UPSAMPLING[stage], conversion.num_classes
    kernels = {}
    for name, (_, _, size) in upsampling.items():
        check_layer(named[name], 1, 'Deconvolution')
        kernels[name] = fit(named[name], 0, (classes, classes, size, size))
    learned = [name for name in upsampling if not is_bilinear(kernels[name])]
    *between, last = upsampling
    for setting, group in (('upsampler', between), ('final_upsampler', [last])):
        # A group of kernels has one setting, so all of them are stored or none.
        stored = any(name in learned for name in group)
        config: dict = dict(learnable=True, per_class=False) if stored else {}
        if stage == 'alexnet' and group == [last]:
            config['kernel_size'] = upsampling[last][2]
        if config:
            conversion.decode_head[setting] = dict(type='BilinearDeconv', **config)
        for name in group:
            target, factor, _ = upsampling[name]
            fate = f'not stored: bilinear, as ours of factor {factor}'
            if stored:
                fate = f'decode_head.{target}.weight'
                conversion.state_dict[fate] = torch.from_numpy(kernels[name])
            conversion.rows.append((named[name].name, shapes_text(named[name]), fate))
    if learned:
        conversion.notes.append(f'{", ".join(learned)}: not bilinear, so learned; the '
                                'head needs the upsampler settings above')


# --- recognition ---------------------------------------------------------------


def _by_name(layers: Iterable[Layer]) -> dict[str, Layer]:
    named = {}
    for layer in layers:
        if not layer.blobs:
            continue
        if layer.name in named:
            raise InputError(f"two layers with weights are called '{layer.name}', "
                             'expected one')
        upsampling = layer.name.startswith('upscore')
        named[layer.name] = ungrouped(layer) if upsampling else layer
    return named


def _classifier_of(named: Collection[str]) -> str:
    alexnet = any(key.split('.')[0] in _OF_ALEXNET for key in named)
    return 'AlexNet' if alexnet else 'VGG16'


def _is_classifier(named: dict[str, Layer]) -> bool:
    return 'fc8' in named and not any(telling & named.keys()
                                      for telling in _TELLING.values())


def _recognise(named: dict[str, Layer]) -> tuple[str, bool]:
    """The finest stride, '32s' to '8s', or 'alexnet', and whether there are Scale layers."""
    if _OF_ALEXNET & named.keys() and 'upscore' in named:
        return 'alexnet', False
    for stage, telling in _TELLING.items():
        if telling & named.keys():
            scaled = any(name in named for name, _ in _SCALES.values())
            return stage, scaled and stage == '8s'
    found = list(named)
    raise InputError(
        "none of the paper's nets: expected one of the layers upscore, upscore16, "
        f'upscore8 and fc8, but there are {len(found)} layers with weights'
        + (f' ({", ".join(found[:3])} ... {found[-1]})' if found else ''))


def _check_complete(named: dict[str, Layer], stage: str, kind: str) -> None:
    """Raises ValueError if a layer is missing, or if there is one too many."""
    wanted = [*layer_names(stage), *UPSAMPLING[stage]]
    if kind == 'at-once':
        wanted += [name for name, _ in _SCALES.values()]
    _refuse_others(named, wanted, f'FCN {kind}')


def _refuse_others(named: dict[str, Layer], wanted: Collection[str], kind: str) -> None:
    missing = [name for name in wanted if name not in named]
    if missing:
        raise InputError(f'by its layers this is {kind}, but it lacks '
                         f'{", ".join(missing)}: the file is cut off or of another net')
    left = [f'{name} ({shapes_text(layer)})' for name, layer in named.items()
            if name not in wanted]
    if left:
        raise InputError(
            f'by its layers this is {kind}, in which there is no place for '
            f'{", ".join(left[:5])}' + ', ...' * (len(left) > 5) + ': only the nets of '
            'the paper on VGG16 or AlexNet are converted')


def _refuse_differences(kind: str, layers: Sequence[Layer], stage: str) -> None:
    """Raises ValueError if a file says that its layers are joined in another way."""
    found = list(differences(layers, Net(
        [*trunk_names(stage)], {name: factor for name, (_, factor, _) in
                                UPSAMPLING[stage].items()},
        crop_offsets(stage), scaled=kind == 'at-once', late=kind == 'colour-hha')))
    if found:
        raise InputError(
            f'by its layers this is FCN {kind}, but they are joined otherwise: '
            + '; '.join(found[:3]) + '; ...' * (len(found) > 3) + ". Ours would not compute "
            "what the file's net does: only the nets of the paper are converted")


def _settle(variant: str | None, kind: str, family: str | None, num_classes: int,
            implicit_scales: bool) -> str:
    """The kind of net, by its layers and by ``variant``, which must not contradict them."""
    possible = [kind] + [family] * (family is not None)
    if implicit_scales and kind == '8s':
        possible.append('at-once')
    if variant is not None and variant not in possible:
        raise InputError(_contradiction(
            variant, f'FCN {kind} with {num_classes} classes', " or ".join(possible)))
    return 'at-once' if variant == 'at-once' else kind


def _contradiction(variant: str, kind: str, possible: str) -> str:
    return (f'--variant {variant} contradicts the file: by its layers it is {kind}, '
            f'expected {possible}. Leave --variant out, or give the other file')
