"""What a backbone gives, and the config that puts an FCN on it."""
import inspect
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import mmpretrain
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from prettytable import PrettyTable
from torch import nn

from ..checkpoints.loading import open_config
from ..checkpoints.naming import is_weights
from ..engine.explain import explain_errors
from ..models import FeatureMap, describe_backbone
from ..models.packaged_weights import PACKAGES, SCHEME
from ..utils.errors import InputError
from ..utils.paths import config_names

#: What the printed config inherits, and what its head and pre-processing are.
PARENT = 'fcn-8s_r50_1xb16-20k_voc12-224x224.py'
_PARENT_STRIDES = (8, 16, 32)
_MEAN, _STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
_MOST_STAGES = 26


class Described(NamedTuple):
    """A backbone that was run.

    Attributes:
        config (dict): What it was built from, ``out_indices`` and what else was
            found included.
        maps (list[FeatureMap]): All that it can give.
        out_indices (list[int] | None): The ``out_indices`` of each map; None where
            the backbone has no such argument, or it was given.
        parameters (int): Number of parameters.
    """
    config: dict[str, Any]
    maps: list[FeatureMap]
    out_indices: list[int] | None
    parameters: int


def explore_backbone(config: dict[str, Any]) -> Described:
    """Builds a backbone so that it gives all its maps, and runs it without data.

    Where ``out_indices`` is not given, the largest that the backbone takes is found by
    trying. A final pooling to a vector is switched off where there is a known way.

    Args:
        config (dict): ``type`` and arguments of any registered backbone.

    Raises:
        KeyError: If there is no such type.
        ValueError: If it cannot be built of these arguments, with those that it has,
            or not be run.
    """
    config = _as_map(config)
    # timm's arguments are passed through
    if 'out_indices' not in config and (_takes(config, 'out_indices') or _is_timm(config)):
        for count in range(_MOST_STAGES, 0, -1):
            tried = dict(config, out_indices=tuple(range(count)))
            try:
                backbone = MODELS.build(tried)
                maps = describe_backbone(backbone)
            except Exception:  # whatever a backbone says to a stage that it lacks
                continue
            if not maps:  # ConvNeXt says nothing to stages that it lacks
                continue
            return Described(config, maps, list(range(len(maps))), _count(backbone))
    backbone = _build(config)
    try:
        maps = describe_backbone(backbone)
    except RuntimeError as error:
        raise InputError(f'{error}. FCNSegmentor takes it all the same, but its maps can '
                         'only be seen in its code') from error
    return Described(config, maps, None, _count(backbone))


def _build(config: dict[str, Any]) -> nn.Module:
    with explain_errors(Config(dict(model={}))):
        try:
            return MODELS.build(dict(config))
        except KeyError:
            raise
        except (TypeError, ValueError, AssertionError, RuntimeError) as error:
            kind = MODELS.get(config['type'])
            arguments = ', '.join(
                name if value.default is value.empty else f'{name}={value.default!r}'
                for name, value in inspect.signature(kind).parameters.items()
                if name != 'init_cfg')
            raise InputError(f'{config["type"]} cannot be built of {_call(config)}: {error} '
                             f'(its arguments: {arguments})') from error


def _is_timm(config: dict[str, Any]) -> bool:
    return config['type'] == 'mmpretrain.TIMMBackbone'


def _takes(config: dict[str, Any], name: str) -> bool:
    """Whether the type's constructor has an argument."""
    kind = MODELS.get(config['type'])
    return kind is not None and name in inspect.signature(kind).parameters


def _as_map(config: dict[str, Any]) -> dict[str, Any]:
    """With the arguments that make some backbones give maps, of images of any size."""
    wanted = dict(gap_before_final_norm=False, pad_small_map=True, out_type='featmap')
    config = {**{name: value for name, value in wanted.items() if _takes(config, name)},
              **config}
    if _is_timm(config):
        config.setdefault('features_only', True)
    return {'type': config.pop('type'), **config}


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def choose_maps(maps: Sequence[FeatureMap], finest: int = 8) -> list[FeatureMap]:
    """The deepest map at each stride, from ``finest`` on.

    Args:
        maps (Sequence[FeatureMap]): What a backbone gives.
        finest (int): Stride of the finest skip. Defaults to 8, FCN-8s.
    """
    by_stride = {m.stride: m for m in maps if m.stride >= finest and not m.switches}
    return [by_stride[stride] for stride in sorted(by_stride)]


@contextmanager
def quiet() -> Iterator[None]:
    """Without what backbones log and warn of while they are tried."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)


# --- weights that mmpretrain lists --------------------------------------------------


class Weights(NamedTuple):
    """ImageNet weights of a backbone, and how its images were prepared.

    Without ``checkpoint`` they are timm's, which downloads them itself.
    """
    checkpoint: str | None
    prefix: str | None
    mean: list[float]
    std: list[float]


def find_weights(config: dict[str, Any]) -> Weights | None:
    """ImageNet weights for a backbone of mmpretrain or timm.

    Args:
        config (dict): Its type and arguments; for mmpretrain all must agree with those
            of a model in its index.

    Returns:
        Weights or None: None where the index has none.
    """
    scope, _, name = config['type'].rpartition('.')
    if _is_timm(config):
        import timm
        theirs = timm.get_pretrained_cfg(config['model_name'])
        if theirs is None or not theirs.has_weights:
            return None
        mean, std = ([round(255 * value, 3) for value in values]
                     for values in (theirs.mean, theirs.std))
        return Weights(None, None, mean, std)
    if config['type'] == 'EfficientNetLite':
        package = next(name for name, arch in PACKAGES.items()
                       if arch == config.get('arch', 'lite0'))
        return Weights(f'{SCHEME}{package}', None, [127.5] * 3, [127.5] * 3)
    if scope != 'mmpretrain':
        return None
    wanted = _architecture(config)
    for address, theirs in _mmpretrain_models(name):
        backbone = theirs.model.get('backbone', {})
        if backbone.get('type') == name and _architecture(
                dict(backbone, type=config['type'])) == wanted:
            prepared = theirs.get('data_preprocessor') or theirs.model.data_preprocessor
            return Weights(address, 'backbone.', list(prepared.mean), list(prepared.std))
    return None


# Arguments that weights do not depend on.
_OF_NO_WEIGHT = {'type', 'out_indices', 'gap_before_final_norm', 'out_type', 'init_cfg',
                 'drop_path_rate', 'style', 'img_size', 'pad_small_map', 'with_cp',
                 'frozen_stages', 'norm_eval', 'drop_rate'}


def _architecture(config: dict[str, Any]) -> dict[str, Any]:
    """Every argument of a backbone, those left out too, that shapes its weights."""
    arguments = {
        name: value.default
        for name, value in inspect.signature(MODELS.get(config['type'])).parameters.items()
        if value.default is not value.empty}
    arguments.update(config)
    return {name: value for name, value in arguments.items() if name not in _OF_NO_WEIGHT}


def _plain(text: str) -> str:
    return re.sub('[^a-z0-9]', '', text.lower())


def _mmpretrain_models(name: str) -> Iterator[tuple[str, Config]]:
    """ImageNet weights' addresses and configs of an architecture, from mmpretrain."""
    root = Path(mmpretrain.__file__).parent / '.mim'
    for metafile in sorted(root.glob('configs/*/metafile.yml')):
        if _plain(metafile.parent.name) != _plain(name):
            continue
        for entry in load(metafile)['Models']:
            address, results = entry.get('Weights') or '', entry.get('Results') or []
            if address.startswith('https://download.openmmlab.com/') and any(
                    'imagenet-1k' in str(result.get('Dataset')).lower()
                    for result in results) and (root / entry['Config']).is_file():
                yield address, Config.fromfile(str(root / entry['Config']))


# --- what is printed -----------------------------------------------------------------


def inheriting_config(found: Described, finest: int = 8) -> str:
    """The text of a config that puts an FCN on a backbone.

    Args:
        found (Described): From :func:`explore_backbone`.
        finest (int): Stride of the finest skip. Defaults to 8.

    Raises:
        ValueError: If the backbone has no map for a score layer.
    """
    chosen = choose_maps(found.maps, finest)
    if not chosen:
        raise InputError(f'{found.config["type"]} gives no map of stride {finest} or more '
                         'that a score layer could sit on')
    backbone = dict(found.config)
    if found.out_indices is not None:
        backbone['out_indices'] = tuple(found.out_indices[m.index] for m in chosen)
        chosen = [replace(m, index=i) for i, m in enumerate(chosen)]
    head = dict(in_channels=tuple(m.channels for m in chosen))
    strides = tuple(m.stride for m in chosen)
    indices = tuple(m.index for m in chosen)
    if (strides, indices) != (_PARENT_STRIDES, (0, 1, 2)):
        head = dict(in_index=indices, **head, in_strides=strides)
    weights = find_weights(found.config)
    lines = [f"_base_ = './{PARENT}'", 'model = dict(']
    if weights and (weights.mean, weights.std) != (_MEAN, _STD):
        lines.append(f'    data_preprocessor=dict(mean={weights.mean}, std={weights.std}),')
    lines += ['    backbone=dict(', '        _delete_=True,']
    lines += [f'        {key}={value!r},' for key, value in backbone.items()]
    if weights and weights.checkpoint is None:
        lines.append('        pretrained=True),')
    elif weights:
        prefix = f", prefix='{weights.prefix}'" if weights.prefix else ''
        lines += ["        init_cfg=dict(", "            type='Pretrained'" + prefix + ',',
                  f"            checkpoint='{weights.checkpoint}')),"]
    else:
        lines[-1] = lines[-1][:-1] + '),'
    lines.append(_decode_head(head))
    return '\n'.join(lines)


def _decode_head(head: dict[str, Any]) -> str:
    line = f'    decode_head=dict({_arguments(head)}))'
    return line if len(line) <= 90 else '    decode_head=dict(\n        ' + (
        f'{_arguments(head)}))')


def print_backbone(source: str, options: dict | None = None, finest: int = 8) -> None:
    """Prints a backbone's maps and the config that puts an FCN on it.

    Args:
        source (str): A type such as 'mmpretrain.ConvNeXt'; or a config or a checkpoint, by
            file or by name, whose backbone is described.
        options (dict, optional): Arguments of the type, or entries to override in the
            config.
        finest (int): Stride of the finest skip. Defaults to 8, FCN-8s.

    Raises:
        KeyError: If there is no such type.
        ValueError: If the backbone cannot be built or has no maps to score.
    """
    init_default_scope('mmseg')
    is_config = source.endswith('.py') or source in config_names() or is_weights(source)
    if is_config:
        config = open_config(source, options).model.backbone.to_dict()
        config.pop('init_cfg', None)
    elif Path(source).is_file():
        raise InputError(f"'{source}' is a file, but no config (.py): expected one, or the "
                         "type of a backbone, such as 'mmpretrain.ConvNeXt'")
    else:
        config = dict(type=source, **(options or {}))
    # what timm and others say of themselves while they are built
    with quiet():
        found = explore_backbone(config)
    chosen = choose_maps(found.maps, finest)
    print(f'{_call(found.config)}: {found.parameters / 1e6:.1f} M parameters\n')
    table = PrettyTable(['out_indices' if found.out_indices else 'in_index', 'stride',
                         'channels', f'in FCN-{chosen[0].stride}s' if chosen else ''])
    for item in found.maps:
        place = found.out_indices[item.index] if found.out_indices else item.index
        what = 'score' if item in chosen else ''
        table.add_row([place, item.stride or '-', item.channels, what or (
            '' if item.stride else 'a vector, no map')])
    table.align = 'r'
    print(table)
    if is_config:
        return
    text = inheriting_config(found, finest)
    print(f'\nThe config, to be saved in configs/fcn:\n\n{text}')
    if 'pretrained=True' in text:
        print('\ntimm downloads the ImageNet weights.')
    elif 'init_cfg' not in text:
        print('\nIt starts from scratch: no ImageNet weights are known for it. Those of a '
              "file: init_cfg=dict(type='Pretrained', checkpoint=FILE) in backbone.")


def _call(config: dict[str, Any]) -> str:
    rest = {key: value for key, value in config.items() if key != 'type'}
    return f"{config['type']}({_arguments(rest)})"


def _arguments(values: dict[str, Any]) -> str:
    return ', '.join(f'{key}={value!r}' for key, value in values.items())
