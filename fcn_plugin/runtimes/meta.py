"""What an exported file says of itself. It may come from anywhere."""
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..utils.errors import InputError


def _is_whole(value: Any, least: int, end: int) -> bool:
    return type(value) is int and least <= value < end


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        type(one) in (int, float) and abs(one) < 1e30 for one in value)


def _is_palette(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(rgb, list) and len(rgb) == 3 and all(_is_whole(one, 0, 256) for one in rgb)
        for rgb in value)


#: Of each key that is read: what it must be, and in words.
_ALWAYS: dict[str, tuple[Callable[[Any], bool], str]] = dict(
    classes=(lambda names: isinstance(names, list) and len(names) > 1 and all(
        isinstance(name, str) for name in names), 'at least two names'),
    palette=(_is_palette, 'a list of RGB'),
    background=(lambda one: one is None or _is_whole(one, 0, 2 ** 15),
                'the number of a class, or null'),
    scores=(lambda one: isinstance(one, bool), 'true or false'),
    preprocess=(lambda one: isinstance(one, bool), 'true or false'),
    # Older files lack these four.
    label_map=(lambda pairs: pairs is None or isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == 2 and _is_whole(pair[0], -2 ** 31, 2 ** 31)
        and _is_whole(pair[1], 0, 2 ** 15) for pair in pairs), 'pairs of a value and a class'),
    tasks=(lambda tasks: isinstance(tasks, dict) and all(
        isinstance(names, list) and all(isinstance(name, str) for name in names)
        for names in tasks.values()), 'from tasks to names'),
    channels=(lambda one: _is_whole(one, 1, 2 ** 16), 'a number of channels'),
    exact_places=(lambda one: isinstance(one, bool), 'true or false'))
_WITH_PREPROCESSING: dict[str, tuple[Callable[[Any], bool], str]] = dict(
    resize=(lambda size: size is None or isinstance(size, list) and len(size) == 2 and all(
        _is_whole(side, 1, 2 ** 20) for side in size), 'width and height, or null'),
    keep_ratio=(lambda one: isinstance(one, bool), 'true or false'))
_WITHOUT_PREPROCESSING: dict[str, tuple[Callable[[Any], bool], str]] = dict(
    bgr_to_rgb=(lambda one: isinstance(one, bool), 'true or false'),
    pipeline=(lambda steps: isinstance(steps, list) and all(
        isinstance(step, dict) and isinstance(step.get('type'), str) for step in steps),
        'a list of steps, each with a type'),
    mean=(lambda one: one is None or _is_numbers(one), 'a list of numbers, or null'),
    std=(lambda one: one is None or _is_numbers(one) and 0 not in one,
         'a list of numbers that are not 0, or null'))


def read_meta(text: str, path: Path) -> dict[str, Any]:
    """Reads the text under ``META_KEY``, see :class:`GraphBackend`.

    Args:
        text (str): JSON.
        path (Path): The file that holds it, for errors.

    Raises:
        ValueError: If it is not what an export writes, with the key and its value.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"what '{path}' says of itself is no JSON ({error}): export the "
                         'network again') from error
    if not isinstance(found, dict):
        raise InputError(f"what '{path}' says of itself is a {type(found).__name__}, expected "
                         'a table: export the network again')
    found = dict(channels=3, exact_places=False, tasks={}, resize=None, label_map=None,
                 keep_ratio=False) | found
    rules = _ALWAYS | (_WITH_PREPROCESSING if found.get('preprocess') is True else
                       _WITHOUT_PREPROCESSING)
    for key, (is_good, expected) in rules.items():
        if key not in found or not is_good(found[key]):
            raise _strange(path, key, found.get(key), expected)
    count = len(found['classes'])
    if len(found['palette']) != count or (found['background'] or 0) >= count:
        key = 'background' if len(found['palette']) == count else 'palette'
        raise _strange(path, key, found[key], f'what fits the {count} classes')
    if found.get('mean') is not None and 'mean' in rules:
        for key in ('mean', 'std'):
            if found[key] is None or len(found[key]) not in (1, found["channels"]):
                raise _strange(path, key, found[key],
                               f'one number, or one for each of {found["channels"]} channels')
    return found


def _strange(path: Path, key: str, value: Any, expected: str) -> InputError:
    return InputError(f"'{path}' says '{key}': {value!r:.60} of itself, expected {expected}: "
                      'export the network again')
