"""What :class:`FCNSkipHead` asks of its arguments."""
from collections.abc import Iterable

from torch import nn

from ...utils.errors import InputError


def as_tuple(value) -> tuple:
    return tuple(value) if isinstance(value, (list, tuple)) else (value, )


def for_caffe(upsampler: dict) -> dict:
    if upsampler['type'] not in ('BilinearDeconv', 'BilinearUpsample'):
        raise InputError(f"FCNSkipHead: alignment='caffe' upsamples by BilinearDeconv, not by "
                         f"{upsampler['type']}")
    return dict(upsampler, type='BilinearDeconv', full=True)


def weights_of(losses: Iterable[nn.Module], share: float, last: dict,
               classes: int) -> list[float]:
    found = [list(map(float, weights)) for weights in (
        getattr(loss, 'class_weight', None) for loss in losses) if weights is not None]
    if len(found) != 1 or not 0 < share <= 1 or last['type'] == 'MaxUnpool' or last.get(
            'learnable'):
        raise InputError(f'FCNSkipHead: weights_taken_back={share}, expected 0 to 1, one loss '
                         f'with class_weight (of {len(found)}), and a last upsampling that is '
                         'not learned')
    if len(found[0]) != classes or min(found[0]) <= 0:
        raise InputError('FCNSkipHead: weights_taken_back divides by class_weight, which is '
                         f'{found[0]}, expected {classes} numbers above 0, one for each class')
    return found[0]


def check_inputs(in_index, in_channels, in_strides, skip_scales) -> None:
    given = dict(in_index=in_index, in_channels=in_channels, in_strides=in_strides)
    if skip_scales is not None:
        given['skip_scales'] = skip_scales
    lengths = {len(value) for value in given.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise InputError('FCNSkipHead: one entry is needed for each input map, but '
                         + ', '.join(f'{name} = {value}' for name, value in given.items()))
    for fine, coarse in zip(in_strides, in_strides[1:]):
        if coarse <= fine or coarse % fine:
            raise InputError(
                f'FCNSkipHead: in_strides is {in_strides}, expected fine to coarse, each a '
                'multiple of the one before, such as (8, 16, 32)')


def check_switches(in_strides, switch_index, switch_channels) -> None:
    needed = len(in_strides) - 1
    for name, value in (('switch_index', switch_index),
                        ('switch_channels', switch_channels)):
        if value is None or len(value) != needed:
            raise InputError(
                f'FCNSkipHead: MaxUnpool undoes {needed} poolings between the strides '
                f'{in_strides}, so {name} needs {needed} entries, but is {value!r}. '
                'FullyConvVGG(with_switches=True) takes switch_index=(3, 4), '
                'switch_channels=(512, 512); a backbone without switches takes '
                "upsampler=dict(type='BilinearDeconv')")
