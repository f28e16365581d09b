"""Which files of a folder belong together, by their names and folders."""
import numpy as np
import pytest
from PIL import Image

from fcn_plugin.layouts.find_pairs import find_pairs
from fcn_plugin.layouts.several_masks import find_class_masks, find_object_masks
from fcn_plugin.utils.errors import InputError


def write(root, *names):
    """Files of the names, noise or, in folders of masks, of two values."""
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
        mask = any(word in name for word in ('mask', 'label'))
        Image.fromarray(pixels[..., 0] // 128 if mask else pixels).save(file)
    return root


def names_of(root, pairs):
    return [tuple(path.relative_to(root).as_posix() for path in pair[:2]) for pair in pairs]


def test_files_whose_name_begins_with_a_point_are_none(tmp_path):
    """macOS leaves ._a.png, which is no picture, and Jupyter copies of what was opened."""
    write(tmp_path, 'images/a.png', 'masks/a.png', 'images/.ipynb_checkpoints/b.png',
          'masks/.ipynb_checkpoints/b.png')
    for folder in ('images', 'masks'):
        (tmp_path / folder / '._a.png').write_bytes(b'Mac OS X')
    found = find_pairs(tmp_path)
    assert names_of(tmp_path, found.pairs) == [('images/a.png', 'masks/a.png')]
    assert not found.lone_images and not found.lone_masks


def test_names_that_are_in_one_another(tmp_path):
    """What masks have around a name is seen of the longest name that they have."""
    stems = ('x', 'px', 'xpx')
    write(tmp_path, *(f'images/{stem}.png' for stem in stems),
          *(f'masks/seg{stem}v2.png' for stem in stems))
    assert names_of(tmp_path, find_pairs(tmp_path).pairs) == [
        (f'images/{stem}.png', f'masks/seg{stem}v2.png') for stem in sorted(stems)]


def test_masks_in_numbered_folders_are_no_classes(tmp_path):
    """Former versions of a mask leave the one that lies beside them to its image."""
    write(tmp_path, *(f'{folder}/{name}.png' for name in 'ab' for folder in (
        'images', 'masks', 'masks/v1', 'masks/v2')))
    found = find_pairs(tmp_path)
    assert names_of(tmp_path, found.pairs) == [
        (f'images/{name}.png', f'masks/{name}.png') for name in 'ab']
    assert len(found.lone_masks) == 4 and not found.unclear


@pytest.mark.parametrize('other', ['labels_vis/{}.png', 'labels_color/{}.png'])
def test_pictures_of_masks_are_known_by_a_word_of_three_letters(tmp_path, other):
    write(tmp_path, *(name.format(stem) for stem in 'ab' for name in (
        'images/{}.png', 'labels/{}.png', other)))
    assert names_of(tmp_path, find_pairs(tmp_path).pairs) == [
        (f'images/{stem}.png', f'labels/{stem}.png') for stem in 'ab']


def test_instances_among_images_are_none(tmp_path):
    write(tmp_path, *(f'images/{stem}{end}.png' for stem in 'ab' for end in ('', '_instance')),
          *(f'masks/{stem}.png' for stem in 'ab'))
    found = find_pairs(tmp_path)
    assert len(found.pairs) == 2 and not found.lone_images
    assert any('2 files of images are left alone' in note for note in found.notes)


# --- several masks an image ----------------------------------------------------------


def test_the_folder_of_a_mask_says_the_split_of_its_image(tmp_path):
    write(tmp_path, *(f'images/{stem}.png' for stem in 'ab'), *(
        f'masks/{split}/{name}/{stem}.png' for split, stem in (('train', 'a'), ('val', 'b'))
        for name in ('cat', 'dog')))
    found = find_class_masks(tmp_path)
    assert found.classes == ['cat', 'dog']
    assert [pair.split for pair in found.pairing.pairs] == ['train', 'val']


def test_numbers_at_the_ends_of_names_are_no_classes(tmp_path):
    write(tmp_path, *(f'images/{stem}.png' for stem in 'ab'),
          *(f'masks/{stem}_{number}.png' for stem in 'ab' for number in (1, 2)))
    with pytest.raises(InputError, match='expects each mask in a folder'):
        find_class_masks(tmp_path)


def test_masks_in_no_folder_of_an_image_go_by_their_names(tmp_path):
    """Though each folder has one image alone."""
    write(tmp_path, *(f'images/{stem}/{stem}.png' for stem in 'ab'),
          *(f'masks/{stem}.png' for stem in 'ab'))
    assert {image.stem: [mask.stem for _, mask in masks] for image, masks in
            find_object_masks(tmp_path).of_image.items()} == dict(a=['a'], b=['b'])
