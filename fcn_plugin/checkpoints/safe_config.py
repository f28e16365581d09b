"""Reading the config kept in a checkpoint, without running code that nobody agreed to.

A config can run code in more ways than by being Python. It names modules to import
(``custom_imports``); and mmengine imports a module for a name that it does not know: the
type ``Net`` imports ``Net.py``, wherever Python finds one, and the scope ``lab`` imports
``lab.registry``. So a checkpoint from somewhere else could run a file that lies beside a
notebook. Here each of these names is looked at before mmengine sees it.
"""
import ast
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

# All of TRUSTED, now: what Python finds first under these names has been imported before
# any checkpoint is read, and submodules come from there.
import mmcv  # noqa: F401
import mmengine.registry
import mmpretrain  # noqa: F401
import mmseg  # noqa: F401
from mmengine.config import Config
from mmengine.registry import Registry

from ..utils.errors import InputError, MissingPackageError

#: Packages whose modules are imported for a checkpoint without being asked for.
TRUSTED = ('fcn_plugin', 'mmcv', 'mmengine', 'mmpretrain', 'mmseg')


def config_from_text(text: str, allow_imports: Sequence[str] = ()) -> Config:
    """The config that mmengine keeps, as text, in a checkpoint's meta, ready to be built.

    Args:
        text (str): See :func:`read_config_text`.
        allow_imports (Sequence[str]): Packages that ``custom_imports`` may name beside
            :data:`TRUSTED` and what is imported already. Defaults to ().

    Raises:
        ValueError: If there is more than data in it, or it names a module that is not
            allowed; see :func:`check_types`.
        ImportError: If a module that it may name cannot be imported.
    """
    config = read_config_text(text)
    _import(config.get('custom_imports'), allow_imports)
    check_types(config._cfg_dict.to_dict(), allow_imports)
    return config


def read_config_text(text: str) -> Config:
    """The config that mmengine keeps, as text, in a checkpoint's meta, as data alone.

    The text is Python, but never run, and nothing that it names is imported.

    Args:
        text (str): ``Config.pretty_text``: assignments of literals and ``dict(...)``.

    Raises:
        ValueError: If there is anything else in it.
    """
    fields = {}
    try:
        for statement in ast.parse(text).body:
            if not isinstance(statement, ast.Assign) or not isinstance(
                    statement.targets[0], ast.Name):
                raise InputError(f'line {statement.lineno} is no plain assignment')
            fields[statement.targets[0].id] = _plain_value(statement.value)
        return Config(fields)
    except InputError:
        raise
    # SyntaxError, and by what stands in it: a key that no dict takes, a name that mmengine
    # keeps for itself, a minus before a text, zeros, brackets without end
    except Exception as error:
        raise InputError(f'its text is no config: {error}') from error


def _plain_value(node: ast.AST) -> Any:
    """Like ``ast.literal_eval``, and ``dict(...)``, ``inf`` and ``nan``."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict' and all(
            isinstance(argument, ast.Dict) for argument in node.args
            ) and all(k.arg for k in node.keywords):  # no dict(**other)
        value = {k.arg: _plain_value(k.value) for k in node.keywords}
        for argument in node.args:  # keys that are no names: dict({'a-b': 1})
            value.update(_plain_value(argument))
        return value
    if isinstance(node, ast.Dict):
        return {_plain_value(k): _plain_value(v)
                for k, v in zip(node.keys, node.values)}
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        kind = {ast.List: list, ast.Tuple: tuple, ast.Set: set}[type(node)]
        return kind(_plain_value(item) for item in node.elts)
    if isinstance(node, ast.Name) and node.id in ('inf', 'nan'):
        return float(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_plain_value(node.operand)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise InputError(f'line {getattr(node, "lineno", "?")} holds more than plain '
                         f'data: {ast.unparse(node)[:60]}') from None


# --- imports ---------------------------------------------------------------------------


def _import(custom_imports: Any, allowed: Sequence[str]) -> None:
    """Imports what ``custom_imports`` names, if all of it may be."""
    if not custom_imports:
        return
    names = custom_imports.get('imports') if isinstance(custom_imports, dict) else None
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, (list, tuple)) or not all(
            isinstance(name, str) for name in names):
        raise InputError(f"custom_imports is {custom_imports!r}, expected dict(imports=[...]) "
                         'with the names of modules')
    for name in names:  # before any of them is imported
        if not _is_allowed(name, allowed) and name not in sys.modules:
            raise _not_allowed(f"custom_imports names the module '{name}'", name)
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            if not custom_imports.get('allow_failed_imports'):
                raise MissingPackageError(
                    f"custom_imports names '{name}', which cannot be imported ({error}): "
                    'install it, or put the folder that holds it on PYTHONPATH') from error
            warnings.warn(f"'{name}' of custom_imports cannot be imported: {error}")


def _is_allowed(name: str, allowed: Sequence[str]) -> bool:
    allowed = [allowed] if isinstance(allowed, str) else allowed
    return name.partition('.')[0] in TRUSTED or any(
        name == other or name.startswith(f'{other}.') for other in allowed)


def _not_allowed(what: str, name: str) -> InputError:
    package = name.partition('.')[0]
    return InputError(f'{what}, and importing it runs its code. If you trust it, allow it: '
                      f"--allow-imports {package} (allow_imports=['{package}'] in Python)")


# --- types -----------------------------------------------------------------------------


def check_types(value: Any, allow_imports: Sequence[str] = ()) -> None:
    """Looks for types and scopes by whose names mmengine would import or call anything.

    Args:
        value: A config, or a part of it: dicts, lists, plain values.
        allow_imports (Sequence[str]): See :func:`config_from_text`.

    Raises:
        ValueError: If a type is a path into a module, is of a scope in which no such type
            is registered, or has the name of a module that is not imported yet; or if a
            scope (``default_scope``, ``_scope_``) has.
    """
    if isinstance(value, dict):
        for key in ('default_scope', '_scope_'):
            if isinstance(value.get(key), str):
                _check_scope(key, value[key], allow_imports)
        if isinstance(value.get('type'), str):
            _check_type(value['type'], allow_imports)
        value = value.values()
    if not isinstance(value, (str, bytes)) and isinstance(value, Iterable):
        for item in value:
            check_types(item, allow_imports)


def _check_scope(key: str, scope: str, allowed: Sequence[str]) -> None:
    # mmengine imports <scope>.registry
    if not (_is_allowed(scope, allowed) or f'{scope}.registry' in sys.modules
            or _spec(scope) is None):
        raise _not_allowed(f"{key} names the module '{scope}'", scope)


def _check_type(name: str, allowed: Sequence[str]) -> None:
    scope, _, bare = name.partition('.')
    if not bare:
        scope, bare = '', name
    if scope and not _is_registered(scope, bare):
        raise InputError(f"the type '{name}' is not of the form scope.Name with a Name that "
                         'is registered here in that scope')
    spec = _spec(bare)
    # mmengine imports a module of that name if its registry has no such type. A folder
    # without __init__.py has no code to run.
    if not (_is_allowed(bare, allowed) or bare in sys.modules or spec is None
            or spec.loader is None or spec.origin is None):
        raise _not_allowed(f"the type '{name}' is also the name of a module, {spec.origin}",
                           bare)


def _spec(name: str) -> Any:
    """Where Python would find the package of that name, which is not imported."""
    try:
        return importlib.util.find_spec(name.partition('.')[0])
    except (ImportError, ValueError):  # no name, or __main__
        return None


def _is_registered(scope: str, name: str) -> bool:
    found = [registry for registry in _registries() if registry.scope == scope]
    if any(name in registry.module_dict for registry in found):
        return True
    for registry in found if scope in TRUSTED else ():
        # mmpretrain's data sets want a torchvision, which its networks do without
        with suppress(ImportError):
            registry.import_from_location()
        if name in registry.module_dict:
            return True
    return False


def _registries() -> Iterator[Registry]:
    """Those of mmengine and, below them, those of other packages."""
    waiting = [each for each in vars(mmengine.registry).values()
               if isinstance(each, Registry)]
    while waiting:
        registry = waiting.pop()
        yield registry
        waiting += registry.children.values()
