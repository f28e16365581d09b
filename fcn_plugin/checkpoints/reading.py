"""Files of weights, read as tensors and plain data alone."""
import errno
import os
import pickle
from typing import Any
from unittest import mock

import torch
from mmengine.runner import CheckpointLoader

from ..utils.errors import InputError
from ..utils.paths import PathLike


def read_checkpoint(path: PathLike) -> dict[str, Any]:
    """Loads a checkpoint into main memory: tensors and plain data only.

    Args:
        path (str or Path): A file, or a URI that mmengine knows.

    Returns:
        dict: With 'state_dict' and 'meta', the latter perhaps empty.
    """
    # By this variable torch would unpickle anything.
    forced = {'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD': '0'}
    try:
        with mock.patch.dict(os.environ, forced):
            checkpoint = CheckpointLoader.load_checkpoint(str(path), 'cpu', 'silent')
    # A file that was cut makes torch seek before its start: OSError without a name.
    except (pickle.UnpicklingError, EOFError, RuntimeError, OSError) as error:
        if getattr(error, 'errno', None) not in (None, errno.EINVAL):
            raise
        reason = str(error).splitlines()[0] if str(error) else 'the file ends'
        raise InputError(
            f"cannot load the checkpoint '{path}': it is cut off, no checkpoint, or "
            'holds more than tensors and plain data, which is refused because it could '
            f'run code ({reason})') from error
    if not isinstance(checkpoint, dict):
        raise InputError(f"'{path}' holds a {type(checkpoint).__name__}, "
                         'but a checkpoint is a dict')
    if 'state_dict' not in checkpoint:  # bare weights, as torchvision's
        checkpoint = dict(state_dict=checkpoint)
    return dict(checkpoint, meta=checkpoint.get('meta') or {})


def peek(path: PathLike) -> dict[str, Any]:
    """What a checkpoint says of its run, without reading its tensors into memory.

    Args:
        path (str or Path): A file.

    Returns:
        dict: All of the checkpoint, its tensors still in the file; empty where it is cut off,
        which a run goes past.
    """
    try:
        return torch.load(path, map_location='cpu', mmap=True, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError):
        return {}
