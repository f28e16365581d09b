"""What names of files and folders say, word by word."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fcn_plugin.layouts import roles
from fcn_plugin.layouts.roles import common_affix, role_of, split_of
from fcn_plugin.layouts.several_masks import class_of, find_object_masks, may_be_classes


@pytest.mark.parametrize('name, role', [
    ('train_imgs', 'image'), ('JPEGImages', 'image'), ('image_masks', 'mask'),
    ('gtFine', 'mask'), ('animals', None), ('frames-with-annotations', 'image')])
def test_roles(name, role):
    assert role_of(name) == role


@pytest.mark.parametrize('names, split', [
    (['dev'], 'val'), (['valid'], 'val'), (['testing', 'train'], 'test'), (['trainval'], None),
    (['train_val', 'test'], 'test'), (['photos'], None), (['valset'], 'val'),
    (['DUTS-TE'], 'test'), (['valley', 'trainer'], None)])
def test_splits(names, split):
    assert split_of(names) == split


def test_of_many_names_a_sample_shows_what_masks_have_around_them(monkeypatch):
    names = [f'{number:03d}' for number in range(20)]
    masks = [f'{name}_x' if place % 5 == 0 else 'none' for place, name in enumerate(names)]
    assert common_affix(names, masks) is None
    monkeypatch.setattr(roles, '_MOST_COMPARED', 100)
    assert common_affix(names, masks) == ('', '_x')


def test_a_class_is_the_deepest_folder_that_says_more_than_a_role():
    root = Path('data')
    assert class_of(root / 'animals/cat/masks/1.png', root) == 'cat'
    assert class_of(root / 'masks/train/1.png', root) is None
    assert may_be_classes(root, [root / f'masks/{name}/1.png' for name in 'ba']) == ['a', 'b']
    assert may_be_classes(root, [root / f'masks/{name}.png' for name in (
        'a/1', 'b/1', '1')]) == []


def test_masks_of_objects_are_those_of_images_of_their_names(tmp_path):
    """But where each folder has one image, all in it are its own."""
    def save(name):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name)
    for name in 'ab':
        for kind, split in (('plain', ''), ('split', '/train')):
            save(f'{kind}/images{split}/{name}.png')
            save(f'{kind}/masks/{name}.png')
        for other in ('images/x', 'masks/y', 'masks/z'):
            save(f'apart/{name}/{other}.png')
    for kind, split in (('plain', None), ('split', 'train')):
        found = find_object_masks(tmp_path / kind)
        assert {image.stem: [mask.stem for _, mask in masks]
                for image, masks in found.of_image.items()} == dict(a=['a'], b=['b'])
        assert {pair.split for pair in found.pairing.pairs} == {split}
    apart = find_object_masks(tmp_path / 'apart')
    assert {image.parents[1].name: sorted(mask.stem for _, mask in masks)
            for image, masks in apart.of_image.items()} == dict(a=['y', 'z'], b=['y', 'z'])
