import numpy as np
import pytest

from fcn_plugin.visualization import (
    comparison,
    comparison_row,
    default_palette,
    error_map,
    overlay,
)
from fcn_plugin.visualization.comparison import CORRECT, IGNORED, WRONG

PALETTE = default_palette(3)


def test_error_map_bad_arguments():
    with pytest.raises(ValueError, match=r'\(4, 5\)'):
        error_map(np.zeros((4, 4), int), np.zeros((4, 5), int))
    with pytest.raises(ValueError, match='does not fit'):
        error_map(np.zeros((4, 4), int), np.zeros((4, 4), int),
                  image=np.zeros((5, 4, 3), np.uint8))


def test_error_map_definition():
    truth = np.array([[0, 1, 255, 254]])
    # what is predicted where the truth is ignored does not count, 255 as little
    prediction = np.array([[0, 2, 1, 254]])
    picture = error_map(prediction, truth)
    assert [tuple(c) for c in picture[0]] == [CORRECT, WRONG, IGNORED, CORRECT]
    picture = error_map(prediction, truth, ignore_index=254)
    assert [tuple(c) for c in picture[0]] == [CORRECT, WRONG, WRONG, IGNORED]
    assert tuple(error_map(np.array([[255]]), np.array([[255]]))[0, 0]) == IGNORED


def test_error_map_over_an_image():
    image = np.random.randint(0, 256, (4, 4, 3), dtype=np.uint8)
    truth, prediction = np.zeros((4, 4), int), np.eye(4, dtype=int)
    picture = error_map(prediction, truth, image=image)
    right = prediction == truth
    assert (picture[~right] == WRONG).all()
    assert (np.ptp(picture[right].astype(int), axis=-1) == 0).all()  # grey
    assert picture[right].max() <= 160  # and dim


def test_rows():
    image = np.zeros((40, 60, 3), np.uint8)
    truth = np.random.randint(0, 3, (40, 60))
    assert len(comparison_row(image, truth, None, PALETTE)) == 2
    assert len(comparison_row(image, truth, truth, PALETTE, errors=False)) == 3
    row = comparison_row(image, truth, truth, PALETTE)
    assert len({picture.shape for picture in row}) == 1 and len(row) == 4
    assert not (row[3] == WRONG).all(-1).any()
    large, prediction = np.zeros((400, 400, 3), np.uint8), np.zeros((400, 400), int)
    truth = np.kron([[0, 1], [2, 9]], np.ones((200, 200), int))
    first, second, third, errors = comparison_row(large, prediction, truth, PALETTE,
                                                  ignore_index=9, background=0)
    assert (first == large).all() and (third == large).all()
    assert (second == overlay(large, truth, PALETTE, 0.6, ignore_index=9,
                              background=0)).all()
    assert (errors == error_map(prediction, truth, 9, large)).all()
    red = np.full((400, 400, 3), (250, 60, 10), np.uint8)
    _, predicted = comparison_row(red, prediction, None, PALETTE, background=0)
    assert (predicted == 111).all()  # in grey, which is 30 % of red and 59 of green
    with pytest.raises(ValueError, match='labels of shape'):
        comparison_row(image, truth[1:], None, PALETTE)


@pytest.mark.parametrize('sizes', [
    [(1, 1)], [(1, 50), (50, 1)], [(96, 128), (375, 500)], [(900, 300), (10, 900)]])
def test_grid_of_any_sizes(sizes):
    rows = [[np.zeros((*size, 3), np.uint8)] * 3 for size in sizes]
    grid = comparison(rows, ['image', 'truth', 'prediction'], ['a row'] * len(rows),
                      ['x', 'y', 'z'], PALETTE, [0, 2])
    assert grid.dtype == np.uint8 and grid.shape[1] >= 3 * 280
    assert (grid == PALETTE[2]).all(-1).any()
    assert not (grid == PALETTE[1]).all(-1).any()
    assert grid.shape[0] < len(sizes) * 1.5 * grid.shape[1] / 3 + 200  # of tall ones, too
    uncoloured = comparison(rows, ['image', 'truth', 'prediction'], None, ['x', 'y', 'z'],
                            PALETTE, [0, 2], background=2)
    assert not (uncoloured == PALETTE[2]).all(-1).any()
    plain = comparison(rows, ['image', 'truth', 'prediction'])
    assert plain.shape[0] < grid.shape[0]


@pytest.mark.parametrize('widths, expected', [
    ((100, 60), 280), ((300, 100), 300), ((100, 700), 500)])
def test_columns_are_as_wide_as_the_widest_picture(widths, expected):
    row = [np.zeros((90, width, 3), np.uint8) for width in widths]
    titles = ['image', 'prediction']
    np.testing.assert_array_equal(comparison([row], titles),
                                  comparison([row], titles, width=expected))


def test_rows_are_as_high_as_their_highest_picture_and_have_captions_of_their_own():
    high, low = (np.zeros((height, 300, 3), np.uint8) for height in (300, 30))
    titles = ['image', 'prediction']
    rows = [[high, low], [low, low]]
    grid = comparison(rows, titles, ['one', 'two'])
    assert grid.shape == comparison([[low, high], [low, low]], titles, ['one', 'two']).shape
    assert grid.shape[0] == comparison([[high] * 2, [low] * 2], titles, ['', '']).shape[0]
    assert (grid != comparison(rows, titles, ['one', 'one'])).any()


def test_grid_bad_arguments():
    row = [np.zeros((4, 4, 3), np.uint8)] * 2
    for rows in ([], [row, row[:1]]):
        with pytest.raises(ValueError, match='every row needs 2 pictures'):
            comparison(rows, ['a', 'b'])
    with pytest.raises(ValueError, match='1 rows, but 2 captions'):
        comparison([row], ['a', 'b'], ['x', 'y'])
