"""What is wrong with a config or a checkpoint, in the words of who wrote it."""
import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mmengine.registry
from mmengine.config import Config
from mmengine.fileio import list_from_file
from mmengine.logging import print_log
from mmengine.registry import Registry
from mmseg.registry import DATASETS
from torch import Tensor, nn

from ..checkpoints.loading import read_checkpoint
from ..utils.errors import InputError
from ..utils.wrappers import unwrapped

_UNKNOWN_TYPE = re.compile(r"'?(\S+) is not in the \S+::(.+?) registry")
_OUT_OF_BOUNDS = re.compile(r'Target (-?\d+) is out of bounds')
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@contextmanager
def explain_errors(config: Config) -> Iterator[None]:
    """Says of the errors that configs and masks cause what is wrong and what to do.

    Args:
        config (Config): What is built and run in the block.

    Raises:
        InputError: For a type that no registry has, with those of similar names.
        InputError: For labels beyond the classes, and data sets without images.
    """
    try:
        yield
    except KeyError as error:
        found = _UNKNOWN_TYPE.search(str(error))
        if not found:
            raise
        raise InputError(unknown_type(found[1], found[2], config)) from error
    except (ValueError, FileNotFoundError) as error:
        fault = _no_images(config, getattr(error, 'filename', None))
        if not fault or (isinstance(error, ValueError) and
                         'need at least one array to concatenate' not in str(error)):
            raise
        raise InputError(fault) from error
    except IndexError as error:  # torch's cross-entropy on a CPU
        found = _OUT_OF_BOUNDS.search(str(error))
        if not found:
            raise
        raise InputError(_beyond_classes(f'the label {found[1]}', config)) from error
    except RuntimeError as error:
        if 'device-side assert' not in str(error):
            raise
        raise InputError(_beyond_classes(
            'a device-side assertion failed: most likely a label', config)) from error


# --- types ----------------------------------------------------------------------------


def check_optimizer(config: Config) -> None:
    """Raises InputError for an unknown optimiser, which mmengine says nothing about."""
    kind = ((config.get('optim_wrapper') or {}).get('optimizer') or {}).get('type')
    if isinstance(kind, str) and mmengine.registry.OPTIMIZERS.get(kind) is None:
        raise InputError(unknown_type(kind, 'optimizer', config))


def check_lengths(config: Config) -> None:
    """Raises ValueError for a run of no steps, which mmengine divides by or waits for."""
    for key in ('max_iters', 'max_epochs', 'val_interval'):
        value = (config.get('train_cfg') or {}).get(key, 1)
        if value < 1:
            raise InputError(f'train_cfg.{key}={value}, expected at least 1')


def unknown_type(name: str, kind: str, config: Config) -> str:
    """Why a type is not found, and which one was meant.

    Args:
        name (str): As the config has it, ``'ConvNext'`` or ``'mmpretrain.ConvNext'``.
        kind (str): The registry's name: 'model', 'dataset', 'transform', ...
        config (Config): Read for its ``custom_imports``.
    """
    types = registered_types(kind)
    scope, _, bare = name.rpartition('.')
    message = f"type='{name}' is no registered {kind}"
    scopes = sorted({full.rpartition('.')[0] for full in types} - {''})
    if scope and scope not in scopes + ['mmseg', 'mmengine', 'fcn_plugin']:
        return (f"{message}: nothing of a package '{scope}' is registered; there are "
                f'{", ".join(scopes)} and, without a prefix, mmseg. Install it, and name '
                f"it in custom_imports=dict(imports=['{scope}'])")
    imports = (config.get('custom_imports') or {}).get('imports') or []
    imports = [imports] if isinstance(imports, str) else list(imports)
    own = ('of your own must be imported: custom_imports=dict(imports='
           f"{[*imports, 'your_module']}), with the module's folder on PYTHONPATH")
    meant = similar_types(bare, types)
    if meant:
        return f'{message}; did you mean {" or ".join(map(repr, meant))}? A type {own}'
    return f'{message}; one {own}'


def registered_types(kind: str) -> list[str]:
    """Every type of a registry: mmseg's and mmengine's plain, others as 'scope.Name'."""
    roots: dict[str, Registry] = {
        registry.name: registry for registry in vars(mmengine.registry).values()
        if isinstance(registry, Registry)}
    root = roots.get(kind)
    if root is None:
        return []
    names = dict.fromkeys(root.module_dict)  # in order, each once
    for scope, child in root.children.items():
        prefix = '' if scope == 'mmseg' else f'{scope}.'
        names.update(dict.fromkeys(prefix + name for name in child.module_dict))
    return list(names)


def similar_types(bare: str, types: list[str]) -> list[str]:
    """Up to three types whose own names are closest to one that was written."""
    by_name: dict[str, list[str]] = {}
    for full in types:
        by_name.setdefault(full.rpartition('.')[2].lower(), []).append(full)
    close = difflib.get_close_matches(bare.lower(), by_name, 3, 0.75)
    if bare.lower() in close:  # the same, but for its capitals or its package
        close = [bare.lower()]
    return [full for name in close for full in by_name[name]][:3]


# --- classes ----------------------------------------------------------------------------


def inner_datasets(dataset: dict | None) -> Iterator[dict]:
    """The data sets of a loader, out of wrappers such as ConcatDataset."""
    if not dataset:
        return
    inside = [dataset.get('dataset'), *(dataset.get('datasets') or ())]
    if not any(inside):
        yield dataset
    for part in filter(None, inside):
        yield from inner_datasets(part)


def class_names(dataset: dict) -> tuple[str, ...] | None:
    """The classes that a data set's config stands for; None where it does not say."""
    classes = (dataset.get('metainfo') or {}).get('classes')
    if classes is None:
        kind = DATASETS.get(dataset['type']) if 'type' in dataset else None
        classes = getattr(kind, 'METAINFO', {}).get('classes')
    if isinstance(classes, str):  # a file of names
        classes = list_from_file(classes) if Path(classes).is_file() else None
    return None if classes is None else tuple(classes)


def _network(config: Config) -> dict:
    """The segmentor's config, out of a wrapper for test-time augmentation."""
    model = config.get('model') or {}
    return model.get('module') or model


def num_classes(config: Config) -> int | None:
    """How many classes the head of a config's model has; None where it does not say."""
    head = _network(config).get('decode_head') or {}
    return head.get('num_classes') if isinstance(head, dict) else None


def check_classes(config: Config, loaders: Sequence[str] = LOADERS) -> None:
    """Compares the head's number of classes with the data sets'.

    Args:
        config (Config): Of the run.
        loaders (Sequence[str]): Whose data sets. Defaults to all.

    Raises:
        ValueError: If they differ; nothing that is trained so can be right.
    """
    count = num_classes(config)
    if count is None:
        return
    for loader in loaders:
        for dataset in inner_datasets((config.get(loader) or {}).get('dataset')):
            classes = class_names(dataset)
            if classes and len(classes) != count:
                raise InputError(
                    f"{loader}'s {dataset['type']} has {len(classes)} classes "
                    f'({_shown(classes)}), but model.decode_head.num_classes is {count}: '
                    f'set model=dict(decode_head=dict(num_classes={len(classes)})), or the '
                    "data set's metainfo=dict(classes=(...))")


def _beyond_classes(label: str, config: Config) -> str:
    count = _network(config).decode_head.get('num_classes')
    return (f'{label} in a mask is not one of the {count} classes (0 to {count - 1}) that '
            'model.decode_head.num_classes says, nor 255 (ignored). See which values the '
            'masks have: python tools/misc/check_dataset.py FOLDER')


def _shown(classes: tuple[str, ...], most: int = 6) -> str:
    return ', '.join(classes[:most]) + (', ...' if len(classes) > most else '')


def _no_images(config: Config, missing: str | None = None) -> str:
    """Which data sets find no images: all of them, or those that look in ``missing``."""
    faults = []
    for loader in LOADERS:
        for dataset in inner_datasets((config.get(loader) or {}).get('dataset')):
            fault = no_images(dataset)
            if fault and (missing is None or f'folder {missing}' in fault):
                faults.append(f"{loader}'s {dataset['type']} {fault}")
    return '; '.join(faults)


def no_images(dataset: dict) -> str | None:
    """What is wrong with where a data set of files looks for images; None if nothing.

    Args:
        dataset (dict): Config of one of mmseg's data sets.
    """
    prefix = (dataset.get('data_prefix') or {}).get('img_path')
    root = dataset.get('data_root') or ''
    folder = Path(root, prefix or '')
    suffix = dataset.get('img_suffix', '.jpg')
    if prefix is None and not root:
        return None
    if not folder.is_dir():
        return f'finds no images: there is no folder {folder}'
    names = [path.name for path in folder.rglob('*') if path.is_file()]
    if any(name.endswith(suffix) for name in names):
        return None
    example = f', such as {names[0]}' if names else ''
    return (f"finds no images: of {len(names)} files in {folder}{example}, none ends in "
            f"'{suffix}' (img_suffix). tools/misc/check_dataset.py FOLDER --out DIR writes a "
            'config for any names')


# --- checkpoints ------------------------------------------------------------------------


def check_checkpoint(model: nn.Module, path: str, config: Config,
                     whole: bool = True) -> dict[str, Any]:
    """Compares a checkpoint's entries with a model's before mmengine loads it.

    mmengine fills what fits, warns of the rest and goes on.

    Args:
        model (nn.Module): The model that is to be filled.
        path (str): The checkpoint.
        config (Config): Of the run; its test data's classes are compared too.
        whole (bool): Whether every entry of the model must be filled, as for testing
            and resuming; to start a training half of the backbone's entries suffices.
            Defaults to True.

    Returns:
        dict: The checkpoint's meta.

    Raises:
        ValueError: If it is of another architecture, or its classes are in another order.
    """
    loaded = read_checkpoint(path)
    inner = unwrapped(model)
    weights = {key.removeprefix('module.'): value
               for key, value in loaded['state_dict'].items()}
    ours = {key: value for key, value in inner.state_dict().items()
            if not key.startswith('auxiliary_head.')}
    fitting = [key for key, value in ours.items()
               if key in weights and weights[key].shape == value.shape]
    if whole:
        _check_order(loaded['meta'], path, config)
    backbone = [key for key in ours if key.startswith('backbone.')]
    enough = len(ours) if whole else len(backbone) / 2
    if len(fitting if whole else set(fitting) & set(backbone)) >= enough:
        return loaded['meta']
    asked = (_network(config).get('backbone') or {}).get('type')
    raise InputError(
        f"the checkpoint '{path}' is of another network than {config.filename} (backbone "
        f'{asked}): {_difference(weights, ours)}. Give the config that it was trained with'
        + ('' if whole else ', or, if only its backbone is wanted, model.backbone.init_cfg='
           "dict(type='Pretrained', checkpoint=FILE)"))


def _difference(weights: dict[str, Tensor], ours: dict[str, Tensor]) -> str:
    """In one line: what a checkpoint lacks, has besides and has in other shapes."""
    parts = []
    for words, keys in (('lacks', [key for key in ours if key not in weights]),
                        ('has besides', [key for key in weights if key not in ours])):
        if keys:
            parts.append(f'it {words} {len(keys)} entries ({keys[0]}'
                         + (', ...)' if len(keys) > 1 else ')'))
    other = [key for key in ours if key in weights and weights[key].shape != ours[key].shape]
    if other:
        key = other[-1]
        parts.append(f'{len(other)} entries differ in shape ({key}: '
                     f'{list(weights[key].shape)}, but the model has '
                     f'{list(ours[key].shape)})')
    return '; '.join(parts)


def _check_order(meta: dict[str, Any], path: str, config: Config) -> None:
    """Raises ValueError for the same classes in another order, warns of other names."""
    theirs = tuple((meta.get('dataset_meta') or {}).get('classes') or ())
    for dataset in inner_datasets((config.get('test_dataloader') or {}).get('dataset')):
        ours = class_names(dataset)
        if not theirs or not ours or ours == theirs or len(ours) != len(theirs):
            continue
        place = next(i for i, (a, b) in enumerate(zip(theirs, ours)) if a != b)
        found = (f"the checkpoint '{path}' was trained with '{theirs[place]}' as class "
                 f"{place}, which is '{ours[place]}' in {dataset['type']}")
        if sorted(ours) == sorted(theirs):
            raise InputError(f"{found}: give the classes in the checkpoint's order, by "
                             f"metainfo=dict(classes={theirs})")
        print_log(f'{found}; are these the same?', logger='current', level=30)
