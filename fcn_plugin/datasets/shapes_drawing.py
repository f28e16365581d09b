"""How the built-in data are drawn."""
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

# Settings. Lengths are in pixels of an image whose shorter side is at least
# `FULL_SIZE`; in smaller images they shrink with that side, so that objects fit.
FULL_SIZE = 96
MIN_SIZE = 32  # below, a part is thinner than the ignored band around it
THICKNESS = (8., 12.)  # of bars, rings, frames and crosses: about stride 8
AREA_PER_OBJECT = 4400  # so three or four objects at 128x128
MIN_OBJECTS = 2
# Two centres stay this share of the sum of their radii apart, where eight tries
# find such a place: less gives more occlusion.
MIN_DISTANCE = 0.85
# A stripe, or the side of a check, is half of this wide: enough to survive JPEG, and
# at least three periods cross the smallest disc.
TEXTURE_PERIOD = (7., 10.)
# Euclidean distances in BGR. Objects stand out from the background and from one
# another more than the background's two colours from each other.
OBJECT_CONTRAST = 90.
BACKGROUND_CONTRAST = (20., 55.)
SHADING = 14.  # how far a plain object's colour drifts from side to side
NOISE = 10.  # pixels are off by up to this much

IGNORE = 255


# Signed distances in pixels to an outline, negative inside. All arguments are in the
# object's own frame: u, v (h, w), the circumscribed radius r, the thickness t.
def _box(u: np.ndarray, v: np.ndarray, a: float, b: float) -> np.ndarray:
    return np.maximum(np.abs(u) - a, np.abs(v) - b)


def _bar(u, v, r, t):
    return _box(u, v, r, t / 2)


def _ring(u, v, r, t):
    return np.abs(np.hypot(u, v) - (r - t / 2)) - t / 2


def _frame(u, v, r, t):
    middle = r * 0.5**0.5 - t / 2
    return np.abs(_box(u, v, middle, middle)) - t / 2


def _cross(u, v, r, t):
    return np.minimum(_box(u, v, r, t / 2), _box(u, v, t / 2, r))


def _square(u, v, r, t):
    return _box(u, v, r * 0.5**0.5, r * 0.5**0.5)


def _triangle(u, v, r, t):
    return np.maximum(np.abs(u) * 0.75**0.5 + v / 2, -v) - r / 2


def _disc(u, v, r, t):
    return np.hypot(u, v) - r


# Textures: the share of the second colour in the mixture, in [0, 1].
def _wave(x: np.ndarray, period: float, phase: float) -> np.ndarray:
    return np.sin(x * np.float32(2 * np.pi / period) + np.float32(phase))


def _stripes(u, v, period, phase):
    # Steeper than a sine, less than a step: edges that are antialiased.
    return np.clip(0.5 + 1.5 * _wave(u, period, phase[0]), 0, 1)


def _checks(u, v, period, phase):
    waves = _wave(u, period, phase[0]) * _wave(v, period, phase[1])
    return np.clip(0.5 + 2.5 * waves, 0, 1)


class Shape(NamedTuple):
    """One object class.

    Attributes:
        name (str): The class's name.
        colour (tuple[int]): RGB of its labels in pictures; the objects themselves
            have random colours.
        outline (Callable): Signed distance ``(u, v, radius, thickness) -> (h, w)``.
        radius (tuple[float]): Range of the circumscribed radius, in pixels.
        share (float): How many objects of this class there are relative to the others, set
            so that all classes cover about equally many pixels.
        texture (Callable, optional): Mixes two colours; ``None`` is a plain object.
    """
    name: str
    colour: tuple[int, int, int]
    outline: Callable
    radius: tuple[float, float]
    share: float
    texture: Callable | None = None


SHAPES = (
    Shape('bar', (230, 25, 75), _bar, (24, 36), 1.6),
    Shape('ring', (60, 180, 75), _ring, (20, 30), 0.8),
    Shape('frame', (255, 225, 25), _frame, (26, 36), 0.65),
    Shape('cross', (0, 130, 200), _cross, (24, 36), 0.85),
    Shape('square', (245, 130, 48), _square, (19, 28), 0.8),
    Shape('triangle', (145, 30, 180), _triangle, (23, 34), 0.85),
    Shape('striped disc', (70, 240, 240), _disc, (14, 22), 0.95, _stripes),
    Shape('checked disc', (240, 50, 230), _disc, (14, 22), 0.95, _checks),
)
_SHARES = np.cumsum([shape.share for shape in SHAPES])


def _uniform(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    low, high = bounds
    return low + (high - low) * rng.random()


def _rotated(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> tuple:
    """Turns coordinates (1, w) and (h, 1) by a random angle into two (h, w)."""
    angle = rng.random() * 2 * np.pi
    sin, cos = np.float32(np.sin(angle)), np.float32(np.cos(angle))
    return x * cos + y * sin, y * cos - x * sin


def _smooth_noise(rng: np.random.Generator, height: int, width: int,
                  cell: float) -> np.ndarray:
    """Random values about ``cell`` pixels apart, interpolated to (H, W)."""
    size = int(height / cell) + 2, int(width / cell) + 2
    return cv2.resize(
        rng.random(size, dtype=np.float32), (width, height),
        interpolation=cv2.INTER_CUBIC)


def _background(rng: np.random.Generator, height: int, width: int,
                colours: np.ndarray) -> np.ndarray:
    """Mixes two colours (2, 3) by one of six textures, (H, W, 3) float32."""
    x = np.arange(width, dtype=np.float32)[None]
    y = np.arange(height, dtype=np.float32)[:, None]
    kind = rng.integers(6)
    if kind == 0:  # gradient
        u, _ = _rotated(rng, x - width / 2, y - height / 2)
        mix = 0.5 + u / np.float32(np.hypot(height, width))
    elif kind == 1:  # clouds
        mix = _smooth_noise(rng, height, width, 32) * np.float32(0.65)
        mix += _smooth_noise(rng, height, width, 9) * np.float32(0.35)
    elif kind == 2:  # blotches
        mix = np.clip(4 * _smooth_noise(rng, height, width, 20) - 1.5, 0, 1)
    elif kind == 3:  # grain
        mix = _smooth_noise(rng, height, width, _uniform(rng, (2, 4)))
    else:  # the two textures of the discs, from as fine as theirs to coarser
        texture = _stripes if kind == 4 else _checks
        period = _uniform(rng, (TEXTURE_PERIOD[0], 3 * TEXTURE_PERIOD[1]))
        mix = texture(*_rotated(rng, x, y), period, rng.random(2) * 2 * np.pi)
    first, second = colours
    return first + mix[..., None] * (second - first)


def _background_colours(rng: np.random.Generator) -> np.ndarray:
    """Two colours at a limited distance, (2, 3) float32."""
    first = rng.uniform(32, 224, 3)
    step = rng.standard_normal(3)
    step *= _uniform(rng, BACKGROUND_CONTRAST) / np.linalg.norm(step)
    return np.clip([first, first + step], 8, 248).astype(np.float32)


def _distinct_colour(rng: np.random.Generator, used: np.ndarray) -> np.ndarray:
    """A colour (3, ) far from those used (n, 3), or the farthest of 16."""
    candidates = rng.uniform(16, 240, (16, 3)).astype(np.float32)
    distance = ((candidates[:, None] - used)**2).sum(-1).min(-1)
    far = distance > OBJECT_CONTRAST**2
    return candidates[far.argmax() if far.any() else distance.argmax()]


def _place(rng: np.random.Generator, height: int, width: int, radius: float,
           placed: list[tuple[float, float, float]]) -> tuple[float, float]:
    """A centre (y, x) not too near those already placed, so that no object is hidden."""
    best, best_room = (height / 2, width / 2), -np.inf
    for _ in range(8):
        # At most a third of the radius lies outside, so that the class can be seen.
        margin = radius * 2 / 3
        y = _uniform(rng, (margin, height - 1 - margin))
        x = _uniform(rng, (margin, width - 1 - margin))
        room = min((np.hypot(y - b, x - a) / (radius + r) for b, a, r in placed),
                   default=np.inf)
        if room > best_room:
            best, best_room = (y, x), room
        if room >= MIN_DISTANCE:
            break
    return best


def _draw(rng: np.random.Generator, image: np.ndarray, labels: np.ndarray,
          label: int, centre: tuple[float, float], radius: float, scale: float,
          colours: np.ndarray, border: float) -> None:
    """Draws one object over what is there, in place.

    Args:
        image (np.ndarray): (H, W, 3) float32.
        labels (np.ndarray): (H, W) uint8.
        label (int): Index into :data:`SHAPES`, plus one.
        centre (tuple[float]): (y, x), in pixels.
        radius (float): The circumscribed radius, in pixels.
        scale (float): Of the thickness and the texture's period.
        colours (np.ndarray): (2, 3) float32.
        border (float): Width of the ignored band, in pixels.
    """
    shape = SHAPES[label - 1]
    reach = radius + border / 2 + 2
    top, left = (max(int(c - reach), 0) for c in centre)
    bottom, right = (int(c + reach) + 1 for c in centre)
    image, labels = image[top:bottom, left:right], labels[top:bottom, left:right]
    height, width = labels.shape
    u, v = _rotated(rng,
                    np.arange(left, left + width, dtype=np.float32)[None] - centre[1],
                    np.arange(top, top + height, dtype=np.float32)[:, None] - centre[0])
    distance = shape.outline(u, v, radius, scale * _uniform(rng, THICKNESS))

    if shape.texture is None:
        colour = colours[0] + (u / np.float32(radius) * np.float32(SHADING))[..., None]
    else:
        period = scale * _uniform(rng, TEXTURE_PERIOD)
        mix = shape.texture(u, v, period, rng.random(2) * 2 * np.pi)
        colour = colours[0] + mix[..., None] * (colours[1] - colours[0])
    # A pixel on the outline is covered in part.
    image += np.clip(0.5 - distance, 0, 1)[..., None] * (colour - image)

    labels[distance < 0] = label
    labels[np.abs(distance) < border / 2] = IGNORE


def render_shapes(rng: np.random.Generator, height: int, width: int,
                  border: float = 2.) -> tuple[np.ndarray, np.ndarray]:
    """Draws one image and its labels.

    Args:
        rng (np.random.Generator): The only source of randomness.
        height (int): Height of the image in pixels, at least 32.
        width (int): Width of the image in pixels, at least 32.
        border (float): Width in pixels of the band labelled 255 that is centred on
            the visible outline of every object. Defaults to 2.

    Returns:
        tuple[np.ndarray, np.ndarray]: The image (H, W, 3), BGR, uint8, and the labels
        (H, W), uint8: 0 for the background, ``i + 1`` for ``SHAPES[i]``, 255 for the
        borders. Edges are antialiased in the image, not in the labels.
    """
    used = _background_colours(rng)
    image = _background(rng, height, width, used)
    labels = np.zeros((height, width), np.uint8)

    scale = min(1., min(height, width) / FULL_SIZE)
    mean_count = height * width / (AREA_PER_OBJECT * scale**2)
    count = max(MIN_OBJECTS, round(mean_count * _uniform(rng, (0.6, 1.2))))
    placed: list[tuple[float, float, float]] = []
    for _ in range(count):
        # Colours are drawn before the class, and a plain object takes the first of them as
        # often as the second, so that no colour depends on the class.
        colours = np.empty((2, 3), np.float32)
        colours[0] = _distinct_colour(rng, used)
        colours[1] = _distinct_colour(rng, np.concatenate([used, colours[:1]]))
        used = np.concatenate([used, colours])
        colours = colours[::rng.choice((-1, 1))]
        label = 1 + int(np.searchsorted(_SHARES, rng.random() * _SHARES[-1]))
        radius = scale * _uniform(rng, SHAPES[label - 1].radius)
        y, x = _place(rng, height, width, radius, placed)
        placed.append((y, x, radius))
        _draw(rng, image, labels, label, (y, x), radius, scale, colours, border)

    noise = np.frombuffer(rng.bytes(image.size), np.uint8).reshape(image.shape)
    image += (noise - np.float32(127.5)) * np.float32(NOISE / 127.5)
    return np.clip(image, 0, 255).astype(np.uint8), labels
