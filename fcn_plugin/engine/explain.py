"""What is wrong with a config or a checkpoint, in the words of who wrote it."""
import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import mmengine.registry
from mmengine.config import Config
from mmengine.registry import Registry

from ..optim.schedules import check_length
from ..utils.config import class_names, inner_datasets, network, num_classes, without_images
from ..utils.errors import InputError

_UNKNOWN_TYPE = re.compile(r"'?(\S+) is not in the \S+::(.+?) registry")
_OUT_OF_BOUNDS = re.compile(r'Target (-?\d+) is out of bounds')
_NO_IMAGES = re.compile('need at least one array to concatenate|Failed to load `ann_file`')
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
    except (AssertionError, ValueError, FileNotFoundError) as error:
        fault = without_images(config, LOADERS, getattr(error, 'filename', None))
        if not fault or not isinstance(error, OSError) and not _NO_IMAGES.search(str(error)):
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


def check_schedule(config: Config) -> None:
    """Raises InputError for an optimiser that is unknown, and a run of no steps.

    mmengine says nothing about the one, and divides by or waits for the other.
    """
    kind = ((config.get('optim_wrapper') or {}).get('optimizer') or {}).get('type')
    if isinstance(kind, str) and mmengine.registry.OPTIMIZERS.get(kind) is None:
        raise InputError(unknown_type(kind, 'optimizer', config))
    check_length(config)


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
    head = network(config).decode_head
    head = head[-1] if isinstance(head, (list, tuple)) else head  # of a cascade
    count, ignored = head.get('num_classes'), head.get('ignore_index', 255)
    return (f'{label} in a mask is not one of the {count} classes (0 to {count - 1}) that '
            f'model.decode_head.num_classes says, nor {ignored} (ignored). See which values '
            'the masks have: python tools/misc/check_dataset.py FOLDER')


def _shown(classes: tuple[str, ...]) -> str:
    return ', '.join(classes[:6]) + (', ...' if len(classes) > 6 else '')
