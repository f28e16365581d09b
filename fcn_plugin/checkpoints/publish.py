"""Making a file to give away of a checkpoint."""
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from ..utils.errors import InputError
from ..utils.files import check_outputs, replacing
from ..utils.paths import PathLike
from .loading import read_checkpoint
from .safe_config import read_config_text

DTYPES = dict(float32=torch.float32, float16=torch.float16, bfloat16=torch.bfloat16)
#: What a config says of the run and the machine rather than of the model.
_OF_THE_RUN = ('work_dir', 'load_from', 'resume', 'launcher')


def publish(checkpoint: PathLike, out: PathLike, dtype: str = 'float16',
            notes: dict[str, Any] | None = None, overwrite: bool = False) -> Path:
    """Writes the weights, their config and classes, and nothing of the optimiser.

    Args:
        checkpoint (str or Path): Of ``tools/train.py``; where weights were averaged
            (``EMAHook``), the averaged ones are taken, as in validation.
        out (str or Path): The file.
        dtype (str): 'float32', 'float16' or 'bfloat16', for kernels; vectors (norms and
            biases, a hundredth of the bytes) stay in float32. Defaults to 'float16'.
        notes (dict, optional): Kept in the file's meta under 'notes': figures, data,
            terms. Defaults to None.
        overwrite (bool): Whether an existing file may be replaced. Defaults to False.

    Returns:
        Path: The file.

    Raises:
        ValueError: If the checkpoint keeps no config or no classes, a weight or a statistic
            is not finite or not in that type, or the type is unknown.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype is '{dtype}', expected {', '.join(DTYPES)}")
    out = Path(out)
    check_outputs([out], overwrite)
    found = read_checkpoint(checkpoint)
    meta = found['meta']
    for key, what in (('cfg', 'config'), ('dataset_meta', 'classes')):
        if not meta.get(key):
            raise InputError(f"'{checkpoint}' keeps no {what}: publish what "
                             'tools/train.py has written')
    config = read_config_text(meta['cfg'])
    for key in _OF_THE_RUN:
        config.pop(key, None)
    weights = {key: _cast(key, value, DTYPES[dtype])
               for key, value in found['state_dict'].items()}
    classes = {key: meta['dataset_meta'][key] for key in ('classes', 'palette')
               if key in meta['dataset_meta']}
    kept = dict(cfg=Config(config.to_dict()).pretty_text, dataset_meta=classes,
                iter=meta.get('iter'), notes=dict(notes or {}))
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as beside:
        torch.save(dict(meta=kept, state_dict=weights), beside)
    count = sum(value.numel() for value in weights.values())
    print(f'{out} ({out.stat().st_size / 1e6:.1f} MB, {count / 1e6:.2f} M numbers)')
    return out


def _cast(key: str, value: Tensor, dtype: torch.dtype) -> Tensor:
    if not value.is_floating_point():
        return value
    wrong = value[~value.isfinite()]
    if len(wrong):
        raise InputError(f"'{key}' holds {float(wrong[0])}, which is no number that a model "
                         'computes with: publish a checkpoint from before training diverged')
    if value.dim() < 2:
        return value
    cast = value.to(dtype)
    if not cast.isfinite().all():
        raise InputError(f"'{key}' holds {float(value.abs().max()):.3g}, which "
                         f'{str(dtype).removeprefix("torch.")} does not')
    return cast.contiguous()
