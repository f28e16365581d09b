"""The runtimes of exported graphs, and the choice among them."""
import warnings
from pathlib import Path

from ..utils.errors import InputError, MissingPackageError
from .graph import Graph, gpu_of
from .onnxruntime_graph import OnnxruntimeGraph
from .openvino_graph import OpenvinoGraph

#: By name, the fastest on a CPU first.
RUNTIMES: dict[str, type[Graph]] = {'openvino': OpenvinoGraph,
                                    'onnxruntime': OnnxruntimeGraph}


def open_graph(path: Path, device: str = 'auto', runtime: str = 'auto',
               fast: bool = False) -> Graph:
    """Opens an exported file.

    Args:
        path (Path): The file, ``.onnx``.
        device (str): 'auto' (a GPU where onnxruntime has one), 'cpu', 'cuda' or 'cuda:0'.
            Defaults to 'auto'.
        runtime (str): A key of :data:`RUNTIMES`, or 'auto': OpenVINO on an x86 CPU where
            it is installed, else, and for a file in 8 bits, onnxruntime. Defaults to
            'auto'.
        fast (bool): See :class:`Graph`; OpenVINO alone does it. Defaults to False.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the runtime is not installed.
        ValueError: If there is no such runtime or device, or it cannot run the file.
    """
    if runtime != 'auto' and runtime not in RUNTIMES:
        raise InputError(f"no runtime '{runtime}': write auto or {' or '.join(RUNTIMES)}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file '{path}'")
    gpu_of(device)  # says what a device is
    if runtime == 'auto' and fast:
        runtime = 'openvino'
    if runtime != 'auto':
        return RUNTIMES[runtime](path, device, fast)
    first = chosen(device)
    if first == 'onnxruntime':
        return OnnxruntimeGraph(path, device)
    found: Graph | InputError
    try:
        found = RUNTIMES[first](path, device)
        if not found.one_size:
            return found
    except InputError as error:
        found = error
    try:
        graph = OnnxruntimeGraph(path, device)
    except MissingPackageError:
        if isinstance(found, Graph):
            return found
        raise found
    if isinstance(found, InputError):
        warnings.warn(f'{found}; onnxruntime runs it, which takes longer')
    return graph


def chosen(device: str = 'auto') -> str:
    """The runtime that 'auto' stands for on a device."""
    if device == 'auto' and _has_gpu():
        return 'onnxruntime'
    return next(name for name, kind in RUNTIMES.items() if kind.suits(device))


def _has_gpu() -> bool:
    try:
        import onnxruntime
    except ImportError:
        return False
    return 'CUDAExecutionProvider' in onnxruntime.get_available_providers()
