"""How the weights of a checkpoint differ from a model."""
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from torch import Tensor, nn

from ..utils.config import class_names, inner_datasets, network
from ..utils.errors import InputError
from ..utils.wrappers import unwrapped
from .reading import read_checkpoint


def check_checkpoint(model: nn.Module, path: str, config: Config,
                     whole: bool = True) -> dict[str, Any]:
    """Compares a checkpoint's entries with a model's before mmengine loads it.

    mmengine fills what fits, warns of the rest and goes on.

    Args:
        model (nn.Module): The model that is to be filled.
        path (str): The checkpoint.
        config (Config): Of the run; its test data's classes are compared too.
        whole (bool): Whether every entry of the model must be filled, as for testing
            and resuming; to start a training half of the backbone's entries suffices.
            Defaults to True.

    Returns:
        dict: The checkpoint's meta.

    Raises:
        ValueError: If it is of another architecture, or its classes are in another order.
    """
    loaded = read_checkpoint(path)
    inner = unwrapped(model)
    weights, ours = stripped(loaded['state_dict']), stripped(inner.state_dict())
    known = weights
    if whole:
        _check_order(loaded['meta'], path, config)
        known = {key: value for key, value in ours.items() if _is_counter(key)} | weights
    fitting = [key for key, value in ours.items()
               if key in known and known[key].shape == value.shape]
    backbone = [key for key in ours if key.startswith('backbone.')]
    enough = len(ours) if whole else len(backbone) / 2
    if len(fitting if whole else set(fitting) & set(backbone)) >= enough:
        return loaded['meta']
    asked = (network(config).get('backbone') or {}).get('type')
    raise InputError(
        f"the checkpoint '{path}' is of another network than {config.filename} (backbone "
        f'{asked}): {difference(weights, ours)}. Give the config that it was trained with'
        + ('' if whole else ', or, if only its backbone is wanted, model.backbone.init_cfg='
           "dict(type='Pretrained', checkpoint=FILE)"))


def stripped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Entries of the network alone: without the prefix that several processes leave, and
    without the auxiliary head, which only training needs."""
    named = {key.removeprefix('module.'): value for key, value in weights.items()}
    return {key: value for key, value in named.items()
            if not key.startswith('auxiliary_head.')}


def difference(weights: dict[str, Tensor], ours: dict[str, Tensor]) -> str:
    """In one line: what a checkpoint lacks, has besides and has in other shapes.

    Args:
        weights (dict[str, Tensor]): The checkpoint's, see :func:`stripped`.
        ours (dict[str, Tensor]): The model's.

    Returns:
        str: Empty where nothing differs. Counters of batch norms may be lacking: weights
        from before torch had them are whole without.
    """
    parts = []
    for words, keys in (('lacks', [key for key in ours if key not in weights
                                   and not _is_counter(key)]),
                        ('has besides', [key for key in weights if key not in ours])):
        if keys:
            parts.append(f'it {words} {len(keys)} entries ({keys[0]}'
                         + (', ...)' if len(keys) > 1 else ')'))
    other = [key for key in ours if key in weights and weights[key].shape != ours[key].shape]
    if other:
        key = other[-1]
        parts.append(f'{len(other)} entries differ in shape ({key}: '
                     f'{list(weights[key].shape)}, but the model has '
                     f'{list(ours[key].shape)})')
    return '; '.join(parts)


def _is_counter(key: str) -> bool:
    """Whether an entry counts a batch norm's steps, which only its statistics need."""
    return key.endswith('num_batches_tracked')


def _check_order(meta: dict[str, Any], path: str, config: Config) -> None:
    """Raises ValueError for the same classes in another order, warns of other names."""
    theirs = tuple((meta.get('dataset_meta') or {}).get('classes') or ())
    for dataset in inner_datasets((config.get('test_dataloader') or {}).get('dataset')):
        ours = class_names(dataset)
        if not theirs or not ours or ours == theirs or len(ours) != len(theirs):
            continue
        place = next(i for i, (a, b) in enumerate(zip(theirs, ours)) if a != b)
        found = (f"the checkpoint '{path}' was trained with '{theirs[place]}' as class "
                 f"{place}, which is '{ours[place]}' in {dataset['type']}")
        if sorted(ours) == sorted(theirs):
            raise InputError(f"{found}: give the classes in the checkpoint's order, by "
                             f"metainfo=dict(classes={theirs})")
        print_log(f'{found}; are these the same?', logger='current', level=30)
