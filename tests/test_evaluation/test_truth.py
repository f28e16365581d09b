"""What the values of masks stand for that a model is judged by."""
import numpy as np
import pytest
from PIL import Image

from fcn_plugin.evaluation.truth import UNJUDGED, find_coding, read_truth

TWO = 'background', 'object'


@pytest.fixture
def masks(tmp_path):
    def write(*rows):
        for i, row in enumerate(rows):
            Image.fromarray(np.array([row], np.uint8)).save(tmp_path / f'{i}.png')
        return [tmp_path / f'{i}.png' for i in range(len(rows))]
    return write


def test_masks_of_class_numbers_are_read_once(masks, tmp_path):
    """What their values stand for is plain with the first that training's are not."""
    first, = masks([0, 1, 2])
    rest = tmp_path / 'read_later.png'
    for classes, known in ((TWO, None), ((*TWO, 'more'), [(0, 0), (128, 1), (255, 2)]),
                           ((*TWO, 'more'), None)):
        coding = find_coding([first, rest], known, classes)
        assert coding.label_map is None and coding.ignore == (255, )


def test_one_value_that_training_had_not_in_any_mask(masks):
    files = masks([0, 128], [0, 7])
    known = [(0, 0), (128, 1)]
    assert find_coding(files[:1], known, TWO).label_map == dict(known)
    assert find_coding(files, known, TWO).label_map is None


@pytest.mark.parametrize('rows, classes, known, ignore, expected', [
    ([[0, 255, 0], [0, 0, 0]], TWO, None, None, [[0, 1, 0], [0, 0, 0]]),
    ([[0, 255, 0], [0, 0, 0]], TWO, [(0, 0), (1, 1)], None, [[0, 1, 0], [0, 0, 0]]),
    ([[0, 255, 0], [0, 1, 0]], TWO, None, None, [[0, UNJUDGED, 0], [0, 1, 0]]),
    ([[0, 255, 0]], TWO, None, [255], [[0, UNJUDGED, 0]]),
    ([[0, 255, 0]], TWO, [(0, 0), (255, 255)], None, [[0, UNJUDGED, 0]]),
    ([[0, 255, 0]], (*TWO, 'more'), None, None, [[0, UNJUDGED, 0]]),
    ([[0, 255, 0]], (*TWO, 'more'), [(0, 2), (128, 0), (255, 1)], [0],
     [[UNJUDGED, 1, UNJUDGED]]),  # of values, not of the classes that they stand for
    ([[0, 255, 128]], (*TWO, 'more'), [(0, 2), (128, 0), (255, 1)], None, [[2, 1, 0]]),
    ([[0, 0, 0]], TWO, None, None, [[0, 0, 0]]),
    ([[0, 255, 0]], TWO * 128, None, None, [[0, 255, 0]])])
def test_black_and_white_masks_of_two_classes(masks, rows, classes, known, ignore, expected):
    """As programs for drawing save them, of a model that was trained on 0 and 1: the object
    did not count, and nothing said so."""
    files = masks(*rows)
    coding = find_coding(files, known, classes, ignore)
    for file, labels in zip(files, expected):
        assert read_truth(file, (1, 3), len(classes), coding).tolist() == [labels]
    assert ('black and white: 255 is object' in coding.note) == (
        classes == TWO and 1 in expected[0])


@pytest.mark.parametrize('name, classes, known, judged', [
    ('a_gtFine_labelIds.png', 19, None, True),
    ('a_gtFine_labelIds.png', 19, [(7, 0), (4, 255), (33, 18)], True),
    ('a_gtFine_labelIds.png', 19, [(7, 1), (33, 0)], False),
    ('a_gtFine_labelIds.png', 34, None, False), ('a.png', 19, None, False)])
def test_cityscapes_numbers_of_all_kinds(tmp_path, name, classes, known, judged):
    """Its dummy masks of test images gave figures, and for others the error said that 33 is
    to be left out."""
    file = tmp_path / name
    Image.fromarray(np.array([[0, 1, 3, 7, 8, 33, 255]], np.uint8)).save(file)
    coding = find_coding([file], known, [f'class {i}' for i in range(classes)])
    assert coding.note == "masks are read as Cityscapes' labelIds" * judged
    if judged:
        assert read_truth(file, (1, 7), classes, coding).tolist() == [
            [UNJUDGED] * 3 + [0, 1, 18, UNJUDGED]]


def test_a_mask_that_lies_the_other_way_round(masks):
    file, = masks([0, 1, 1])
    with pytest.raises(ValueError, match='is 3x1, but its image is 1x3: masks must have'):
        read_truth(file, (3, 1), len(TWO), find_coding([file], None, TWO))


def test_the_number_behind_the_last_class_is_no_class(masks):
    file, = masks([2])
    with pytest.raises(ValueError, match='the label 2, but the model has the classes 0 to 1'):
        read_truth(file, (1, 1), len(TWO), find_coding([file], None, TWO))
