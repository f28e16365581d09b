import numpy as np
import pytest

from fcn_plugin.visualization import (
    add_legend,
    class_shares,
    default_palette,
    enlarge,
    merge_shares,
    resize_labels,
)
from fcn_plugin.visualization.legend import _per_cent
from fcn_plugin.visualization.text import Canvas, shorten, text_size, text_width

NAMES = [f'class {i}' for i in range(21)]
PALETTE = default_palette(21)


def test_bad_arguments():
    picture = np.zeros((40, 60, 3), np.uint8)
    with pytest.raises(ValueError, match='class 21 is present'):
        add_legend(picture, NAMES, PALETTE, [21])
    with pytest.raises(ValueError, match='class 7 is present, but .* 21 names and 5 colours'):
        add_legend(picture, NAMES, PALETTE[:5], [7])
    with pytest.raises(ValueError, match='class -1 is present'):
        add_legend(picture, NAMES, PALETTE, [-1])
    with pytest.raises(ValueError, match="'above'"):
        add_legend(picture, NAMES, PALETTE, [1], position='above')


@pytest.mark.parametrize('size', [(1, 1), (1, 50), (96, 128), (375, 500), (900, 300)])
@pytest.mark.parametrize('present', [[1], range(21), {3: 0.75, 0: 0.25}])
@pytest.mark.parametrize('position', ['auto', 'right', 'below'])
def test_picture_stays_and_colours_appear(size, present, position):
    picture = np.full((*size, 3), 77, np.uint8)
    result = add_legend(picture, NAMES, PALETTE, present, position)
    large, _ = enlarge(picture)
    height, width = large.shape[:2]
    assert (result[:height, :width] == large).all()
    outside = np.ones(result.shape[:2], bool)
    outside[:height, :width] = False
    found = {tuple(c) for c in result[outside]}
    assert found >= {tuple(PALETTE[i]) for i in present}
    assert tuple(PALETTE[9]) not in found or 9 in present


@pytest.mark.parametrize('size, present, beside', [
    ((300, 500), [1], True), ((200, 500), [1], False), ((300, 500), range(21), False)])
def test_the_legend_is_beside_pictures_that_are_not_wide(size, present, beside):
    result = add_legend(np.zeros((*size, 3), np.uint8), NAMES, PALETTE, present)
    assert (result.shape[0] == size[0], result.shape[1] == size[1]) == (beside, not beside)


def test_shares_stand_behind_their_names_and_long_names_are_cut(monkeypatch):
    said = []
    monkeypatch.setattr(Canvas, 'text', lambda self, text, top, left, *_, **how: said.append(
        (top, left, text)))
    shares = {i: i / 100 for i in range(1, 9)}
    picture = np.zeros((300, 600, 3), np.uint8)
    width = add_legend(picture, NAMES, PALETTE, shares, 'below').shape[1]
    order = [text for *_, text in sorted(said)]
    assert {left for _, left, _ in said} <= set(range(width)) and len(set(order)) == 16
    for name, share in zip(order[::2], order[1::2]):
        assert share == f'{name[-1]}.0 %'
    said.clear()
    add_legend(picture, ['a' * 300, 'b'], PALETTE, [0, 1])
    assert len(said[0][2]) < 40


def test_shares_in_words():
    assert [_per_cent(share) for share in (None, 0., 0.0004, 0.0006, 1)] == [
        '', '0.0 %', '<0.1 %', '0.1 %', '100.0 %']


def test_nothing_present():
    picture = np.zeros((400, 400, 3), np.uint8)
    assert add_legend(picture, NAMES, PALETTE, []).shape == picture.shape


def test_background_box_is_empty():
    picture = np.full((400, 400, 3), 77, np.uint8)
    result = add_legend(picture, NAMES, PALETTE, [2, 5], background=2)
    found = {tuple(c) for c in result[:, 400:].reshape(-1, 3)}
    assert tuple(PALETTE[5]) in found and tuple(PALETTE[2]) not in found


def test_text_follows_the_picture():
    assert text_size(96, 128) == 12
    assert text_size(3000, 4000) > 80
    assert text_width(shorten('a' * 300, 12, 100), 12) <= 100
    assert shorten('cat', 12, 100) == 'cat'


def test_enlarge():
    image = np.zeros((96, 128, 3), np.uint8)
    labels = np.arange(96 * 128).reshape(96, 128)
    large, large_labels = enlarge(image, labels)
    assert large.shape == (288, 384, 3)
    assert (large_labels[1::3, 1::3] == labels).all()
    photograph = np.zeros((375, 500, 3), np.uint8)
    assert enlarge(photograph)[0] is photograph


def test_resize_labels():
    labels = np.random.randint(0, 21, (7, 9))
    assert resize_labels(labels, 7, 9) is labels
    assert (resize_labels(resize_labels(labels, 35, 27), 7, 9) == labels).all()
    assert resize_labels(labels, 1, 1).item() == labels[3, 4]


def test_shares():
    labels = np.array([[0, 0, 2], [2, 2, 255]])
    assert class_shares(labels, 3) == {2: 0.6, 0: 0.4}
    assert list(class_shares(labels, 3)) == [2, 0]
    assert class_shares(np.array([255, -1]), 3) == {}
    alike = np.random.permutation(300) % 60
    assert list(class_shares(alike, 60)) == list(range(60))
    assert merge_shares([{2: 0.5, 0: 0.5}, {1: 1.}]) == [0, 1, 2]
