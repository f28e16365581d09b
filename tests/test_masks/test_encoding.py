"""From values of masks to classes, by hand."""
import numpy as np

from fcn_plugin.masks.encoding import Encoding, nearest_labels, to_labels


def encoding(label_map, colours=False):
    return Encoding(label_map, ['a', 'b', 'c'], [], colours, [], [])


def test_the_nearest_colour_is_that_of_the_shortest_way():
    """Not of the fewest levels in sum: 50 in each of three channels are nearer than 100 in
    one. Nor of the fewest in a channel: 60 in each are further."""
    for level, nearest in ((50, 0), (60, 1)):
        known = encoding({0x010101 * level: 0, 0x000064: 1}, True)
        assert nearest_labels([0, 0x000063], known) == {0: nearest, 0x63: 1}
        assert to_labels(np.array([[0]]), known).tolist() == [[nearest]]


def test_colours_are_no_class_numbers_even_where_they_are_the_same_integers():
    assert encoding({0: 0, 1: 1}).identity and not encoding({0: 0, 1: 1}, True).identity


def test_between_two_regions_there_is_no_third():
    """A value between them is one of the two, whichever is nearer; far from any, of all."""
    known = encoding({0: 0, 100: 1, 200: 2})
    row = np.array([[0] * 4 + [60, 150] + [200] * 4 + [120] * 9])
    assert to_labels(row, known).tolist() == [[0] * 4 + [0, 2] + [2] * 6 + [1] * 7]


def test_a_region_that_is_rendered_a_little_off_is_one():
    """As JPEG does: neither blur, nor does blur beside it take another class."""
    row = np.array([[0] * 4 + [70] + [104] * 6])
    assert to_labels(row, encoding({0: 0, 100: 1})).tolist() == [[0] * 4 + [1] * 7]
