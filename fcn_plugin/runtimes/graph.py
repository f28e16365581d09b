"""What a runtime of exported graphs is: it opens a file and runs batches."""
import re
from pathlib import Path

import numpy as np

from ..utils.errors import InputError

#: Under this name an exported file says what it needs and gives, as JSON.
META_KEY = 'fcn_plugin'


class Graph:
    """An exported file, opened by a runtime.

    Args:
        path (Path): The file, ``.onnx``.
        device (str): 'auto', 'cpu', 'cuda' or 'cuda:0'. Defaults to 'auto'.
        fast (bool): Whether to compute in bfloat16 where the machine does so natively.
            Defaults to False: float32.
        threads (int, optional): That compute. Defaults to None: what the runtime chooses,
            one a core.

    Attributes:
        path (Path): The file.
        text (str, optional): What stands in it under :data:`META_KEY`.
        one_size (bool): Whether each new size of image costs a second or so, which pays for
            videos and folders of one size alone.

    Raises:
        ImportError: If the runtime is not installed.
        ValueError: If it cannot run the file, or not on that device.
    """
    path: Path
    text: str | None
    one_size: bool = False

    def __init__(self, path: Path, device: str = 'auto', fast: bool = False,
                 threads: int | None = None) -> None:
        raise NotImplementedError

    @classmethod
    def suits(cls, device: str) -> bool:
        """Whether 'auto' may choose this runtime here, before any later one."""
        raise NotImplementedError

    def run(self, batch: np.ndarray) -> list[np.ndarray]:
        """A batch to labels (N, H, W) and, if there are any, scores (N, C, H, W)."""
        raise NotImplementedError


def gpu_of(device: str) -> int | None:
    """The number of the GPU that a device names; None for 'auto' and 'cpu'.

    Raises:
        ValueError: If it is none of these.
    """
    found = re.fullmatch(r'auto|cpu|cuda(?::(\d+))?', device)
    if found is None:
        raise InputError(f"no device '{device}' for an exported file: write auto, cpu, cuda "
                         'or cuda:0')
    return int(found[1] or 0) if device.startswith('cuda') else None
