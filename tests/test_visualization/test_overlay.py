import importlib

import numpy as np
import pytest

from fcn_plugin.visualization import colour_labels, default_palette, overlay

PALETTE = default_palette(4)


def image_and_labels(height=40, width=60):
    image = np.random.randint(0, 256, (height, width, 3), dtype=np.uint8)
    labels = np.zeros((height, width), np.int64)
    labels[10:30, 10:40] = 1
    labels[15:25, 30:60] = 3
    return image, labels


@pytest.mark.parametrize('change, words', [
    (dict(image=np.zeros((40, 60), np.uint8)), 'RGB image'),
    (dict(image=np.zeros((40, 60, 3))), 'float64'),
    (dict(labels=np.zeros((40, 61), np.int64)), r'\(40, 60\)'),
    (dict(labels=np.zeros((40, 60))), 'float64'),
    (dict(labels=np.full((40, 60), 7)), 'label 7 has no colour'),
    (dict(labels=np.full((40, 60), -1)), 'label -1 has no colour'),
    (dict(alpha=1.5), 'alpha must be between 0 and 1'),
])
def test_bad_arguments(change, words):
    image, labels = image_and_labels()
    arguments = dict(dict(image=image, labels=labels, palette=PALETTE), **change)
    with pytest.raises(ValueError, match=words):
        overlay(**arguments)


@pytest.mark.parametrize('size', [(1, 1), (1, 50), (50, 1), (2, 2), (40, 60)])
def test_any_size(size):
    image = np.random.randint(0, 256, (*size, 3), dtype=np.uint8)
    labels = np.random.randint(0, 4, size)
    picture = overlay(image, labels, PALETTE)
    assert picture.shape == image.shape and picture.dtype == np.uint8


def test_alpha_zero_leaves_the_image():
    image, labels = image_and_labels()
    before = image.copy()
    picture = overlay(image, labels, PALETTE, alpha=0, outlines=False)
    assert (picture == image).all() and picture is not image
    overlay(image, labels, PALETTE)
    assert (image == before).all()


def test_alpha_one_is_the_palette():
    image, labels = image_and_labels()
    picture = overlay(image, labels, PALETTE, alpha=1, outlines=False)
    assert (picture == PALETTE[labels]).all()


@pytest.mark.parametrize('kind', [np.uint8, np.int32, np.int64, np.uint16])
def test_ignored_and_background_stay(kind):
    image, labels = image_and_labels()
    labels[:5] = 255
    picture = overlay(image, labels.astype(kind), PALETTE, outlines=False, background=0)
    kept = (labels == 255) | (labels == 0)
    assert (picture[kept] == image[kept]).all()
    assert (picture[~kept] != image[~kept]).any()


@pytest.mark.parametrize('grey', [0, 127, 255])
@pytest.mark.parametrize('colour', [
    (0, 0, 0), (255, 255, 255), (128, 0, 0), (0, 255, 0), (128, 128, 0)])
def test_outlines_show_on_any_image(grey, colour):
    image = np.full((40, 60, 3), grey, np.uint8)
    labels = np.zeros((40, 60), np.int64)
    labels[10:30, 10:40] = 1
    picture = overlay(image, labels, [(1, 2, 3), colour], alpha=0, background=0)
    changed = np.abs(picture.astype(int) - image).max(-1)
    # along the region's border, line or edge differs much from the image
    assert (np.maximum(changed[10:30, 10], changed[10:30, 9]) > 100).all()
    # and nothing else is touched: neither the inside nor far outside
    assert not changed[14:26, 14:36].any() and not changed[:9].any()
    # the line, just inside, has the class's own colour; its edge lies outside
    assert (picture[20, 10] == colour).all()
    assert picture[20, 9, 0] == (0 if colour[1] else 255)  # green is bright


def test_every_border_between_classes_is_drawn():
    image = np.full((20, 20, 3), 100, np.uint8)
    labels = np.kron(np.arange(4).reshape(2, 2), np.ones((10, 10), int))
    picture = overlay(image, labels, [(10, 20, 30 * i) for i in range(4)], alpha=0)
    for column in (9, 10):
        assert (picture[:, column] != 100).any(-1).all()
    assert (picture[0:8, 0:8] == 100).all()


@pytest.mark.parametrize('size, changed', [((20, 1500), 3), ((1500, 20), 3), ((750, 750), 7)])
def test_outlines_are_as_thick_as_the_shorter_side_has_room(size, changed):
    """A line on both sides of an edge."""
    image, labels = np.full((*size, 3), 100, np.uint8), np.zeros(size, np.uint8)
    labels[:, size[1] // 2:] = 1
    picture = overlay(image, labels, [(250, 0, 0), (0, 250, 0)], alpha=0)
    assert (picture[5] != 100).any(-1).sum() == changed


def test_colour_labels():
    labels = np.array([[0, 3], [255, 1]])
    colours = colour_labels(labels, PALETTE, ignore_colour=(9, 8, 7))
    assert (colours[0, 1] == PALETTE[3]).all() and (colours[1, 0] == (9, 8, 7)).all()


def test_256_classes_of_uint8():
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(4, 0).repeat(4, 1)
    image = np.zeros((64, 64, 3), np.uint8)
    picture = overlay(image, labels, default_palette(256), alpha=1, ignore_index=-1)
    assert (picture[62, 62] == default_palette(256)[255]).all()


def test_default_palette():
    palette = default_palette(256)
    assert len({tuple(c) for c in palette}) == 256
    # the first colours of Pascal VOC
    assert palette[:5].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0],
                                    [0, 0, 128]]
    assert default_palette(300).shape == (300, 3)


@pytest.mark.parametrize('outlines', [False, True])
@pytest.mark.parametrize('width', [1, 700])
def test_bands_are_not_seen(monkeypatch, outlines, width):
    """Large pictures are painted a band at a time."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (900, width, 3), np.uint8)
    labels = rng.integers(0, 4, (90, -(-width // 10))).repeat(10, 0).repeat(10, 1)[:, :width]
    # the package calls the function what the module is called
    module = importlib.import_module('fcn_plugin.visualization.overlay')
    args = image, labels, default_palette(4), 0.5, outlines, 3, 0
    whole = overlay(*args)
    for band in (1, 7 * width, 500 * width + 1):
        monkeypatch.setattr(module, '_BAND', band)
        np.testing.assert_array_equal(overlay(*args), whole)
