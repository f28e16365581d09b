"""Which class each value is, without a file."""
import pytest
from mmseg.datasets import CityscapesDataset, PascalContextDataset59, PotsdamDataset

from fcn_plugin.masks.colours import packed
from fcn_plugin.masks.mask_values import find_encoding


@pytest.mark.parametrize('values, classes, expected', [
    ((0, 1, 65535), None, {0: 0, 1: 1, 65535: 255}),
    ((0, 65535), None, {0: 0, 65535: 1}),
    ((-1, 0, 1), None, {-1: 255, 0: 0, 1: 1}),
    # between values of 16 bits 255 is a number as any other
    ((0, 255, 300), None, {0: 0, 255: 1, 300: 2}),
    ((0, 255, 300, 65535), None, {0: 0, 255: 1, 300: 2, 65535: 255}),
    ((0, 3, 255), None, {0: 0, 3: 3, 255: 255}),
    ((5, ), None, {5: 5}), ((1, 2), None, {1: 0, 2: 1}), ((1, 3), None, {1: 1, 3: 3}),
    ((1, 2), 'abc', {1: 1, 2: 2}), ((1, 2, 3), 'abc', {1: 0, 2: 1, 3: 2}),
    ((1, 3), 'abc', {1: 0, 3: 2}), ((7, 40, 41), 'abc', {7: 0, 40: 1, 41: 2})])
def test_values_are_classes_by_what_is_usual(values, classes, expected):
    found = find_encoding(dict.fromkeys(values, 9), False, classes and list(classes))
    assert found.label_map == expected and not found.faults


@pytest.mark.parametrize('values, ignore, classes, expected, names', [
    ((1, 2, 3), (), None, {1: 0, 2: 1, 3: 2}, ['class 0', 'class 1', 'class 2']),
    ((0, 1, 2), (1, ), None, {0: 0, 1: 255, 2: 1}, ['class 0', 'class 2']),
    ((0, 1, 2), (1, ), 'abc', {0: 0, 1: 255, 2: 1}, ['a', 'c']),
    ((0, 90, 180), (90, ), 'abc', {0: 0, 90: 255, 180: 1}, ['a', 'c']),
    ((1, 2, 3), (1, ), 'abc', {1: 255, 2: 0, 3: 1}, ['b', 'c']),
    ((0, 1, 2, 9), (9, ), 'abc', {0: 0, 1: 1, 2: 2, 9: 255}, ['a', 'b', 'c'])])
def test_there_are_as_many_classes_as_count(values, ignore, classes, expected, names):
    """What does not count is none of them, and those behind it move up."""
    found = find_encoding(dict.fromkeys(values, 9), False, classes and list(classes), ignore)
    assert found.label_map == expected and found.classes == names and not found.faults


def test_of_a_known_palette_what_does_not_count_is_left_out():
    meta = PascalContextDataset59.METAINFO
    colours = [packed(rgb) for rgb in meta['palette'][:12]]
    found = find_encoding(dict.fromkeys(colours, 9), True, ignore=[f'#{colours[3]:06x}'])
    assert found.label_map == {colour: 255 if i == 3 else i - (i > 3)
                               for i, colour in enumerate(colours)}
    assert found.classes == [*meta['classes'][:3], *meta['classes'][4:]]
    assert found.palette[3] == list(meta['palette'][4])


def test_black_beside_a_known_palette_is_a_class_of_its_own():
    """Colours of Cityscapes with black were taken for Mapillary's 66 classes."""
    meta = CityscapesDataset.METAINFO
    colours = [packed(rgb) for rgb in meta['palette'][:12]]
    found = find_encoding(dict.fromkeys([0, *colours], 9), True)
    assert found.classes == ['background', *meta['classes']]
    assert found.label_map == {0: 0, **{c: i for i, c in enumerate(colours, 1)}}
    assert "black is taken for a class" in ' '.join(found.notes)
    found = find_encoding(dict.fromkeys([0, *colours], 9), True, ignore=['#000000'])
    assert found.classes == list(meta['classes']) and found.label_map[0] == 255
    few = find_encoding(dict.fromkeys([0, *colours[:4]], 9), True)  # as UDD has them
    assert len(few.classes) == 5 and 'road' not in few.classes
    potsdam = [packed(rgb) for rgb in PotsdamDataset.METAINFO['palette']]  # anyone's colours
    assert 'aqua' in find_encoding(dict.fromkeys([0, *potsdam], 9), True).classes


@pytest.mark.parametrize('count', [255, 256])
def test_8_bits_hold_255_classes(count):
    """And 255 for pixels that do not count; a value beyond the classes is named."""
    found = find_encoding(dict.fromkeys(range(count), 9), False,
                          [f'c{i}' for i in range(count)])
    assert found.faults == [] if count == 255 else (
        'at most 255 can be trained' in found.faults[0])
    for values, beyond in (((0, 1, 100), 100), ((0, 1, 2), 2)):  # they do not count from 1
        found = find_encoding(dict.fromkeys(values, 9), False, ['a', 'b'])
        assert f'beyond the 2 classes: {beyond} (' in found.faults[0]


def test_black_is_the_background_however_rare_and_the_others_follow_by_pixels():
    counts = {0xff0000: 5, 0x000000: 1, 0x0000ff: 50, 0x00ff00: 5}
    found = find_encoding(counts, True)
    assert found.label_map == {0x000000: 0, 0x0000ff: 1, 0x00ff00: 2, 0xff0000: 3}
    assert found.palette == [[0, 0, 0], [0, 0, 255], [0, 255, 0], [255, 0, 0]]
    assert found.classes == ['background', 'blue', 'lime', 'red']


def test_a_colour_of_two_classes_is_the_first_s():
    """Pascal Context has one grey twice, for classes 5 and 47."""
    palette = PascalContextDataset59.METAINFO['palette']
    found = find_encoding({packed(rgb): 9 for rgb in palette[:12]}, True)
    assert found.label_map == {packed(rgb): i for i, rgb in enumerate(palette[:12])}
    assert found.classes == list(PascalContextDataset59.METAINFO['classes'])


@pytest.mark.parametrize('colour, name', [(0xfe0101, 'red'), (0x4169e0, 'royalblue')])
def test_colours_are_called_after_the_nearest_that_has_a_name(colour, name):
    found = find_encoding({0: 9, colour: 5, 0x123456: 2}, True)
    assert found.classes[found.label_map[colour]] == name
