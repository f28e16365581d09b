"""Files of weights, read as tensors and plain data alone."""
import errno
import os
import re
from typing import Any
from unittest import mock

from mmengine.runner import CheckpointLoader

from ..downloads.hub import fetch
from ..utils.addresses import WEB, fetched
from ..utils.errors import InputError, UserError
from ..utils.paths import HUB, PathLike
from .naming import weights_file
from .safe_file import load_from_safetensors


@CheckpointLoader.register_scheme(prefixes=HUB)
def load_from_hub(filename: str, map_location: str | None = None) -> dict[str, Any]:
    """Loads ``hf://user/name[@revision]``; called by mmengine wherever a checkpoint is named.

    See :func:`fetch`, and :func:`load_from_safetensors`, which compares file and card.
    """
    return load_from_safetensors(str(fetch(filename)))


@CheckpointLoader.register_scheme(prefixes=WEB, force=True)
def load_from_web(filename: str, map_location: str | None = None) -> dict[str, Any]:
    """Loads a file by its address as one on disk; mmengine's own loader would run its code."""
    return CheckpointLoader.load_checkpoint(str(fetched(filename)), map_location, 'silent')


def _reason(said: str) -> str:
    """What is wrong with a file, without torch's advice to load it in spite of that."""
    found = re.search(r'Unsupported (?:global: GLOBAL \S+|\w+ \S+)|Trying to .*', said)
    return found[0].rstrip('.') if found else said.partition('\n')[0] or 'the file ends'


def read_checkpoint(path: PathLike) -> dict[str, Any]:
    """Loads a checkpoint into main memory: tensors and plain data only.

    Args:
        path (str or Path): A file that torch has written, one of safetensors,
            ``hf://user/name[@revision]``, an address of http or another that mmengine knows,
            or the name of a model of the package.

    Returns:
        dict: With 'state_dict' and 'meta', the latter perhaps empty.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or anything else than tensors and plain data.
    """
    path = weights_file(path)
    # By the first torch, and without the second mmengine's torchvision:// unpickles anything.
    forced = {'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD': '0', 'TORCH_FORCE_WEIGHTS_ONLY_LOAD': '1'}
    try:
        with mock.patch.dict(os.environ, forced):
            checkpoint = CheckpointLoader.load_checkpoint(str(path), 'cpu', 'silent')
    except (UserError, ImportError):
        raise
    except FileNotFoundError as error:
        raise FileNotFoundError(f'{path}: no such checkpoint file') from error
    # A file that was cut makes torch seek before its start: OSError without a name. Bytes that
    # were changed make its unpickler raise almost anything.
    except Exception as error:
        if getattr(error, 'errno', None) not in (None, errno.EINVAL):
            raise
        raise InputError(
            f"cannot load the checkpoint '{path}': it is cut off, no checkpoint, or "
            'holds more than tensors and plain data, which is refused because it could '
            f'run code ({_reason(str(error))})') from error
    if not isinstance(checkpoint, dict):
        raise InputError(f"'{path}' holds a {type(checkpoint).__name__}, "
                         'but a checkpoint is a dict')
    if 'state_dict' not in checkpoint:  # bare weights, as torchvision's
        checkpoint = dict(state_dict=checkpoint)
    meta = checkpoint.get('meta') or {}
    if not isinstance(meta, dict) or not isinstance(meta.get('cfg') or '', str) or (
            not isinstance(meta.get('dataset_meta') or {}, dict)):
        raise InputError(f"what '{path}' says of itself is damaged: expected a dict 'meta' "
                         "with a text 'cfg' and a dict 'dataset_meta'")
    return dict(checkpoint, meta=meta)
