"""onnxruntime runs a graph."""
from pathlib import Path

import numpy as np

from ..utils.errors import InputError, MissingPackageError
from .graph import META_KEY, Graph, gpu_of


class OnnxruntimeGraph(Graph):
    """A graph that onnxruntime runs, on a GPU where it is onnxruntime-gpu.

    See :class:`Graph`; ``fast`` is refused.
    """

    def __init__(self, path: Path, device: str = 'auto', fast: bool = False,
                 threads: int | None = None) -> None:
        if fast:
            raise InputError('onnxruntime computes a graph as it is: fast (--fast) needs '
                             "OpenVINO (pip install 'mmseg-fcn-plugin[openvino]') on a CPU")
        index = gpu_of(device)
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingPackageError(
                f"'{path}' is run by onnxruntime, which is not installed: pip install "
                "'mmseg-fcn-plugin[export]'") from error
        gpu = 'CUDAExecutionProvider' in onnxruntime.get_available_providers()
        if index is not None and not gpu:
            raise InputError(f"device '{device}' was asked for, but this onnxruntime "
                             'runs on the CPU alone: pip install onnxruntime-gpu, or '
                             'take --device cpu')
        providers: list = ['CPUExecutionProvider']
        if gpu and device != 'cpu':
            providers.insert(0, ('CUDAExecutionProvider', dict(device_id=index or 0)))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0
        try:
            self._session = onnxruntime.InferenceSession(str(path), options,
                                                         providers=providers)
            self.text = self._session.get_modelmeta().custom_metadata_map.get(META_KEY)
        # onnxruntime's own errors share no base but this
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"cannot load '{path}' as ONNX: {reason}") from error
        if index is not None and 'CUDAExecutionProvider' not in self._session.get_providers():
            raise InputError(f"device '{device}' was asked for, but onnxruntime cannot start "
                             'CUDA here, for the reason above: install the CUDA and cuDNN '
                             'that it needs, or take --device cpu')
        self.path = path

    @classmethod
    def suits(cls, device: str) -> bool:
        """Always: where it is not installed, it says how to install it."""
        return True

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """See :meth:`Graph.run`."""
        return self._session.run(None, {self._session.get_inputs()[0].name: batch})
