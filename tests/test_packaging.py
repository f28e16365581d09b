"""What a user gets who has the wheel and not the checkout.

A copy of the project is installed in a second environment, which has what the project
requires and nothing else: editable first, with a wheel built beside it, then that wheel in
its place. The copy goes away before the wheel is tried, so that nothing can come from it.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from distutils.core import run_setup
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import cv2
import numpy as np
import pytest
import setuptools  # noqa: F401  brings distutils where Python no longer does
from packaging.requirements import Requirement
from tiny_runs import BUILT_IN

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ('fcn_plugin', 'configs', 'tools', 'model-index.yml')
PACKAGING = ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'LICENSE', 'README.md',
             'CHANGELOG.md', 'CITATION.cff', 'constraints.txt')
# README's first command, whatever its schedule is called.
CONFIG = f'fcn/{BUILT_IN.name}'
# What measures this project stays with its sources.
INSTRUMENTS = {'benchmark.py', 'benchmarking', 'run_experiments.py', 'experimenting.py',
               'suggest_curve.py'}

GET_CONFIG = """
import os, sys
import fcn_plugin
from mmengine.hub import get_config

get_config(f'fcn_plugin::{sys.argv[1]}').dump('dumped.py')
"""
# A user's own config starts like this where there is no checkout. mmengine marks
# what it inherits with the scope that stands before the colons.
INHERIT = """
from mmengine import Config
from mmengine.registry import DATASETS, METRICS, MODELS, init_default_scope

with open('child.py', 'w') as file:
    file.write(f"_base_ = 'fcn_plugin::{sys.argv[1]}'")
cfg = Config.fromfile('child.py')
init_default_scope(cfg.default_scope)
for registry, part in ((MODELS, cfg.model), (METRICS, cfg.val_evaluator),
                       (DATASETS, cfg.val_dataloader.dataset)):
    print('built', type(registry.build(part)).__module__)
print(os.path.dirname(fcn_plugin.__file__))
"""
# Scripts, in one process: two would import for seconds once more.
SCRIPTS = """
import json, runpy, sys

for sys.argv in json.loads(sys.argv[1]):
    runpy.run_path(sys.argv[0], run_name='__main__')
"""


def sources(root):
    """The files under ``root`` that are shipped, as in the wheel."""
    for name in SHIPPED:
        paths = [root / name] if (root / name).is_file() else (root / name).rglob('*')
        for path in paths:
            file = path.relative_to(root)
            if (path.is_file() and file.suffix not in ('.pyc', '.pyo')
                    and not any(part.startswith('.') for part in file.parts)
                    and not INSTRUMENTS & set(file.parts)):
                yield file


def required():
    """The distributions that the project requires, and those that they do."""
    waiting = [Requirement(text) for text in run_setup(
        str(ROOT / 'setup.py'), stop_after='init').install_requires]
    found = {}
    while waiting:
        each = waiting.pop()
        if found.setdefault(each.name.lower(), set()) >= {None, *each.extras}:
            continue
        found[each.name.lower()] |= {None, *each.extras}
        waiting += [inner for inner in map(Requirement, distribution(each.name).requires or ())
                    if not inner.marker or any(inner.marker.evaluate({'extra': extra})
                                               for extra in ('', *each.extras))]
    return [distribution(name) for name in found]


class Environment:
    """A virtual environment and a folder outside any checkout to use it from.

    What the project requires is linked from this environment: to install a gigabyte and to
    delete it again takes longer than all else here.
    """

    def __init__(self, folder):
        self.folder = folder / 'venv'
        self.outside = folder / 'outside'
        self.outside.mkdir()
        self.variables = {
            k: v for k, v in os.environ.items()
            if not k.startswith('PYTHON') and k != 'VIRTUAL_ENV'
        }
        self._run(sys.executable, '-m', 'venv', '--without-pip', self.folder)
        site, = self.folder.glob('lib/python*/site-packages')
        for each in [*required(), distribution('pip')]:
            for name in {file.parts[0] for file in each.files} - {'..', '__pycache__'}:
                if not (site / name).exists():  # several share a folder
                    (site / name).symlink_to(each.locate_file(name))

    def _run(self, *command, cwd=None):
        command = [str(c) for c in command]
        done = subprocess.run(command, cwd=cwd or self.outside, env=self.variables,
                              text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        assert done.returncode == 0, f'{" ".join(command)}\n{done.stdout[-6000:]}'
        return done.stdout

    def python(self, *args, cwd=None):
        return self._run(self.folder / 'bin' / 'python', '-W', 'ignore', *args, cwd=cwd)

    def pip(self, *args, cwd=None):
        return self.python('-m', 'pip', *args, cwd=cwd)

    def package(self):
        """The folder that the package is imported from; leaves dumped.py.

        A config that inherits from the package's is built, too."""
        output = self.python('-c', GET_CONFIG + INHERIT, CONFIG)
        assert 'is not installed' not in output  # the scope was found
        assert re.findall(r'^built (\w+)', output, re.M) == ['fcn_plugin'] * 3, output
        return Path(output.splitlines()[-1])

    def found(self):
        """The folder that the package would be imported from."""
        return Path(self.python('-c', 'from importlib.util import find_spec\n'
                                "print(find_spec('fcn_plugin').origin)").strip()).parent


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """The project without what git ignores, with decoys."""
    root = tmp_path_factory.mktemp('project') / 'checkout'
    root.mkdir()
    ignore = shutil.ignore_patterns('__pycache__', '.mim')
    for name in SHIPPED + PACKAGING:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=ignore)
        else:
            shutil.copy2(ROOT / name, root / name)
    for decoy in ('tests/__init__.py', 'tests/test_decoy.py', 'work_dirs/decoy.pth',
                  'tools/__pycache__/decoy.cpython-311.pyc', 'configs/.decoy.py.swp',
                  'build/lib/fcn_plugin/decoy_renamed_since.py'):
        (root / decoy).parent.mkdir(parents=True, exist_ok=True)
        (root / decoy).touch()
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope='module')
def environment(tmp_path_factory, checkout):
    """A second environment with an editable installation of ``checkout``."""
    try:
        env = Environment(tmp_path_factory.mktemp('second'))
    except PackageNotFoundError as error:
        # CI must not pass by having tried nothing.
        give_up = pytest.fail if os.environ.get('CI') == 'true' else pytest.skip
        give_up(f'setup.py requires what is not installed: {error}')
    # Links that an installation of older sources may have left.
    mim = checkout / 'fcn_plugin' / '.mim'
    mim.mkdir()
    (mim / 'configs').symlink_to('no/such/folder')
    (mim / 'decoy').symlink_to('../../tests')
    env.pip('install', '--no-deps', '--no-build-isolation', '-e', '.', cwd=checkout)
    return env


@pytest.fixture(scope='module')
def wheel(environment, checkout):
    out = environment.outside / 'wheels'
    environment.pip('wheel', '--no-deps', '--no-build-isolation', '-w', out, '.',
                    cwd=checkout)
    wheel, = out.glob('*.whl')
    return wheel


def test_instruments_are_not_shipped(monkeypatch):
    """By the list of what a build writes, without a build."""
    monkeypatch.chdir(ROOT)  # from there setup.py finds its packages
    build = run_setup('setup.py', stop_after='init').get_command_obj('build_py')
    build.ensure_finalized()
    found = {Path(file).relative_to(build.build_lib)
             for file in build.get_outputs(include_bytecode=False)}
    tools = Path('fcn_plugin', '.mim', 'tools')
    assert {tools / 'train.py', tools / 'analysis_tools' / 'report.py'} <= found
    assert all((ROOT / 'tools' / 'analysis_tools' / name).exists() for name in INSTRUMENTS)
    assert [file for file in found if INSTRUMENTS & set(file.parts)] == []


def test_the_container_holds_what_a_wheel_does(monkeypatch, tmp_path):
    """By the list of what a build writes, from what the Dockerfile copies and from all."""
    def outputs(folder):
        monkeypatch.chdir(folder)
        build = run_setup('setup.py', stop_after='init').get_command_obj('build_py')
        build.ensure_finalized()
        return set(build.get_outputs(include_bytecode=False))

    lines = re.findall('^COPY (.+) .+$', (ROOT / 'Dockerfile').read_text(), re.M)
    copied = ' '.join(lines).split()
    allowed = (ROOT / '.dockerignore').read_text().splitlines()
    assert sorted(line[1:] for line in allowed if line.startswith('!')) == sorted(copied)
    for name in copied:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name,
                            ignore=shutil.ignore_patterns('__pycache__', '.mim'))
        else:
            shutil.copy2(ROOT / name, tmp_path / name)
    assert outputs(tmp_path) == outputs(ROOT)


@pytest.mark.slow
def test_two_builds_are_equal_to_the_bit(tmp_path):
    """In two folders, of files with other times."""
    built = []
    for number in range(2):
        root = tmp_path / f'checkout{number}' / ('nested' * number)
        for name in (*SHIPPED, *PACKAGING):
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, root / name,
                                ignore=shutil.ignore_patterns('__pycache__', '.mim'))
            else:
                root.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        for path in root.rglob('*'):
            os.utime(path, (10**9 + number, 10**9 + number))
        subprocess.run(
            [sys.executable, 'setup.py', '-q', 'sdist', '-d', tmp_path / str(number),
             'bdist_wheel', '-d', tmp_path / str(number)], cwd=root, check=True,
            env={**os.environ, 'SOURCE_DATE_EPOCH': '1700000000'}, capture_output=True)
        built.append({path.name: path.read_bytes()
                      for path in (tmp_path / str(number)).iterdir()})
    assert len(built[0]) == 2 and built[0].keys() == built[1].keys()
    assert [name for name in built[0] if built[0][name] != built[1][name]] == []


@pytest.mark.slow
def test_editable(environment, checkout):
    assert environment.package() == checkout / 'fcn_plugin'
    links_lead_into_the(checkout)


def links_lead_into_the(checkout):
    mim = checkout / 'fcn_plugin' / '.mim'
    assert {p.name for p in mim.iterdir()} == set(SHIPPED) - {'fcn_plugin'}
    assert os.readlink(mim / 'configs') == '../../configs'


@pytest.mark.slow
def test_wheel_contents(wheel, checkout):
    with zipfile.ZipFile(wheel) as archive:
        entries = {e.filename: e for e in archive.infolist()}
    files = {f for f in entries if '.dist-info/' not in f}
    expected = {
        str(f if f.parts[0] == 'fcn_plugin' else Path('fcn_plugin', '.mim', f))
        for f in sources(checkout)
    }
    assert files - expected == set()
    assert expected - files == set(), (
        'not shipped: a folder without an __init__.py, or data that package_data in '
        'setup.py does not name')
    scripts = [f for f in files if f.endswith('.sh')]
    assert scripts and all(entries[f].external_attr >> 16 & 0o100 for f in scripts)
    version = re.search("'(.+)'", (ROOT / 'fcn_plugin/version.py').read_text()).group(1)
    assert wheel.name == f'mmseg_fcn_plugin-{version}-py3-none-any.whl'


@pytest.mark.slow
def test_the_wheel_names_the_terms_of_code_and_weights(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata, = [f for f in archive.namelist() if f.endswith('.dist-info/METADATA')]
        text = archive.read(metadata).decode()
        folder = metadata.removesuffix('METADATA') + 'licenses/'
        named = re.findall('^License-File: (.+)$', text, re.M)
        shipped = {name: archive.read(folder + name).decode() for name in named}
    assert re.findall('^License-Expression: (.+)$', text, re.M) == [
        'Apache-2.0 AND CC-BY-NC-4.0']
    assert 'Apache License' in shipped['LICENSE']
    assert 'by-nc/4.0' in shipped['fcn_plugin/weights/LICENSE']


@pytest.mark.slow
def test_wheel_from_sdist(environment, wheel, checkout):
    out = environment.outside / 'sdist'
    environment.python('setup.py', '-q', 'sdist', '-d', out, cwd=checkout)
    sdist, = out.glob('*.tar.gz')
    environment.pip('wheel', '--no-deps', '--no-build-isolation', '-w', out, sdist)
    again, = out.glob('*.whl')
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert sorted(one.namelist()) == sorted(other.namelist())


@pytest.mark.slow
def test_editable_survives_the_builds(environment, wheel, checkout):
    assert environment.found() == checkout / 'fcn_plugin'
    links_lead_into_the(checkout)


# Below here the copy is gone.


@pytest.fixture(scope='module')
def installed(environment, wheel, checkout):
    """The environment with the wheel in the editable installation's place."""
    environment.pip('install', '--no-deps', '--force-reinstall', wheel)
    shutil.rmtree(checkout)
    return environment


@pytest.fixture(scope='module')
def package(installed):
    return installed.package()


@pytest.mark.slow
def test_wheel_installs_cleanly(installed, package):
    installed.pip('check')
    assert package.parent.name == 'site-packages'
    assert installed.folder.resolve() in package.resolve().parents
    assert not list(package.parent.glob('__editable__*'))
    assert not any(p.is_symlink() for p in (package / '.mim').rglob('*'))


@pytest.mark.slow
def test_wheel_trains_and_predicts(installed, package):
    tools = package / '.mim' / 'tools'
    image = np.random.RandomState(0).randint(0, 256, (75, 101, 3), np.uint8)
    cv2.imwrite(str(installed.outside / 'test.png'), image)
    before = set(installed.outside.rglob('*.png'))
    installed.python('-c', SCRIPTS, json.dumps([[
        f'{tools}/train.py', 'dumped.py', '--work-dir', 'run', '--cfg-options',
        'train_cfg.max_iters=2', 'train_cfg.val_interval=2',
        'default_hooks.checkpoint.interval=2', 'train_dataloader.batch_size=2',
        'val_dataloader.dataset.indices=4', 'test_dataloader.dataset.indices=4'], [
            f'{tools}/predict.py', '--img-path', 'test.png', '--config', 'dumped.py',
            '--weight-path', 'run/iter_2.pth']]))
    written = set(installed.outside.rglob('*.png')) - before
    assert any(cv2.imread(str(p)).shape[:2] == (75, 101) for p in written)
