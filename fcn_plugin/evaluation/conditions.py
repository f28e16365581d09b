"""Images as they would look in other light or out of focus, to judge models on."""
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from ..utils.errors import InputError

Condition = Callable[[np.ndarray], np.ndarray]

# A pixel's value is about the 2.2nd root of its light.
_GAMMA = 2.2


def _gains(red: float, green: float, blue: float, stops: float = 0) -> Condition:
    """Multiplies the values of each channel by a factor, in ``stops`` stops less light."""
    factors = np.array([red, green, blue]) * 2 ** (-stops / _GAMMA)
    tables = (np.arange(256)[:, None] * factors).round().clip(0, 255).astype(np.uint8)
    return lambda image: np.stack([tables[:, i][image[..., i]] for i in range(3)], -1)


def _dusk(image: np.ndarray) -> np.ndarray:
    """Three stops less, reddish, with the sensor's noise."""
    dark = _gains(1.1, 1, 0.9, stops=3)(image).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 5, image.shape)
    return (dark + noise).round().clip(0, 255).astype(np.uint8)


def _haze(image: np.ndarray) -> np.ndarray:
    return (0.55 * image + 100).round().astype(np.uint8)


def _blur(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), image.shape[0] / 240)


#: By name: from an RGB image (H, W, 3) uint8 to how it would look, always the same.
CONDITIONS: dict[str, Condition] = {
    'as taken': lambda image: image,
    'dark': _gains(1, 1, 1, stops=2),
    'dusk': _dusk,
    'warm': _gains(1.2, 1, 0.8),
    'cold': _gains(0.8, 1, 1.2),
    'haze': _haze,
    'blurred': _blur,
}


def find_conditions(names: Sequence[str]) -> dict[str, Condition]:
    """Conditions by name; 'all' stands for all.

    Raises:
        ValueError: If no condition has one of the names.
    """
    unknown = set(names) - set(CONDITIONS) - {'all'}
    if unknown:
        raise InputError(f"there is no condition '{sorted(unknown)[0]}': expected all, "
                         f'{", ".join(CONDITIONS)}')
    return {name: change for name, change in CONDITIONS.items()
            if name in names or 'all' in names}
