"""Classes and blur, told apart by what lies around each value."""
import io

import cv2
import numpy as np
import pytest
from PIL import Image

from fcn_plugin.masks.mask_blur import (
    MOST_KEPT,
    count_values,
    find_levels,
    look_around,
    nothing_seen,
)

SIZE = 120, 160  # H, W


def scene(rng, count, size=SIZE, falling=1.0, things=40):
    """Shapes of all sizes, thin and tiny ones too; class sizes fall off as in ADE20K."""
    share = 1 / np.arange(1, count + 1) ** falling
    share /= share.sum()
    labels = np.full(size, rng.choice(count, p=share), np.uint16)
    for _ in range(things):
        label = int(rng.choice(count, p=share))
        y, x = int(rng.integers(size[0])), int(rng.integers(size[1]))
        height, width = (int(n) for n in rng.integers(1, 40, 2))
        kind = rng.integers(4)
        if kind == 0:
            cv2.rectangle(labels, (x, y), (x + width, y + height), label, -1)
        elif kind == 1:
            cv2.ellipse(labels, (x, y), (width, height), 0, 0, 360, label, -1)
        elif kind == 2:
            cv2.line(labels, (x, y), (x + 3 * width, y + 2 * height), label,
                     int(rng.integers(1, 4)))
        else:
            labels[y:y + 2, x:x + 2] = label
    return labels


def scenes(count, number=12, **options):
    rng = np.random.default_rng(count)
    return [scene(rng, count, **options) for _ in range(number)]


def jpeg(mask, quality=75, **options):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, 'JPEG', quality=quality, **options)
    return np.asarray(Image.open(file))


def resized(mask, scale, how=Image.BILINEAR):
    image = Image.fromarray(mask)
    return np.asarray(image.resize((round(image.width * scale), round(image.height * scale)),
                                   how))


def colours_of(count):
    table = np.random.default_rng(count).integers(0, 256, (count, 3))
    table[0] = 0
    return table.astype(np.uint8)


def gathered(masks):
    """What reading all masks of a data set gives."""
    counts, around, colours = {}, nothing_seen(), masks[0].ndim == 3
    for mask in masks:
        values = mask.astype(np.int64)
        if colours:
            values = values[..., 0] << 16 | values[..., 1] << 8 | values[..., 2]
        found = {**count_values(values)}
        if len(found) > MOST_KEPT:
            rest = sorted(found, key=found.get)[:-MOST_KEPT]
            found[None] = sum(found.pop(value) for value in rest)
        for value, n in found.items():
            counts[value] = counts.get(value, 0) + n
        if len(found) > 2:
            for total, part in zip(around, look_around(values, found, colours)):
                total.update(part)
    return counts, colours, around


def voids(labels):
    """With a band of 255 around everything."""
    kernel = np.ones((3, 3), np.uint8)
    borders = cv2.dilate(labels, kernel) != cv2.erode(labels, kernel)
    return np.where(borders, 255, labels)


def thin(rng, value=255):
    """Vessels: lines of one to three pixels."""
    mask = np.zeros(SIZE, np.uint8)
    for _ in range(15):
        ends = [(int(x), int(y)) for x, y in rng.integers(0, SIZE[0], (2, 2))]
        cv2.line(mask, *ends, value, int(rng.integers(1, 4)))
    return mask


def instances(rng, side):
    """Up to 254 things, numbered as they come."""
    mask = np.zeros((200, 200), np.uint16)
    for number in range(1, 255):
        y, x = rng.integers(0, 190, 2)
        size = side or rng.integers(1, 8)
        mask[y:y + size, x:x + size] = number
    return mask


def rims(labels):
    """0 outside, 2 inside, 1 on the rim, two pixels wide."""
    kernel = np.ones((3, 3), np.uint8)
    labels = (labels * 2).astype(np.uint8)
    rim = cv2.dilate(labels, kernel) != cv2.erode(labels, kernel)
    return np.where(rim, 1, labels)


def noise(count):
    share = 1 / np.arange(1, count + 1)
    rng = np.random.default_rng(count)
    return [rng.choice(count, SIZE, p=share / share.sum()) for _ in range(4)]


RNG = np.random.default_rng
CLASSES = {
    **{f'{n} classes': lambda n=n: scenes(n) for n in (2, 3, 11, 21, 65, 75, 150, 254)},
    **{f'{n} classes of small images': lambda n=n: scenes(n, size=(48, 48))
       for n in (11, 75, 254)},
    **{f'{n} colours': lambda n=n: [colours_of(n)[m] for m in scenes(n)]
       for n in (3, 11, 65, 75, 150, 254)},
    **{f'{n} classes, each pixel by chance': lambda n=n: noise(n) for n in (11, 75, 150, 254)},
    '75 colours, each pixel by chance': lambda: [colours_of(75)[m] for m in noise(75)],
    '300 classes of 16 bits': lambda: scenes(300),
    '11 classes in bands of 255': lambda: [voids(m) for m in scenes(11)],
    '75 classes in bands of 255': lambda: [voids(m) for m in scenes(75)],
    'classes far apart': lambda: [m * 3 for m in scenes(75)],
    'vessels': lambda: [thin(RNG(i), 7) + thin(RNG(i + 20), 1) for i in range(6)],
    'instances': lambda: [instances(RNG(i), 0) for i in range(6)],
    'tiny instances': lambda: [instances(RNG(i), 2) for i in range(6)],
    'rims': lambda: [rims(m) for m in scenes(2, falling=0)],
}


@pytest.mark.parametrize('name', CLASSES)
def test_classes_stay_what_they_are(name):
    counts, colours, around = gathered(CLASSES[name]())
    found = find_levels(counts, colours, around)
    assert found.kept == counts and not found.blurred and not found.fault, found.fault


def greys(count, step):
    return [(m * step).astype(np.uint8) for m in scenes(count, falling=0.5)]


TWO, GREYS = [0, 255], [0, 60, 120, 180, 240]
BLURRED = {
    **{f'two, JPEG {q}': (lambda q=q: [jpeg(m, q) for m in greys(2, 255)], TWO)
       for q in (30, 50, 75, 95, 100)},
    **{f'vessels, JPEG {q}': (lambda q=q: [jpeg(thin(RNG(i)), q) for i in range(8)], TWO)
       for q in (50, 75, 95)},
    **{f'two, resized by {s}': (lambda s=s: [resized(m, s) for m in greys(2, 255)], TWO)
       for s in (0.37, 0.5, 2, 5)},
    'two, Lanczos': (lambda: [resized(m, .37, Image.LANCZOS) for m in greys(2, 255)], TWO),
    'two, Gauss': (lambda: [cv2.GaussianBlur(m, (0, 0), 2) for m in greys(2, 255)], TWO),
    **{f'five greys, JPEG {q}': (lambda q=q: [jpeg(m, q) for m in greys(5, 60)], GREYS)
       for q in (50, 75, 95)},
    **{f'five greys, resized by {s}': (lambda s=s: [resized(m, s) for m in greys(5, 60)],
                                       GREYS) for s in (0.37, 0.5, 3)},
    'labels 0, 4 and 8, resized': (lambda: [resized(m, 3) for m in greys(3, 4)], [0, 4, 8]),
    '21 greys, JPEG': (lambda: [jpeg(m, 85) for m in greys(21, 12)],
                       list(range(0, 241, 12))),
}


@pytest.mark.parametrize('name', BLURRED)
def test_blur_is_recognised(name):
    make, levels = BLURRED[name]
    counts, colours, around = gathered(make())
    found = find_levels(counts, colours, around)
    assert found.blurred and not found.fault and sorted(found.kept) == levels
    assert f'there are {len(counts)} values, but all except {len(levels)}' in found.note
    if levels[1] >= 12:  # nearer ones JPEG mixes up
        assert sorted(find_levels(counts, colours, around, lossy=True).kept) == levels


@pytest.mark.parametrize('change', [
    lambda mask: jpeg(mask, 60), lambda mask: jpeg(mask, 90, subsampling=0),
    lambda mask: resized(mask, 0.5), lambda mask: resized(mask, 3)])
def test_blurred_colours_are_recognised(change):
    table = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]],
                     np.uint8)
    counts, colours, around = gathered([change(table[m]) for m in scenes(5, falling=0.5)])
    found = find_levels(counts, colours, around)
    assert found.blurred and len(found.kept) == 5
    for colour in found.kept:
        rgb = np.array([colour >> 16, colour >> 8 & 255, colour & 255])
        assert np.abs(table.astype(int) - rgb).max(1).min() <= 3
    exact = [int(r) << 16 | int(g) << 8 | int(b) for r, g, b in table]
    assert sorted(find_levels(counts, colours, around, named=exact).kept) == sorted(exact)


def smooth(seed, channels=()):
    pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, *channels))
    return cv2.GaussianBlur(pixels.astype(np.uint8), (0, 0), 3)


def contrast(pixels):
    return np.clip((pixels.astype(int) - 128) * 6 + 128, 0, 255).astype(np.uint8)


UNCLEAR = {
    'photos': lambda: [smooth(i) for i in range(4)],
    'hard photos': lambda: [contrast(smooth(i)) for i in range(4)],
    'coloured photos': lambda: [smooth(i, (3, )) for i in range(4)],
    'noise': lambda: [RNG(i).integers(0, 256, SIZE) for i in range(4)],
    '21 labels, JPEG': lambda: [jpeg(m, 75) for m in greys(21, 1)],
    '21 labels, resized': lambda: [resized(m, 0.5) for m in greys(21, 1)],
    '21 labels, enlarged': lambda: [resized(m, 3) for m in greys(21, 1)],
}


@pytest.mark.parametrize('name', UNCLEAR)
def test_what_cannot_be_told_is_a_fault(name):
    counts, colours, around = gathered(UNCLEAR[name]())
    found = find_levels(counts, colours, around)
    assert not found.blurred and 'it cannot be told which of them are meant' in found.fault
    assert 'save the masks again as PNG' in found.fault and '--blurred' in found.fault
    assert ('--classes NAME' in found.fault) == (len(counts) < 256)


@pytest.mark.parametrize('number, step', [(2, 1), (3, 1), (3, 10), (11, 1)])
def test_labels_near_one_another_in_jpeg_are_a_fault(number, step):
    """They have regions, but JPEG's ringing is as large as their distance."""
    counts, colours, around = gathered([jpeg(m, 90) for m in greys(number, step)])
    assert len(counts) > number and find_levels(counts, colours, around, lossy=True).fault
    assert find_levels({0: 5, 1: 5}, False, nothing_seen(), lossy=True).fault is None


def test_a_rounded_colour_is_no_other_class():
    """JPEG and WebP render one flat colour as two that nobody can tell apart."""
    table = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    masks = [jpeg(table[m], 80).copy() for m in scenes(3, falling=0.5)]
    for mask in masks[::2]:
        mask[(mask == 0).all(2)] = 1
    counts, colours, around = gathered(masks)
    found = find_levels(counts, colours, around)
    assert found.blurred and len(found.kept) == 3


def test_blur_that_the_user_vouches_for():
    counts, colours, around = gathered([resized(thin(RNG(i), 200), 0.5)
                                         for i in range(8)])
    assert find_levels(counts, colours, around).fault
    found = find_levels(counts, colours, around, blurred=True)
    assert found.blurred and {0, 200} <= set(found.kept) and len(found.kept) < 12


def test_masks_without_blur_say_where_classes_are():
    """Of two values nothing lies between, so that only what is blurred was looked at."""
    plain = np.full(SIZE, 10, np.uint8)
    plain[:, 80:] = 200
    thin = np.full(SIZE, 10, np.uint8)
    thin[::6] = 200  # blurred, the second class has no region of its own
    counts, colours, around = gathered([*[plain] * 3, cv2.GaussianBlur(thin, (0, 0), 1)])
    assert around.inside[200] == 0 and len(counts) > 5
    levels = find_levels(counts, colours, around)
    assert levels.blurred and sorted(levels.kept) == [10, 200]


def test_what_lies_around_is_counted():
    values = np.array([[0, 0, 0, 0, 9, 9],
                       [0, 0, 0, 5, 9, 9],
                       [0, 0, 0, 7, 9, 9]])
    around = look_around(values, count_values(values), False)
    assert around.pixels == {0: 10, 5: 1, 7: 1, 9: 6}
    assert around.inside == {0: 6, 9: 3}
    assert around.between == {5: 1, 7: 1}
    assert around.steps == {'number': 5, 'sum': 9 + 5 + 4 + 7 + 2}
    named = look_around(values, {0: 10, 9: 6, None: 2}, False)
    assert named.pixels == {0: 10, 9: 6, None: 2} and named.between == {None: 2}


@pytest.mark.parametrize('values', [
    [[3, 3, 0], [0, 3, 3]], [[0xFF0000, 0xFF0000], [7, 0xFF0000]], [[-1, -1], [4, -1]]])
def test_values_are_counted(values):
    found, counts = np.unique(values, return_counts=True)
    assert count_values(np.array(values)) == dict(zip(found, counts))
