"""Making a file to give away of a checkpoint."""
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from ..downloads.hub import FILE, check_push, push
from ..models.segmentors import without_teachers
from ..utils.errors import InputError
from ..utils.files import check_outputs, replacing
from ..utils.paths import HUB, WEIGHT_SUFFIXES, PathLike
from .card import model_card
from .reading import read_checkpoint
from .safe_config import read_config_text
from .safe_file import write_safetensors
from .writing import write_checkpoint

DTYPES = dict(float32=torch.float32, float16=torch.float16, bfloat16=torch.bfloat16)
#: What a config says of the run and the machine rather than of the model.
_OF_THE_RUN = ('work_dir', 'load_from', 'resume', 'launcher')


def publish(checkpoint: PathLike, out: PathLike, dtype: str = 'float16',
            notes: dict[str, Any] | None = None, overwrite: bool = False,
            push_to: str | None = None, average: Sequence[PathLike] = ()) -> Path:
    """Writes the weights, their config and classes, and nothing of the optimiser.

    Args:
        checkpoint (str or Path): Of ``tools/train.py``, or a model of the package; where
            weights were averaged (``EMAHook``), the averaged ones are taken, as in validation.
        out (str or Path): The file; of safetensors where it ends so, and then with a card
            beside it, ``<stem>.md``, that names its SHA-256.
        dtype (str): 'float32', 'float16' or 'bfloat16', for kernels; vectors (norms and
            biases, a hundredth of the bytes) stay in float32. Defaults to 'float16'.
        notes (dict, optional): Kept in the file's meta under 'notes': figures, data,
            terms. A card has lines for 'data', 'figures' and 'license'. Those of a published
            checkpoint stay, unless it is averaged with others. Defaults to None.
        overwrite (bool): Whether an existing file may be replaced. Defaults to False.
        push_to (str, optional): 'user/name' on the Hugging Face hub, where file and card are
            put, too. Defaults to None.
        average (Sequence[str or Path]): Checkpoints from which that one was trained further:
            the mean of all is published (Wortsman et al., ICML 2022). Defaults to none.

    Returns:
        Path: The file.

    Raises:
        ValueError: If the checkpoint keeps no config or no classes, a weight or a statistic
            is not finite or not in that type, the type is unknown, the hub does not take
            the file, or one to average is of another network.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype is '{dtype}', expected {', '.join(DTYPES)}")
    out = Path(out)
    if out.suffix not in WEIGHT_SUFFIXES:
        raise InputError(f"'{out}' ends in '{out.suffix}', expected "
                         + ' or '.join(WEIGHT_SUFFIXES))
    card = out.with_suffix('.md') if out.suffix == '.safetensors' else None
    if push_to is not None:
        if card is None:
            raise InputError(f"'{out}' cannot be pushed: the hub is given safetensors, so "
                             'name a file that ends in .safetensors')
        check_push(push_to)
    check_outputs([out, *([card] if card else [])], overwrite)
    found = read_checkpoint(checkpoint)
    meta = found['meta']
    for key, what in (('cfg', 'config'), ('dataset_meta', 'classes')):
        if not meta.get(key):
            raise InputError(f"'{checkpoint}' keeps no {what}: publish what "
                             'tools/train.py has written')
    config = read_config_text(meta['cfg'])
    for key in _OF_THE_RUN:
        config.pop(key, None)
    config.model = without_teachers(config.model)
    weights = {key: _cast(key, value, DTYPES[dtype])
               for key, value in _mean(found['state_dict'], checkpoint, average).items()}
    known = meta['dataset_meta']
    classes = {key: known[key] for key in ('tasks', 'reduce_zero_label') if known.get(key)}
    classes['classes'] = tuple(map(str, known['classes']))
    if known.get('palette') is not None:
        classes['palette'] = np.asarray(known['palette']).tolist()
    kept = dict(cfg=Config(_named(config.to_dict())).pretty_text, dataset_meta=classes,
                iter=meta.get('iter'),
                notes={**({} if average else meta.get('notes') or {}), **(notes or {})})
    count = sum(value.numel() for value in weights.values())
    out.parent.mkdir(parents=True, exist_ok=True)
    if card is None:
        write_checkpoint(out, dict(meta=kept, state_dict=weights))
    else:
        # Both are written before either has its name: a card refuses other weights.
        with replacing(card) as card_beside, replacing(out, to_disk=True) as beside:
            digest = write_safetensors(beside, weights, kept)
            said = dict(digest=digest, meta=kept, config=config, count=count, dtype=dtype)
            card_beside.write_text(model_card(out.stem, out.name, out.name, **said), 'utf-8')
    print(f'{out} ({out.stat().st_size / 1e6:.1f} MB, {count / 1e6:.2f} M numbers)',
          *([f'{card} (SHA-256 {digest})'] if card else []), sep='\n')
    if push_to is not None:
        title = push_to.rpartition('/')[2]
        print(push(out, model_card(title, FILE, f'{HUB}{push_to}', **said), push_to))
    return out


def _mean(weights: dict[str, Tensor], name: PathLike, average: Sequence[PathLike]
          ) -> dict[str, Tensor]:
    found = [weights, *(read_checkpoint(each)['state_dict'] for each in average)]
    for path, other in zip(average, found[1:]):
        differ = {(key, value.shape) for key, value in weights.items()} ^ {
            (key, value.shape) for key, value in other.items()}
        if differ:
            raise InputError(f"'{path}' cannot be averaged with '{name}', they "
                             f"differ in '{min(differ)[0]}': name stages of one training")
    return {key: sum(each[key].float() for each in found) / len(found) if average
            and value.is_floating_point() else value for key, value in weights.items()}


def _named(value: Any) -> Any:
    """A config that names files and folders without saying where on the machine they lie."""
    if isinstance(value, dict):
        return {key: _named(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_named, value))
    if isinstance(value, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute():
                return kind(value).name
    return value


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
