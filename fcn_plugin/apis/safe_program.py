"""Loading what torch.export has written, without running code that is in the file.

``torch.export.load`` says itself that it is for trusted files only: it falls back to
unpickling anything, evaluates expressions that the file holds as Python, writes the
names in it into source code that it compiles, and loads compiled libraries. Here the
file is looked through first, and only what an exported network needs is let through.
"""
import ast
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any, Optional
from unittest import mock

import torch

from ..utils.errors import InputError

#: What an archive may hold, below its root folder. Compiled code is not among it.
_MEMBERS = re.compile(
    r'data/weights/(weight_\d+|model_weights_config\.json)'
    r'|data/constants/(tensor_\d+|model_constants_config\.json)'
    r'|data/sample_inputs/model\.pt|models/model\.json|extra/\w+'
    r'|archive_format|archive_version|byteorder|\.data/(version|serialization_id)')
#: Functions of tensors and numbers. from_file would open a file of the author's choice.
_TARGETS = re.compile(
    r'torch\.ops\.(aten|prims)\.(?!from_file\b)\w+\.\w+|torch\.sym_\w+|math\.\w+'
    r'|_operator\.(add|sub|mul|mod|floordiv|truediv|neg|pos|pow|eq|ne|lt|le|gt|ge'
    r'|and_|or_|getitem)')
#: Texts for people, and the trees of inputs and outputs, which torch reads as JSON.
_COMMENTS = ('stack_trace', 'nn_module_stack', 'torch_fn', 'in_spec', 'out_spec',
             'torch_version')
_NAME = re.compile(r'[\w.]*')
#: What may be called by name in an expression over sizes.
_FUNCTIONS = set(
    'Symbol Integer Float Rational Add Mul Pow Mod PythonMod FloorDiv CleanDiv CeilDiv '
    'CeilToInt FloorToInt TruncToInt IntTrueDiv FloatTrueDiv ToFloat ModularIndexing '
    'Max Min Abs Eq Ne Equality Unequality Gt Ge Lt Le StrictGreaterThan GreaterThan '
    'StrictLessThan LessThan And Or Not Where Identity max min abs ceil floor'.split())
_MOST_JSON = 1 << 28


def load_program(path: Path, extra_files: Optional[dict] = None):
    """``torch.export.load`` for files from anywhere.

    Args:
        path (Path): The file.
        extra_files (dict, optional): As in ``torch.export.load``, filled in place.

    Returns:
        torch.export.ExportedProgram: The program; running it runs PyTorch's own
        operators on tensors and nothing else.

    Raises:
        ValueError: If the file holds anything that could run other code.
    """
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(set(names)) < len(names):  # which of the two does torch read?
            raise InputError('it holds two files of the same name')
        for info in archive.infolist():
            inside = info.filename.partition('/')[2]
            if not _MEMBERS.fullmatch(inside):
                raise InputError(f"it holds '{info.filename}', which no network needs "
                                 'and which could run code')
            if inside.endswith('.json'):
                if info.file_size > _MOST_JSON:
                    raise InputError(f"its '{info.filename}' has {info.file_size} bytes, "
                                     f'expected at most {_MOST_JSON}')
                _check(json.loads(archive.read(info)), '')
    # torch unpickles whatever it cannot load as plain data, but for this.
    forced = {'TORCH_FORCE_WEIGHTS_ONLY_LOAD': '1', 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD': '0'}
    with mock.patch.dict(os.environ, forced):
        return torch.export.load(str(path), extra_files=extra_files)


def _check(value: Any, key: str) -> None:
    """Raises ValueError unless all below is data; ``key`` says what a string is."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if not _NAME.fullmatch(name) and key != 'metadata':
                _refuse('a name', name)
            _check(inner, name)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, key)
    elif isinstance(value, str):
        if key in ('expr_str', 'guards_code'):
            _check_expression(value)
        elif key == 'target':
            if not _TARGETS.fullmatch(value):
                _refuse('an operator', value)
        elif key not in _COMMENTS and not _NAME.fullmatch(value):
            _refuse('a name', value)
    elif key == 'use_pickle' and value:
        _refuse('weights', 'a pickle')


def _check_expression(text: str) -> None:
    """Arithmetic over sizes: numbers, names, the functions above, ``L['x'].size()[1]``."""
    try:
        tree = ast.parse(text.strip(), mode='eval')
    except (SyntaxError, RecursionError, ValueError):
        _refuse('an expression over sizes', text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            known = (function.id in _FUNCTIONS if isinstance(function, ast.Name) else
                     isinstance(function, ast.Attribute) and function.attr == 'size')
        elif isinstance(node, ast.Attribute):
            known = node.attr == 'size'
        elif isinstance(node, ast.Name):
            known = '__' not in node.id
        elif isinstance(node, ast.Constant):
            # sympy evaluates strings once more
            known = not isinstance(node.value, str) or node.value.isidentifier()
        else:
            known = isinstance(node, (
                ast.Expression, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.BoolOp,
                ast.Compare, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
                ast.expr_context, ast.keyword))
        if not known:
            _refuse('an expression over sizes', text)


def _refuse(expected: str, found: str) -> None:
    raise InputError(f'expected {expected}, but it holds {found[:60]!r}, which could run '
                     'code')
