"""What a config for other data takes over from the one that it inherits."""
from functools import lru_cache
from math import sqrt
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .config import read_config
from .errors import InputError

#: AdamW's rate at four images a step, for a backbone that SGD trains at the second.
_RATE, _RATE_OF_SGD = 5e-4, 0.01

#: For a config whose images are resized before they are tested, where ``--tta`` sees views of
#: that size: those of the config that it inherits would be of the size in the file.
VIEWS = '''
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale_factor=r, keep_ratio=True) for r in (0.75, 1.0, 1.25)],
        [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0., 1.)],
        [dict(type='LoadAnnotations')],
        [dict(type='PackSegInputs')]])
]'''


@lru_cache
def read_parent(file: Path) -> Config:
    """A config of the package, which is read once. It is not to be changed."""
    return read_config(str(file))


def inheritable(file: Path) -> Path:
    """A config that one for other data may inherit, as it was given.

    Raises:
        ValueError: If it starts from a network that was trained on its own classes.
    """
    start = read_parent(file).get('load_from')
    if start:
        raise InputError(f"--base {file.stem}: it goes on from a network of its own classes "
                         f"(load_from='{start}'), of which other data have none: give the "
                         'config that it names as its _base_')
    return file


def learning_rate(base: Config, batch: int) -> float:
    """AdamW's rate of a backbone, by the config that is inherited.

    AdamW's own, or in proportion to SGD's, at four images a step, and with the root of the
    batch. So transformers, and VGG16 without norms, get less than ResNets. That a config has
    its backbone learn more slowly is left out: its run is longer than those of own data.

    Args:
        base (Config): One of configs/fcn.
        batch (int): Images a step.
    """
    optimizer = base.optim_wrapper.optimizer
    if optimizer.type == 'SGD':
        rate = _RATE * optimizer.lr / _RATE_OF_SGD
    else:
        rate = optimizer.lr * sqrt(4 / base.train_dataloader.batch_size)
    return round(rate * sqrt(batch / 4), 6)


def without_weights(base: Config) -> dict[str, Any]:
    """Entries of a head that take back the weights that a config gives to its own classes.

    Args:
        base (Config): Which other classes inherit.
    """
    head = base.model.decode_head
    found: dict[str, Any] = {}
    if isinstance(head.get('loss_decode'), dict) and head.loss_decode.get('class_weight'):
        found['loss_decode'] = dict(class_weight=None)
    if head.get('weights_taken_back'):
        found['weights_taken_back'] = 0.
    return found
