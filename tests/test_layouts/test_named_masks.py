"""Which mask of a folder is which image's, where both are given."""
import re
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


def test_masks_of_one_kind_among_others(tmp_path):
    """The error says how to name them."""
    images, kinds = in_folders(tmp_path / 'images', ['a/1_img.jpg', 'b/2_img.jpg']), []
    for kind in ('color', 'labelIds', 'labelTrainIds'):
        kinds.append(in_folders(tmp_path / 'gt', [f'a/1_gt_{kind}.png', f'b/2_gt_{kind}.png']))
    with pytest.raises(ValueError, match='such as .*/gt/\\*\\*/\\*_labelIds.png') as error:
        with_masks(images, tmp_path / 'gt')
    named = re.search("such as '(.*)'", str(error.value))[1]
    assert with_masks(images, named) == list(zip(images, kinds[1], strict=True))
    with pytest.raises(FileNotFoundError, match='holds no mask'):
        with_masks(images, tmp_path / '**/*_none.png')


@pytest.mark.parametrize('images, words', [
    (['b.jpg'], "'b.jpg' has no mask of its name in '.*', where '.*png' is the first: call"),
    (['a.jpg', 'b.jpg', 'c.jpg'], "'b.jpg' has no mask \\(nor have 1 others\\) of its name"),
    (['2.jpg', '3.jpg'], "'2.jpg' has no mask \\(nor have 1 others\\)"),
    (['seq1_a.jpg'], "'seq1_a.jpg' has no mask of")])
def test_what_has_no_mask_is_named(tmp_path, images, words):
    with pytest.raises(ValueError, match=words):
        pairs(tmp_path, images, ['a.png', '1.png', 'seq2_a.png'])


def test_a_number_that_all_masks_end_in_is_of_their_names(tmp_path):
    with pytest.raises(ValueError, match="'a.jpg' has no mask"):
        pairs(tmp_path, ['a.jpg', 'b.jpg'], ['a_1.png', 'b_1.png'])


def in_folders(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return [root / name for name in names]


@pytest.mark.parametrize('images, masks', [
    (['a/1.jpg', 'b/1.jpg'], ['a/1.png', 'b/1.png']),
    (['val/a/1_leftImg8bit.png', 'val/b/2_leftImg8bit.png'],
     ['val/a/1_gtFine_labelIds.png', 'val/b/2_gtFine_labelIds.png']),
    (['1.jpg', '2.jpg'], ['part1/1.png', 'part2/2.png']),
    (['a/left/1.jpg', 'b/left/1.jpg'], ['a/left/1.png', 'b/left/1.png'])])
def test_masks_in_folders(tmp_path, images, masks):
    images = in_folders(tmp_path / 'images', images)
    masks = in_folders(tmp_path / 'masks', masks)
    assert with_masks(images, tmp_path / 'masks') == list(zip(images, masks, strict=True))
    assert with_masks(images[::-1], tmp_path / 'masks') == list(zip(images, masks))[::-1]


@pytest.mark.parametrize('masks, words', [
    (['b/1.png'], "b/1.png' would be the mask of '.*a/1.jpg' and of '.*b/1.jpg': call the "),
    (['c/1.png', 'd/1.png'], "c/1.png' and '.*d/1.png' may both be the mask of '1.jpg'")])
def test_a_mask_is_not_that_of_images_in_two_folders(tmp_path, masks, words):
    images = in_folders(tmp_path / 'images', ['a/1.jpg', 'b/1.jpg'])
    in_folders(tmp_path / 'masks', masks)
    with pytest.raises(ValueError, match=words):
        with_masks(images, tmp_path / 'masks')
