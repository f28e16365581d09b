"""From a checkpoint, and what is said beside it, to a model that predicts."""
import copy
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.runner import load_state_dict
from mmseg.apis import init_model
from mmseg.registry import DATASETS
from torch import nn

from ..masks.label_maps import label_map_of
from ..models.segmentors.post_processing import use_crf
from ..models.segmentors.tiles import use_tiles
from ..utils.config import for_a_run, inner_dataset, load_config, merge_options, read_config
from ..utils.devices import pick_device
from ..utils.errors import InputError, UserError
from ..utils.paths import PathLike, config_file, config_path
from ..visualization import default_palette
from .fit import difference, stripped
from .naming import BUNDLED, is_weights, weights_file
from .reading import read_checkpoint
from .safe_config import config_from_text

#: The config that stands for a backbone where nothing else names one.
DEFAULT_CONFIGS = {
    'vgg16': 'fcn-8s_vgg16_1xb16-20k_voc12-224x224.py',
    'vgg19': 'fcn-8s_vgg19_1xb16-20k_voc12-224x224.py',
    'resnet50': 'fcn-8s_r50_1xb16-20k_voc12-224x224.py',
    'resnet101': 'fcn-8s_r101_1xb16-20k_voc12-224x224.py',
}
DEFAULT_BACKBONE = 'resnet50'


def find_config(config: PathLike | Config | None, meta: dict[str, Any],
                backbone: str | None = None, allow_imports: Sequence[str] = ()
                ) -> tuple[Config, str]:
    """The config to build a checkpoint's model from.

    In this order: the one given; the one kept in the checkpoint; the project's
    FCN-8s on the backbone named, ResNet-50 where none is.

    Args:
        config (str, Path or Config, optional): A file, the name of one of the
            project's configs (``'fcn/....py'``), or the config itself.
        meta (dict): The checkpoint's meta.
        backbone (str, optional): A key of :data:`DEFAULT_CONFIGS`.
        allow_imports (Sequence[str]): Packages that the config kept in the checkpoint may
            import, see :func:`config_from_text`. Defaults to ().

    Returns:
        tuple[Config, str]: The config, and in words where it comes from.

    Raises:
        ValueError: If the config found has another backbone than that named.
    """
    if backbone is not None and backbone not in DEFAULT_CONFIGS:
        raise InputError(f"no backbone '{backbone}': choose from "
                         f'{", ".join(DEFAULT_CONFIGS)}, or give a config')
    if isinstance(config, Config):
        found, source = copy.deepcopy(config), 'the config given'
    elif config is not None:
        path = config_file(config)
        found, source = read_config(str(path)), f"the config '{path}'"
    elif meta.get('cfg'):
        source = 'the config in the checkpoint'
        try:
            found = config_from_text(meta['cfg'], allow_imports)
            if not isinstance(found.get('model'), dict):
                raise InputError('it has no model')
        except UserError as error:
            raise InputError(f'{source} cannot be used: {error}. Name the config file '
                             'by --config') from error
    else:
        name = f'fcn/{DEFAULT_CONFIGS[backbone or DEFAULT_BACKBONE]}'
        found, source = Config.fromfile(str(config_path(name))), f"the config '{name}'"
    if backbone is not None:
        _check_backbone(found, source, backbone)
    return found, source


def open_config(source: PathLike, options: dict | None = None, work_dir: str | None = None,
                launcher: str = 'none') -> Config:
    """A config, or the one that a checkpoint keeps, for commands that look at a network.

    Args:
        source (str or Path): As :func:`~fcn_plugin.utils.config.load_config` takes it; or a
            checkpoint, by file, work dir, address or the name of a model of the package.
        options, work_dir, launcher: See :func:`~fcn_plugin.utils.config.load_config`.

    Raises:
        ValueError: If the checkpoint keeps no config, and as ``load_config``.
    """
    if not is_weights(source):
        return load_config(str(source), options, work_dir, launcher)
    meta = read_checkpoint(source)['meta']
    if not meta.get('cfg'):
        raise InputError(f"the checkpoint '{source}' keeps no config: name the config that "
                         'it was trained with')
    found, _ = find_config(None, meta)
    kept = Config(found.to_dict(), cfg_text=meta['cfg'], filename=str(source))
    return for_a_run(kept, Path(source).stem, options, work_dir, launcher)


def _check_backbone(config: Config, source: str, backbone: str) -> None:
    """Raises ValueError if the config's backbone is not the one named."""
    built = config.model.get('backbone', {})
    kind, depth = re.fullmatch(r'([a-z]+)(\d+)', backbone).groups()
    if kind not in str(built.get('type', '')).lower() or (
            str(built.get('depth', depth)) != depth):
        raise InputError(
            f'--backbone {backbone} contradicts {source}, whose backbone is '
            f'{_describe_backbone(built)}: leave --backbone out, or give the weights '
            f'of an FCN on {backbone}')


def _describe_backbone(backbone: dict) -> str:
    depth = f' of depth {backbone["depth"]}' if 'depth' in backbone else ''
    return f'{backbone.get("type")}{depth}'


def load_model(config: PathLike | Config | None = None,
               checkpoint: PathLike | None = None,
               device: str = 'auto', backbone: str | None = None,
               cfg_options: dict | None = None, rescale: bool = True,
               crf: bool = False, allow_imports: Sequence[str] = (),
               tile: int | None = None, overlap: int | None = None) -> nn.Module:
    """Builds a segmentor and fills it from a checkpoint, wholly or not at all.

    Args:
        config (str, Path or Config, optional): See :func:`find_config`. Defaults to None: the
            one in the checkpoint.
        checkpoint (str or Path, optional): Trained weights, or the name of a model of the
            package, see :func:`~fcn_plugin.checkpoints.naming.weights_file`. Defaults to
            None: the one for objects, if no config is given either.
        device (str): 'auto', 'cpu', 'cuda:0', ... Defaults to 'auto'.
        backbone (str, optional): See :func:`find_config`. Defaults to None.
        cfg_options (dict, optional): Overrides of the config. Defaults to None.
        rescale (bool): Whether predictions are brought to the image's own size
            even where the config's ``test_cfg`` says otherwise. Defaults to True.
        crf (bool): See :func:`use_crf`. Defaults to False.
        allow_imports (Sequence[str]): See :func:`find_config`. Defaults to ().
        tile, overlap (int, optional): See :func:`use_tiles`. Default to None: whole.

    Returns:
        nn.Module: In eval mode, with ``cfg`` and with ``dataset_meta``: 'classes' and
        'palette' of as many entries as the model tells apart, 'background', the index of
        the class of that name or None, 'tasks', from each further task of the head to names
        of its classes, and 'label_map', values of masks and their classes, or None.

    Raises:
        ValueError: If checkpoint, config and backbone do not fit one another.
    """
    device = pick_device(device)
    if checkpoint is None and (config is not None or backbone is not None):
        raise InputError('no weights: name a checkpoint beside '
                         + ('the config' if config is not None else 'the backbone'))
    named, checkpoint = checkpoint, weights_file(checkpoint)
    if checkpoint is not named:
        print_log(f'the {checkpoint.stem} model of the package is not for commercial use: '
                  f'{checkpoint.with_name("LICENSE")}' if checkpoint in BUNDLED.values() else
                  f'the checkpoint of {named} is {checkpoint.name}', logger='current')
    loaded = read_checkpoint(checkpoint)
    cfg, source = find_config(config, loaded['meta'], backbone, allow_imports)
    merge_options(cfg, cfg_options or {})
    if crf:
        use_crf(cfg)
    use_tiles(cfg, tile, overlap)
    cfg.model.pop('auxiliary_head', None)  # only training needs it
    if rescale and 'rescale' in (cfg.model.get('test_cfg') or {}):
        cfg.model.test_cfg.rescale = True
    with warnings.catch_warnings():  # mmseg's about losses, which only training needs
        warnings.filterwarnings('ignore', category=UserWarning, module='mmseg')
        model = init_model(cfg, device='cpu')
    weights = stripped(loaded['state_dict'])
    fault = difference(weights, model.state_dict())
    if fault:
        named = f'--backbone {backbone}: ' if backbone else ''
        raise InputError(
            f"{named}the checkpoint '{checkpoint}' does not fit {source} (backbone "
            f'{_describe_backbone(cfg.model.backbone)}): {fault}. '
            'Give the config that it was trained with by --config'
            + ('' if config else ', or its backbone by --backbone ('
               + ', '.join(DEFAULT_CONFIGS) + ')'))
    load_state_dict(model, weights, strict=True)
    model.dataset_meta = _dataset_meta(model, loaded['meta'], cfg)
    # SyncBN runs on GPUs in a process group only; in eval it is BN.
    return revert_sync_batchnorm(model).to(device).eval()


def _dataset_meta(model: nn.Module, meta: dict[str, Any], cfg: Config) -> dict:
    """Names and colours of the model's classes; see :func:`load_model`."""
    found = meta.get('dataset_meta') or dict(  # the capitals are mmseg 0.x's
        classes=meta.get('CLASSES'), palette=meta.get('PALETTE'))
    if not found.get('classes'):
        dataset = inner_dataset(cfg)
        kind = DATASETS.get(dataset['type']) if dataset.get('type') else None
        found = dict(getattr(kind, 'METAINFO', {}), **dataset.get('metainfo', {}))
    # One channel is the probability of the second of two classes.
    channels: Any = model.out_channels
    count = max(2, channels)
    classes = _names(found.get('classes'), count)
    tasks = {task: _names((found.get('tasks') or {}).get(task), number) for task, number in
             getattr(model.decode_head, 'other_tasks', {}).items()}
    palette = default_palette(count)
    known = np.asarray(found.get('palette') or [], np.uint8).reshape(-1, 3)[:count]
    palette[:len(known)] = known
    background = next((i for i, name in enumerate(classes)
                       if name.lower() in ('background', '_background_')), None)
    return dict(classes=classes, palette=palette.tolist(), background=background, tasks=tasks,
                label_map=label_map_of(inner_dataset(cfg), count,
                                       found.get('reduce_zero_label')))


def _names(given: Sequence | None, count: int) -> tuple[str, ...]:
    """Names of ``count`` classes, made up where none are given."""
    names = [str(name) for name in given or []]
    if names and len(names) != count:
        warnings.warn(f'{len(names)} class names for a model of {count} classes')
    return (*names[:count], *(f'class {i}' for i in range(len(names), count)))
