"""The length of a run, and of the schedule of its learning rate."""
import logging
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from ..utils.errors import InputError

# Schedules at whose end the rate is at its lowest.
_FALLING = ('PolyLR', 'CosineAnnealingLR')


def check_length(config: Config) -> None:
    """Refuses a run of no steps, and warns of one whose schedule has another length.

    mmengine takes both as they are. But a run that was made shorter ends before its rate has
    fallen, and one that was made longer learns next to nothing in the end.

    Args:
        config (Config): With ``train_cfg`` and ``param_scheduler``.

    Raises:
        ValueError: If there are fewer iterations, epochs or iterations between validations
            than 1.
    """
    lengths = config.get('train_cfg') or {}
    for key in ('max_iters', 'max_epochs', 'val_interval'):
        if lengths.get(key, 1) < 1:
            raise InputError(f'train_cfg.{key}={lengths[key]}, expected at least 1')
    schedules = config.get('param_scheduler')
    ends = [(end, place) for place, schedule in enumerate(
        schedules if isinstance(schedules, list) else ())
        if (end := _end_of_fall(schedule)) and _key(schedule) in lengths]
    if not ends:
        return
    end, place = max(ends)
    schedule = schedules[place]
    key = _key(schedule)
    length, unit = lengths[key], 'iteration' if key == 'max_iters' else 'epoch'
    begin = schedule.get('begin', 0)
    if length == end or length <= begin:  # no longer than the warm-up: a trial
        return
    option, value = ('end', length) if schedule.get('T_max') is None else (
        'T_max', length - begin)
    said = ('has not fallen to its lowest value at the end of training' if length < end else
            f'is at its lowest value from {unit} {end} on')
    print_log(f'train_cfg.{key}={length}, but {schedule["type"]} takes {end} {unit}s: the '
              f'learning rate {said}. Have both end at once by '
              f'--cfg-options param_scheduler.{place}.{option}={value}',
              'current', logging.WARNING)


def _key(schedule: dict[str, Any]) -> str:
    return 'max_epochs' if schedule.get('by_epoch', True) else 'max_iters'


def _end_of_fall(schedule: dict[str, Any]) -> int | None:
    if schedule.get('type') not in _FALLING or schedule.get('convert_to_iter_based'):
        return None
    if schedule.get('T_max') is not None:
        return schedule.get('begin', 0) + schedule['T_max']
    return schedule.get('end')
