"""Weights as safetensors: tensors and texts, in a file that has no way to run code."""
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from mmengine.runner import CheckpointLoader
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..utils.errors import InputError

# The keys in the file's metadata, whose values are texts: our meta as JSON, and the SHA-256
# of that and of the tensors' bytes. A file cannot hold the SHA-256 of itself.
_META, _DIGEST = 'fcn_plugin', 'sha256'


def write_safetensors(path: Path, weights: dict[str, Tensor], meta: dict[str, Any]) -> str:
    """Writes weights, and beside them in the same file what is said of them.

    Args:
        path (Path): Replaced where it exists.
        weights (dict[str, Tensor]): In main memory.
        meta (dict): What JSON can hold; tuples come back as lists.

    Returns:
        str: The file's SHA-256.
    """
    # the format refuses tensors that share memory
    own = {key: value.contiguous().clone() for key, value in weights.items()}
    text = json.dumps(meta)
    content = save(own, {'format': 'pt', _META: text, _DIGEST: _digest(save(own), text)})
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


# mmengine takes the key for the beginning of a regular expression.
@CheckpointLoader.register_scheme(prefixes=r'.*\.safetensors$')
def load_from_safetensors(filename: str, map_location: str | None = None) -> dict[str, Any]:
    """Loads a file of safetensors; called by mmengine wherever a checkpoint is named.

    Args:
        filename (str): The file. A card beside it (``<stem>.md`` or ``README.md``) with a line
            of its SHA-256 and name, as ``sha256sum`` prints it, is compared.
        map_location (str, optional): Not used: the tensors stay in main memory, from where
            a model takes them to its device.

    Returns:
        dict: 'state_dict', and 'meta', which is empty in files of others.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, something else, or not the file that the card names.
    """
    path = Path(os.path.expanduser(filename))
    content = path.read_bytes()
    _check_card(path, content)
    try:
        weights = load(content)
        header = json.loads(content[8:_data_start(content)])
        texts = header.get('__metadata__') or {}
        text = texts.get(_META, '{}')
        meta = json.loads(text)
    except (SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise InputError(f"cannot load '{path}': it is damaged, cut off or no file of "
                         f'safetensors ({error}); fetch it again') from error
    if texts.get(_DIGEST) not in (None, _digest(content, text)) and _META in texts:
        raise InputError(f"'{path}' is damaged: its tensors or its notes are not those that "
                         'it was written with (by the SHA-256 in it); fetch it again')
    return dict(state_dict=weights, meta=meta)


def _data_start(content: bytes) -> int:
    """Where the tensors' bytes begin: behind the header's length and the header."""
    return 8 + int.from_bytes(content[:8], 'little')


def _digest(content: bytes, text: str) -> str:
    found = hashlib.sha256(text.encode())
    found.update(memoryview(content)[_data_start(content):])
    return found.hexdigest()


def _check_card(path: Path, content: bytes) -> None:
    for card in (path.with_suffix('.md'), path.with_name('README.md')):
        if not card.is_file():
            continue
        named = re.search(rf'^([0-9a-f]{{64}})  {re.escape(path.name)}$',
                          card.read_text('utf-8', errors='replace'), re.M)
        found = hashlib.sha256(content).hexdigest()
        if named and named[1] != found:
            raise InputError(f"'{path}' is not the file that '{card}' names: its SHA-256 is "
                             f'{found}, not {named[1]}; fetch both again, or remove the card '
                             'if you trust the file')
