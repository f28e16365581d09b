"""What went wrong with a config, in the words of who wrote it."""
import difflib
import re
from contextlib import contextmanager
from typing import Dict, Iterator, List

import mmengine.registry
from mmengine.config import Config
from mmengine.registry import Registry

_UNKNOWN_TYPE = re.compile(r"'?(\S+) is not in the \S+::(.+?) registry")
_OUT_OF_BOUNDS = re.compile(r'Target (-?\d+) is out of bounds')


@contextmanager
def explain_errors(config: Config) -> Iterator[None]:
    """Says of the errors that configs and masks cause what is wrong and what to do.

    Args:
        config (Config): What is built and run in the block.

    Raises:
        KeyError: For a type that no registry has, with those of similar names.
        ValueError: For a label beyond the classes.
    """
    try:
        yield
    except KeyError as error:
        found = _UNKNOWN_TYPE.search(str(error))
        if not found:
            raise
        raise KeyError(unknown_type(found[1], found[2], config)) from error
    except IndexError as error:  # torch's cross-entropy on a CPU
        found = _OUT_OF_BOUNDS.search(str(error))
        if not found:
            raise
        raise ValueError(_beyond_classes(f'the label {found[1]}', config)) from error
    except RuntimeError as error:
        if 'device-side assert' not in str(error):
            raise
        raise ValueError(_beyond_classes(
            'a device-side assertion failed: most likely a label', config)) from error


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


def registered_types(kind: str) -> List[str]:
    """Every type of a registry: mmseg's and mmengine's plain, others as 'scope.Name'."""
    roots: Dict[str, Registry] = {
        registry.name: registry for registry in vars(mmengine.registry).values()
        if isinstance(registry, Registry)}
    root = roots.get(kind)
    if root is None:
        return []
    names = list(root.module_dict)
    for scope, child in root.children.items():
        prefix = '' if scope == 'mmseg' else f'{scope}.'
        names += [prefix + name for name in child.module_dict]
    return names


def similar_types(bare: str, types: List[str]) -> List[str]:
    """Up to three types whose own names are closest to one that was written."""
    by_name: Dict[str, List[str]] = {}
    for full in types:
        by_name.setdefault(full.rpartition('.')[2].lower(), []).append(full)
    close = difflib.get_close_matches(bare.lower(), by_name, 3, 0.75)
    if bare.lower() in close:  # the same, but for its capitals or its package
        close = [bare.lower()]
    return [full for name in close for full in by_name[name]][:3]


def _beyond_classes(label: str, config: Config) -> str:
    count = config.model.decode_head.get('num_classes')
    return (f'{label} in a mask is not one of the {count} classes (0 to {count - 1}) that '
            'model.decode_head.num_classes says, nor 255 (ignored). See which values the '
            'masks have: python tools/misc/check_dataset.py FOLDER')
