"""Which mask of a folder is which image's, where both are given."""
from pathlib import Path

import pytest

from fcn_plugin.layouts.named_masks import with_masks


def pairs(folder, images, masks):
    for name in masks:
        (folder / name).touch()
    return [(image.name, mask.name) for image, mask in with_masks(
        [Path('images', name) for name in images], folder)]


@pytest.mark.parametrize('images, masks', [
    (['a.jpg', 'b.png'], ['a.png', 'b.png']),
    (['a.jpg', 'b.jpg'], ['a.tif', 'b.bmp']),
    (['a.jpg', 'b.jpg'], ['a_mask.png', 'b_mask.png']),
    (['img_1.jpg', 'img_2.jpg'], ['gt_1.png', 'gt_2.png']),
    (['x_1.jpg', 'x_2.jpg'], ['x_1_L.png', 'x_2_L.png']),  # CamVid
    (['a.jpg'], ['a_L.png']), (['a_1.jpg'], ['a_1.gif']),
    (['a_leftImg8bit.png', 'b_leftImg8bit.png'],
     ['a_gtFine_labelTrainIds.png', 'b_gtFine_labelTrainIds.png'])])
def test_by_name_without_what_says_that_they_are_masks(tmp_path, images, masks):
    assert pairs(tmp_path, images, [*masks, 'notes.txt']) == list(
        zip(images, masks, strict=True))


def test_the_same_name_comes_first(tmp_path):
    assert pairs(tmp_path, ['a.jpg'], ['a.png', 'a_mask.png', 'mask_a.png', 'b.png']) == [
        ('a.jpg', 'a.png')]


@pytest.mark.parametrize('masks, both', [
    (['a.bmp', 'a.tif'], "a.bmp' and 'a.tif'"),
    (['a_labelIds.png', 'a_labelTrainIds.png'], "a_labelIds.png' and 'a_labelTrainIds.png'")])
def test_two_masks_of_one_image(tmp_path, masks, both):
    with pytest.raises(ValueError, match=f"{both} may both be the mask of 'a.jpg': move one"):
        pairs(tmp_path, ['a.jpg'], masks)


@pytest.mark.parametrize('images, words', [
    (['b.jpg'], "'b.jpg' has no mask of its name in '.*', where '.*png' is the first: call"),
    (['a.jpg', 'b.jpg', 'c.jpg'], "'b.jpg' has no mask \\(nor have 1 others\\) of its name"),
    (['2.jpg', '3.jpg'], "'2.jpg' has no mask \\(nor have 1 others\\)"),
    (['seq1_a.jpg'], "'seq1_a.jpg' has no mask of")])
def test_what_has_no_mask_is_named(tmp_path, images, words):
    with pytest.raises(ValueError, match=words):
        pairs(tmp_path, images, ['a.png', '1.png', 'seq2_a.png'])
