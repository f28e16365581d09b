"""From labels to polygons, and back to pixels."""
from pathlib import Path

import cv2
import numpy as np
import pytest

from fcn_plugin.annotations.drawing import draw
from fcn_plugin.annotations.regions import Annotated, Region, joined
from fcn_plugin.inference.outlines import _close, proposed, simplified


def scene(seed=0, size=(60, 80), classes=4):
    """Discs within discs, specks, and regions that touch at corners alone."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(size)
    labels = np.zeros(size, np.uint8)
    for _ in range(8):
        cy, cx, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(8, 20)
        far = np.hypot(y - cy, x - cx)
        labels[far < r] = rng.integers(classes)
        labels[far < r / 2] = rng.integers(classes)
    labels[rng.random(size) < 0.01] = classes - 1
    labels[:8, :8] = np.indices((8, 8)).sum(0) % 2
    return labels


NAMES = ['background', 'a', 'b', 'c']
IMAGE = Annotated('x.png', None, (), Path('x.png'))


def redrawn(image, shape):
    one = image._replace(regions=tuple(
        region._replace(outlines=(joined(region), ), holes=()) for region in image.regions))
    return draw(one, shape, dict(a=1, b=2, c=3, background=9))[0]


@pytest.mark.parametrize('seed', range(4))
def test_outlines_without_tolerance_keep_every_pixel(seed):
    labels = scene(seed)
    found = proposed(IMAGE, labels, NAMES, background=0, tolerance=0)
    assert (redrawn(found, labels.shape) == labels).all()
    everything = proposed(IMAGE, labels, NAMES, tolerance=0)
    assert (redrawn(everything, labels.shape) == np.where(labels, labels, 9)).all()


@pytest.mark.parametrize('seed', range(4))
def test_the_default_tolerance_keeps_99_percent_in_fewer_points(seed):
    labels = scene(seed)
    found = proposed(IMAGE, labels, NAMES, background=0)
    assert (redrawn(found, labels.shape) == labels).mean() >= 0.99
    smooth = (np.hypot(*(np.indices((300, 400)) - [[[150]], [[200]]])) < 120).astype(np.uint8)
    few, = proposed(IMAGE, smooth, NAMES, background=0).regions
    many, = proposed(IMAGE, smooth, NAMES, background=0, tolerance=0).regions
    assert 5 * len(few.outlines[0]) < len(many.outlines[0])


def test_the_default_tolerance_keeps_what_is_thin_and_small():
    """Which the pixels of the whole image say little of."""
    labels = np.zeros((600, 600), np.uint8)
    labels[100, 100:300] = labels[100:200, 300] = 1
    labels[np.arange(200) // 3 + 300, np.arange(200) + 100] = 1
    labels[np.arange(200) // 3 + 301, np.arange(200) + 100] = 1
    labels[np.hypot(*(np.indices(labels.shape) - [[[500]], [[500]]])) < 2.5] = 2
    for region in proposed(IMAGE, labels, NAMES, background=0).regions:
        exact = labels == NAMES.index(region.name)
        found = redrawn(IMAGE._replace(regions=(region, )), labels.shape) > 0
        _, areas = cv2.connectedComponents(exact.astype(np.uint8))
        of_it = areas == np.unique(areas[found & exact])
        assert (found != of_it).sum() <= 0.1 * of_it.sum()


def test_an_image_of_300_classes():
    labels = np.arange(300, dtype=np.int16).reshape(15, 20)
    found = proposed(IMAGE, labels, [f'{i}' for i in range(300)])
    assert [region.name for region in found.regions] == [f'{i}' for i in range(300)]


@pytest.mark.parametrize('tolerance', [0.3, 1, 2.5])
def test_no_corner_is_further_off_than_the_tolerance(tolerance):
    for seed in range(3):
        for region in proposed(IMAGE, scene(seed), NAMES, tolerance=0).regions:
            exact = region.outlines[0]
            fewer = simplified(exact, tolerance)
            sides = np.roll(fewer, -1, 0) - fewer
            lengths = np.maximum((sides ** 2).sum(1), 1e-9)
            share = np.clip(((exact[:, None] - fewer) * sides).sum(2) / lengths, 0, 1)
            far = np.linalg.norm(exact[:, None] - fewer - share[..., None] * sides, axis=2)
            assert far.min(1).max() <= tolerance + 1e-6


def test_a_polygon_is_closed_and_stays_one():
    from_within_a_side = np.array([[5., 0], [10, 0], [10, 10], [0, 10], [0, 0]])
    assert len(simplified(from_within_a_side, 0.5)) == 4
    thin = np.array([[0., 0], [10, 0.4], [5, 0.5]])
    assert (simplified(thin, 2) == thin).all()


def test_what_a_tolerance_changes_is_known_where_there_are_holes():
    """Though a path goes around all of it, that begins with a point that is left out."""
    outline, *holes = (np.array(points) + 0.25 for points in (
        [(40, 18), (41, 20), (80, 20), (80, 70), (10, 70), (10, 20), (39, 20)],
        [(20, 40), (40, 40), (40, 60), (20, 60)], [(50, 30), (60, 30), (60, 50), (50, 50)]))
    exact = Region('a', (outline, ), tuple(holes))
    simpler, changed, _ = _close(exact, (3., ), (80, 90))
    assert len(simpler.outlines[0]) == 4
    before, after = (redrawn(IMAGE._replace(regions=(one, )), (80, 90))
                     for one in (exact, simpler))
    found = np.zeros((80, 90), bool)
    found[changed.top:changed.top + changed.pixels.shape[0],
          changed.left:changed.left + changed.pixels.shape[1]] = changed.pixels
    assert found.any() and (found == (before != after)).all()


def test_specks_are_left_out_and_what_is_around_them_closes():
    labels = np.zeros((20, 20), np.uint8)
    labels[2:14, 2:14] = 1
    labels[5, 5:7] = 2
    labels[9:12, 9:12] = 0
    labels[17, 17] = 1
    found = proposed(IMAGE, labels, NAMES, background=0, tolerance=0, min_area=2)
    assert [region.name for region in found.regions] == ['a', 'b']
    found = proposed(IMAGE, labels, NAMES, background=0, tolerance=0, min_area=3)
    region, = found.regions
    assert region.name == 'a' and len(region.holes) == 1
    labels[5, 5:7], labels[17, 17] = 1, 0
    assert (redrawn(found, labels.shape) == labels).all()


def test_a_score_is_the_mean_of_the_region_s_pixels():
    labels = np.zeros((4, 9), np.uint8)
    labels[:, :3] = labels[:, 6:] = 1
    scores = np.zeros((2, 4, 9), np.float32)
    scores[1, :, :3], scores[1, :2, 6:], scores[1, 2:, 6:] = 0.9, 0.6, 0.8
    found = proposed(IMAGE, labels, NAMES, 0, scores)
    assert sorted(round(region.score, 6) for region in found.regions) == [0.7, 0.9]
    labels[:] = 0
    labels[:2, :2] = labels[2:, 2:4] = 1  # touch at a corner, and so are one
    region, = proposed(IMAGE, labels, NAMES, 0, scores, min_area=8).regions
    assert region.score == pytest.approx(scores[1][labels == 1].mean())
