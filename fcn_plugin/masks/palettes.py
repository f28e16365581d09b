"""Whether one value, or one colour, means the same in all masks."""
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from .colours import as_written
from .encoding import IGNORE


def palette_fault(palettes: Iterable[tuple[Path, Mapping[int, int]]]) -> str | None:
    """Says where palettes disagree, so that either values or colours are no classes.

    Tools that make files small order each palette by what is in the file.

    Args:
        palettes (Iterable): Masks, and 0xRRGGBB of each value that occurs in them. Where a
            colour stands for two values of one file, colours are no classes.
    """
    colours: dict[int, tuple[int, Path]] = {}
    values: dict[int, tuple[int, Path]] = {}
    two: str | None = None
    for path, palette in palettes:
        if len(set(palette.values())) < len(palette):
            return None
        for value, colour in palette.items():
            if value == IGNORE:  # is shown in any colour
                continue
            other, where = colours.setdefault(value, (colour, path))
            if other != colour:
                two = two or (f'value {value} is {as_written(other, True)} in {where} and '
                              f'{as_written(colour, True)} in {path}')
            same, where = values.setdefault(colour, (value, path))
            if same != value:
                two = two or (f'{as_written(colour, True)} is value {same} in {where} and '
                              f'value {value} in {path}')
    return two and (f'palettes of masks differ: {two}. If values are the classes, give '
                    '--classes NAME ...; if colours are, save the masks as RGB')


def object_fault(masks: Sequence[tuple[Path, Collection[int | None]]]) -> str | None:
    """Says where some masks have 1 for an object and others 255, which would not count there.

    Args:
        masks (Sequence): Masks, and the values that occur in them.
    """
    ones, whites = ([path for path, values in masks if {*values} == {0, value}]
                    for value in (1, IGNORE))
    if not ones or not whites or any({1, IGNORE} <= {*values} for _, values in masks):
        return None
    return (f'{len(ones)} masks have 0 and 1, such as {ones[0]}, and {len(whites)} have 0 and '
            f'255, such as {whites[0]}: if both mean an object, save all with the same '
            'values; if 255 stands for pixels that do not count, give --ignore 255')
