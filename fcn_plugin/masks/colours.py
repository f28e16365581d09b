"""Values of masks that are colours, 0xRRGGBB, beside values that are numbers."""
from collections.abc import Sequence

import numpy as np

#: The distance in values, or in RGB, that JPEG's ringing reaches.
NEAR = 24


def unpacked(colour: int) -> tuple[int, int, int]:
    """0xRRGGBB to RGB."""
    return colour >> 16, colour >> 8 & 255, colour & 255


def packed(rgb: Sequence[int]) -> int:
    """RGB to 0xRRGGBB."""
    return int(rgb[0]) << 16 | int(rgb[1]) << 8 | int(rgb[2])


def channels(values: np.ndarray, colours: bool) -> np.ndarray:
    """Integers (...) to (..., 3) of colours, to (..., 1) of numbers."""
    return np.stack(unpacked(values) if colours else (values, ), -1)  # type: ignore[arg-type]


def distance(one: int, other: int, colours: bool) -> float:
    """The distance of two values, or of two colours in RGB."""
    if not colours:
        return abs(one - other)
    return sum((a - b) ** 2 for a, b in zip(unpacked(one), unpacked(other))) ** 0.5


def as_written(value: int, colours: bool) -> str:
    """A value as users write it."""
    return f'#{value:06x}' if colours else str(value)
