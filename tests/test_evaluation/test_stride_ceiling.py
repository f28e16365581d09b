"""Coarsened truth, against loops and by hand."""
import numpy as np
import pytest

from fcn_plugin.evaluation import coarsen_labels, stride_ceiling


def by_loop(labels, factor):
    coarse = np.empty_like(labels)
    for top in range(0, labels.shape[0], factor):
        for left in range(0, labels.shape[1], factor):
            cell = labels[top:top + factor, left:left + factor]
            height, width = cell.shape
            coarse[top:top + factor, left:left + factor] = cell[height // 2, width // 2]
    return coarse


@pytest.mark.parametrize('shape', [(1, 1), (64, 96), (37, 51), (5, 200)])
@pytest.mark.parametrize('factor', [1, 2, 5, 8, 32, 128])
@pytest.mark.parametrize('kind', [np.uint8, np.int64])
def test_equals_loop(shape, factor, kind):
    labels = np.random.default_rng(0).integers(0, 21, shape).astype(kind)
    found = coarsen_labels(labels, factor)
    assert found.dtype == kind
    np.testing.assert_array_equal(found, by_loop(labels, factor))


def test_factor_one_keeps_all_that_counts():
    labels = np.random.default_rng(0).choice([0, 1, 2, 255], (20, 30))
    counted = labels != 255
    np.testing.assert_array_equal(coarsen_labels(labels, 1)[counted], labels[counted])


@pytest.mark.parametrize('ignored', [255, 0, -1])
def test_ignored_middle_stands_for_its_nearest(ignored):
    """Distances that differ by more than OpenCV's 5x5 mask is wrong."""
    labels = np.full((9, 9), ignored)
    labels[3, 4], labels[4, 7], labels[8, 0] = 1, 2, 3
    assert (coarsen_labels(labels, 9, ignored) == 1).all()
    labels[3, 4] = ignored
    assert (coarsen_labels(labels, 9, ignored) == 2).all()


def test_ignored_alone_stays():
    labels = np.full((9, 12), 255, np.uint8)
    np.testing.assert_array_equal(coarsen_labels(labels, 4), labels)


@pytest.mark.parametrize('factor', [0, -4])
def test_factor(factor):
    with pytest.raises(ValueError, match=f'factor is {factor}, expected at least 1'):
        coarsen_labels(np.zeros((4, 4), np.uint8), factor)


def test_255_is_a_class_where_another_label_does_not_count():
    labels = np.array([[0, 255, 11]], np.uint8)
    found = stride_ceiling([('a', labels)], [1], ignore_index=11)[1]
    assert found['aAcc'] == 1 and found['IoU'][[0, 255]].tolist() == [1, 1]


def test_ceiling_by_hand():
    """A stripe one pixel wide, found by cells of 2 only where it is in the middle."""
    labels = np.zeros((4, 8), np.uint8)
    labels[:, 3] = 1  # its cell's middle: the cell, 2 wide, becomes 1
    labels[:, 6] = 2  # beside the middle: lost
    labels[0, 0] = 255
    found = stride_ceiling([('a', labels)], factors=(2, 1))
    assert list(found) == [2, 1]
    assert found[1]['mIoU'] == found[1]['aAcc'] == 1
    # of 31 pixels: 4 of 0 become 1, 4 of 2 become 0
    assert found[2]['aAcc'] == pytest.approx(23 / 31)
    assert found[2]['IoU'][:3].tolist() == pytest.approx([19 / 27, 4 / 8, 0])
    assert found[2]['mIoU'] == pytest.approx((19 / 27 + 1 / 2) / 3)


def test_sums_over_maps_and_skips_ignored_ones():
    rng = np.random.default_rng(0)
    maps = [rng.choice([0, 1, 255], (h, 30)).astype(np.uint8) for h in (10, 17)]
    nothing = np.full((5, 5), 255, np.uint8)
    both = stride_ceiling([('a', maps[0]), ('-', nothing), ('b', maps[1])], (4, ))[4]
    hits = [coarsen_labels(m, 4)[m != 255] == m[m != 255] for m in maps]
    assert both['aAcc'] == pytest.approx(np.concatenate(hits).mean())


def test_labels_beyond_the_classes():
    labels = np.full((4, 4), 3, np.uint8)
    with pytest.raises(ValueError, match=r'^mask\.png: the truth holds the labels \[3\]'):
        stride_ceiling([('mask.png', labels)], num_classes=3)
