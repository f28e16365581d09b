"""OpenVINO runs a graph on a CPU."""
import platform
import sys
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from ..utils.errors import InputError, MissingPackageError
from .graph import META_KEY, Graph, gpu_of
from .meta import read_meta

#: Pixels of a side up to which the whole numbers in a graph stay below 2^31: OpenVINO
#: computes them in 32 bits.
_LONGEST_SIDE = 32_000
#: Sizes of images whose compiled graphs are kept, of a file in 8 bits.
_MOST_SIZES = 4


class OpenvinoGraph(Graph):
    """A graph that OpenVINO runs, on the CPU.

    It computes in float32, and with ``fast`` in bfloat16 where the CPU has it (AMX,
    AVX512-BF16). A file in 8 bits is compiled anew for each size of image, which takes a
    second or so: OpenVINO (2026.4) gives wrong labels where its sizes are open, without an
    error. See :class:`Graph`.

    Raises:
        ValueError: With ``fast``, if the graph would misplace labels in 16 bits.
    """

    def __init__(self, path: Path, device: str = 'auto', fast: bool = False,
                 threads: int | None = None) -> None:
        if gpu_of(device) is not None:
            raise InputError(f"device '{device}' was asked for, but OpenVINO runs on the CPU "
                             'here: take --runtime onnxruntime, or --device cpu')
        openvino = _import_openvino(path)
        precision = openvino.Type.bf16 if fast and has_bfloat16() else openvino.Type.f32
        settings = {'INFERENCE_PRECISION_HINT': precision, 'PERFORMANCE_HINT': 'LATENCY',
                    'INFERENCE_NUM_THREADS': threads or 0}
        try:
            # as ONNX alone, whatever else it may be; by its path, so that weights in other
            # files are looked for in its folder alone
            reader = openvino.frontend.FrontEndManager().load_by_framework('onnx')
            model = reader.convert(reader.load(str(path)))
            self.one_size = any(op.get_type_name() == 'FakeQuantize' for op in model.get_ops())
            has_meta = model.has_rt_info(['framework', META_KEY])
            self.text = model.get_rt_info(['framework', META_KEY]).astype(str) if (
                has_meta) else None
            self._compiled: Callable[[tuple[int, ...]], Any]
            if self.one_size:
                self._compiled = lru_cache(_MOST_SIZES)(partial(_compile, model, settings))
            else:
                compiled = _compile(model, settings)
                self._compiled = lambda shape: compiled
        except Exception as error:  # RuntimeError, and whatever its bindings raise
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise InputError(f"OpenVINO cannot load '{path}' as ONNX: "
                             f'{lines[-1] if lines else type(error).__name__}') from error
        if fast and self.text and not read_meta(self.text, path)['exact_places']:
            raise InputError(f"'{path}' computes places of labels in fractions, which 16 bits "
                             'misplace: export it again if an older version wrote it, or '
                             'leave fast (--fast) out')
        self.path = path
        self._lock = Lock()  # its request for inference serves one thread at a time

    @classmethod
    def suits(cls, device: str) -> bool:
        """On an x86 CPU, where OpenVINO is installed."""
        return (platform.machine() in ('x86_64', 'AMD64') and gpu_of(device) is None
                and find_spec('openvino') is not None)

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """See :meth:`Graph.run`."""
        if max(batch.shape) > _LONGEST_SIDE:
            raise InputError(f'an image of {batch.shape} is too long for OpenVINO (more than '
                             f'{_LONGEST_SIDE} pixels a side): take --runtime onnxruntime')
        parts = [image[None] for image in batch] if self.one_size else [batch]
        with self._lock:
            found = [list(self._compiled(part.shape)([part]).values()) for part in parts]
        return found[0] if len(found) == 1 else [
            np.concatenate(each) for each in zip(*found)]


def _compile(model: Any, settings: dict, shape: tuple[int, ...] | None = None) -> Any:
    """Compiles a graph, for inputs of one shape or as it is."""
    if shape is not None:
        model = model.clone()
        model.reshape(shape)
    return openvino_core().compile_model(model, 'CPU', settings)


def has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16 natively; OpenVINO must be there."""
    return 'BF16' in openvino_core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


@lru_cache
def openvino_core() -> Any:
    """The one of this process. When two of OpenVINO 2026.4 overlap, they leave a signal
    stack that is gone, and the next signal, such as that of a loader's worker which ends,
    kills the process."""
    import openvino
    return openvino.Core()


def _import_openvino(path: Path) -> ModuleType:
    # Importing openvino sends its makers a message by this package, which it can do
    # without. No picture of ours is in it, but nobody has asked for it either.
    sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise MissingPackageError(
            f"'{path}' is to be run by OpenVINO, which is not installed: pip install "
            "'mmseg-fcn-plugin[openvino]'") from error
    return openvino
