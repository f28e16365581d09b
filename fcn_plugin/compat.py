"""Accommodations of the dependency stack that change other libraries' modules.

mmengine, mmcv, mmseg and mmpretrain are released rarely; torch, numpy and
setuptools often. What no longer meets is joined here. Each function says why
it exists and under which condition it steps aside; with a full mmcv, a working
torchvision and libraries that have caught up, none of them acts.

What can be a type of its own is one, elsewhere: the runner, its loop and hooks and the
mixed-precision wrapper for CPUs (:mod:`fcn_plugin.engine`), and modules whose exported
graph serves any size (:mod:`fcn_plugin.deployment.symbolic_sizes`).
:class:`fcn_plugin.models.FCNSkipHead` passes its own ``init_cfg`` for want of
``conv_seg``. ``setuptools<82`` is a requirement in ``setup.py``: mmengine's
``get_config`` needs ``pkg_resources``.
"""
import contextlib
import importlib.metadata
import importlib.util
import inspect
import os
import pickle
import sys
import types
import warnings
from collections.abc import Callable
from datetime import timedelta
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import torch

_PLACEHOLDER_NOTE = ('placed by fcn_plugin.compat: importable, because mmseg and '
                     'mmpretrain import it without using it')


def apply() -> None:
    """Applies what this environment needs. Idempotent; called on import."""
    provide_mmcv_ext()
    allow_mmengine_checkpoints()
    write_files_whole()
    name_package_for_get_config()
    leave_multimodal_out()
    with torchvision_importable():
        import mmpretrain.models  # noqa: F401
    weigh_classes_beside_ignored_pixels()


def in_force() -> list[str]:
    """What is accommodated in this environment, a sentence each, for people."""
    from mmengine.utils.dl_utils import mmcv_full_available
    found = []
    if not mmcv_full_available():
        found.append('mmcv-lite: mmseg and mmpretrain are imported without compiled '
                     'operators; nothing here needs one')
    spec = importlib.util.find_spec('torchvision')
    if spec is None or spec.origin is None:
        found.append('no torchvision: mmpretrain is imported without it')
    elif _torchvision_schemas:
        found.append("torchvision's compiled part does not load with this torch: its Python "
                     'part, which timm needs, works')
    if _multimodal_breaks():
        found.append('transformers 5: mmpretrain is imported without multimodal models')
    found.append("torch loads checkpoints as plain data: mmengine's own are let through")
    if _weighs_classes:
        found.append("mmseg's cross-entropy takes class weights where pixels are ignored")
    if not torch.cuda.is_available():
        found.append('no GPU: several processes talk by gloo, --amp is bfloat16')
    return found


# --- modules that are imported but never used ------------------------------


def _placeholder(name: str, way_out: str) -> types.ModuleType:
    """A module whose every attribute is a function that raises when called."""
    module = types.ModuleType(name, _PLACEHOLDER_NOTE)
    # loader=None keeps pkgutil.find_loader, and so mmengine's
    # mmcv_full_available(), saying that there is nothing here.
    module.__spec__ = ModuleSpec(name, loader=None)

    def attribute(attr):
        if attr.startswith('__'):
            raise AttributeError(attr)

        def missing(*args, **kwargs):
            raise ImportError(f'{name}.{attr} was called, but {name} is not '
                              f'installed. {way_out}')

        return missing

    module.__getattr__ = attribute  # type: ignore[method-assign]
    return module


def provide_mmcv_ext() -> None:
    """Lets mmseg be imported on mmcv-lite.

    mmseg 1.2.2 imports ``mmcv.ops`` in focal_loss.py, point_sample.py,
    san_head.py and mask_classification.py whether or not its compiled part is
    there. Steps aside where ``mmcv._ext`` exists (full mmcv).
    """
    if importlib.util.find_spec('mmcv._ext') is None:
        sys.modules['mmcv._ext'] = _placeholder(
            'mmcv._ext', 'Install a full mmcv for this operator; nothing in '
            'fcn_plugin needs one.')


@contextlib.contextmanager
def torchvision_importable():
    """Lets mmpretrain.models be imported without a (working) torchvision.

    mmpretrain 1.2.0 imports ``torchvision.ops.boxes`` in box_utils.py and
    visual_grounding_eval.py, for multimodal models that have no place here,
    and does not declare it. Three cases:

    * torchvision works: nothing is done;
    * it is installed, but its compiled part does not load (PyPI's CUDA build on
      a CPU torch): the operator schemas that its Python part registers fake
      kernels for are declared, and the Python part imports;
    * it is absent: a placeholder stands in while the block runs and is taken
      away again, so that nobody else mistakes it for the real thing.
    """
    spec = importlib.util.find_spec('torchvision')
    # A mere folder of that name, somewhere on the path, has a spec without origin.
    if spec is not None and spec.origin is not None:
        if not _torchvision_extension_loads(Path(spec.origin).parent):
            _declare_torchvision_operators()
        yield
        return
    names = ('torchvision', 'torchvision.ops', 'torchvision.ops.boxes')
    placed = {name: _placeholder(name, 'pip install torchvision') for name in names}
    for module in placed.values():
        module.__path__ = []
    placed['torchvision'].ops = placed['torchvision.ops']
    placed['torchvision.ops'].boxes = placed['torchvision.ops.boxes']
    sys.modules.update(placed)
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def leave_multimodal_out() -> None:
    """Lets mmpretrain.models be imported beside transformers 5.

    mmpretrain 1.2.0 imports its multimodal models, which have no place here, wherever
    pycocotools and transformers are installed. They need names that transformers 5 has
    taken away. Steps aside with transformers 4 and with a later mmpretrain.
    """
    if _multimodal_breaks():
        importlib.import_module('mmpretrain.utils.dependency').WITH_MULTIMODAL = False


def _multimodal_breaks() -> bool:
    of = importlib.metadata.version
    try:
        return of('mmpretrain') == '1.2.0' and int(of('transformers').split('.')[0]) > 4
    except importlib.metadata.PackageNotFoundError:
        return False


def _torchvision_extension_loads(folder: Path) -> bool:
    if 'torchvision' in sys.modules:
        return True  # imported already: whatever it needed was there
    for extension in [*folder.glob('_C*.so'), *folder.glob('_C*.pyd')]:
        try:
            torch.ops.load_library(str(extension))
        except OSError:
            continue
        return True
    return False


# Kept for the life of the process: the schemas go when the library object does.
_torchvision_schemas: list[object] = []


def _declare_torchvision_operators() -> None:
    if not _torchvision_schemas:
        library = torch.library.Library('torchvision', 'DEF')
        for name in ('nms', 'qnms'):
            library.define(f'{name}(Tensor dets, Tensor scores, '
                           'float iou_threshold) -> Tensor')
        _torchvision_schemas.append(library)


# --- checkpoints -----------------------------------------------------------

_STATISTICS = ('min', 'max', 'current', 'mean')


def _history_buffer_statistic(owner, name):
    """What a checkpoint may call ``getattr`` for: HistoryBuffer's statistics."""
    from mmengine.logging.history_buffer import HistoryBuffer
    if owner is HistoryBuffer and name in _STATISTICS:
        return getattr(HistoryBuffer, name)
    raise pickle.UnpicklingError(
        f'the checkpoint asks for getattr({owner!r}, {name!r}), which no checkpoint '
        'of mmengine needs; it is not loaded')


def allow_mmengine_checkpoints() -> None:
    """Lets ``torch.load(weights_only=True)`` read mmengine's own checkpoints.

    That is the default, and mmengine 0.10.7 stores its message hub (HistoryBuffer,
    numpy arrays) beside the weights, so resuming and testing fail. Only what those
    need is allowed; ``weights_only=False`` is never used. Harmless where mmengine has
    learnt it itself.
    """
    from mmengine.logging.history_buffer import HistoryBuffer
    multiarray = importlib.import_module(
        'numpy._core.multiarray' if hasattr(np, '_core') else 'numpy.core.multiarray')
    allowed = [HistoryBuffer, np.ndarray, np.dtype,
               (_history_buffer_statistic, 'builtins.getattr')]
    # numpy 1 wrote numpy.core..., numpy 2 writes numpy._core...
    for package in ('numpy.core', 'numpy._core'):
        for name in ('_reconstruct', 'scalar'):
            allowed.append((getattr(multiarray, name), f'{package}.multiarray.{name}'))
    kinds = {type(np.dtype(kind)) for kind in '?bBhHiIlLqQefdU'}
    torch.serialization.add_safe_globals(allowed + sorted(kinds, key=str))


def write_files_whole() -> None:
    """Makes mmengine write files under another name and rename them when they are complete.

    mmengine 0.10.7 writes checkpoints and configs under the final name. A run that is killed
    while it writes, or a full disk, leaves a cut one there. Never steps aside; does no harm to
    an mmengine that does the same.
    """
    from mmengine.config import Config
    from mmengine.fileio import LocalBackend

    from .utils.files import replacing
    if hasattr(LocalBackend.put, 'whole'):
        return
    dump_there = Config.dump

    def put(self, obj, filepath):
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, to_disk=True) as beside:
            beside.write_bytes(obj)

    def dump(self, file=None):
        if file is None:
            return dump_there(self)
        with replacing(Path(file)) as beside:
            return dump_there(self, beside)

    put.whole = True
    LocalBackend.put = put
    Config.dump = dump


# --- configs of this package -----------------------------------------------


def name_package_for_get_config() -> None:
    """Lets ``mmengine.hub.get_config('fcn_plugin::...')`` find this package.

    mmengine only knows OpenMMLab's own packages. The distribution is called
    mmseg-fcn-plugin; mapping the module to itself instead makes mmengine fall
    back to importing it, which works from a wheel and from an editable
    install. Steps aside where mmengine already has an entry.
    """
    from mmengine.config.utils import MODULE2PACKAGE
    # setup.py keeps setuptools below the release that drops it.
    warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
    MODULE2PACKAGE.setdefault('fcn_plugin', 'fcn_plugin')


# --- losses -----------------------------------------------------------------


_weighs_classes: list[Callable] = []  # the function, where mmseg's was replaced


def weigh_classes_beside_ignored_pixels() -> None:
    """Lets mmseg's cross-entropy take class weights where pixels are ignored.

    mmseg 1.2.2 looks up the weight of every label to average by, also of 255, and
    stops with an IndexError. Here ignored pixels weigh nothing, as in torch. Steps
    aside where mmseg's own function computes it.
    """
    from mmseg.models.losses import cross_entropy_loss as module
    theirs = module.cross_entropy
    try:
        theirs(torch.zeros(1, 2, 1, 1), torch.full((1, 1, 1), 255),
               class_weight=torch.ones(2), ignore_index=255, avg_non_ignore=True)
        return
    except IndexError:
        pass

    def cross_entropy(pred, label, weight=None, class_weight=None, reduction='mean',
                      avg_factor=None, ignore_index=-100, **kwargs):
        if class_weight is not None and avg_factor is None and reduction == 'mean':
            counted = label != ignore_index
            avg_factor = class_weight[label[counted]].sum()
        return theirs(pred, label, weight=weight, class_weight=class_weight,
                      reduction=reduction, avg_factor=avg_factor,
                      ignore_index=ignore_index, **kwargs)

    module.cross_entropy = cross_entropy
    _weighs_classes.append(cross_entropy)


# --- several processes without a GPU ----------------------------------------


def init_cpu_distributed(cfg) -> None:
    """Starts a gloo process group where mmengine would ask for CUDA.

    mmengine 0.10.7's launcher calls ``torch.cuda.set_device`` and gives DDP a
    CUDA device even without one. Call before ``Runner.from_cfg``. Steps aside
    with one process, with a GPU, or where a group exists already.

    Args:
        cfg (Config): The run's config; ``launcher`` is read, and
            ``env_cfg.dist_cfg.timeout`` (seconds), as mmengine does;
            ``model_wrapper_cfg`` is set where it is not.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.cuda.is_available():
        return
    cfg.setdefault('model_wrapper_cfg', dict(
        type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False)))
    if torch.distributed.is_initialized():
        return
    if launcher == 'slurm':
        _slurm_environment()
    elif launcher == 'mpi':
        os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
        os.environ.setdefault('MASTER_PORT', '29500')
        os.environ['RANK'] = os.environ['OMPI_COMM_WORLD_RANK']
        os.environ['WORLD_SIZE'] = os.environ['OMPI_COMM_WORLD_SIZE']
    timeout = (cfg.get('env_cfg') or {}).get('dist_cfg', {}).get('timeout')
    limit = {} if timeout is None else dict(timeout=timedelta(seconds=timeout))
    torch.distributed.init_process_group('gloo', **limit, **_restarted_store())


def _restarted_store() -> dict:
    """Arguments of ``init_process_group`` after a restart by torchrun; else none.

    torch 2.13's agent keeps one store over its restarts, and gloo would read from it the
    addresses of the processes that have ended. Every restart has keys of its own here.
    """
    restarts = os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')
    if restarts == '0' or os.environ.get('TORCHELASTIC_USE_AGENT_STORE') != 'True':
        return {}
    store = torch.distributed.TCPStore(
        os.environ['MASTER_ADDR'], int(os.environ['MASTER_PORT']), is_master=False)
    return dict(store=torch.distributed.PrefixStore(f'fcn_plugin/restart_{restarts}', store),
                rank=int(os.environ['RANK']), world_size=int(os.environ['WORLD_SIZE']))


def _slurm_environment() -> None:
    """What torch's ``env://`` rendezvous reads, from Slurm's variables."""
    environ = os.environ
    environ['RANK'] = environ['SLURM_PROCID']
    environ['WORLD_SIZE'] = environ['SLURM_NTASKS']
    environ.setdefault('LOCAL_RANK', environ.get('SLURM_LOCALID', '0'))
    environ.setdefault('MASTER_PORT', '29500')
    if 'MASTER_ADDR' not in environ:
        import subprocess
        hosts = subprocess.run(
            ['scontrol', 'show', 'hostnames', environ['SLURM_NODELIST']],
            check=True, capture_output=True, text=True).stdout.split()
        environ['MASTER_ADDR'] = hosts[0]


# --- compiling for images of any size ---------------------------------------------


def compile_for_any_size(module, backend='inductor') -> None:
    """Compiles a module in place, once for inputs (N, C, H, W) of every N, H and W.

    ``torch.compile(dynamic=True)`` takes two sizes that are equal in the first call for
    one and the same, and compiles again when a height differs from its width; this has it
    keep them apart. It still compiles again where a map is a single pixel. Steps
    aside where a later torch no longer knows the setting.

    torch 2.13 does not come to an end over Swin's shifted windows of unknown size. With them
    the module is compiled for the size of its first call, and runs as it was at others.

    Args:
        module (nn.Module): Its state dict keeps its keys.
        backend (str | Callable): As in ``torch.compile``. Defaults to 'inductor', which needs
            a C++ compiler on a CPU.
    """
    from torch.fx.experimental import _config
    if hasattr(_config, 'use_duck_shape'):
        _config.use_duck_shape = False
    if any(type(part).__name__ == 'ShiftWindowMSA' for part in module.modules()):
        once = 'recompile_limit' in inspect.signature(torch.compile).parameters
        module.compile(dynamic=False, backend=backend,
                       **(dict(recompile_limit=1) if once else {}))
    else:
        module.compile(dynamic=True, backend=backend)
