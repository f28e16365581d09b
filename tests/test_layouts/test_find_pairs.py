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
        pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)
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


def test_an_image_that_is_numbered_as_another_leaves_that_its_mask(tmp_path):
    write(tmp_path, 'x/a.jpg', 'x/b.jpg', 'x/a_1.jpg')
    for name in 'ab':
        Image.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / f'x/{name}.png')
    found = find_pairs(tmp_path)
    assert names_of(tmp_path, found.pairs) == [(f'x/{name}.jpg', f'x/{name}.png')
                                               for name in 'ab']
    assert [path.name for path in found.lone_images] == ['a_1.jpg'] and not found.unclear


def test_images_elsewhere_are_told_of_where_a_mask_lacks_one(tmp_path):
    write(tmp_path, *(f'rgb/{name}.png' for name in 'ab'),
          *(f'masks/{name}.png' for name in 'abc'), 'more/x.png')
    found = find_pairs(tmp_path)
    assert [path.name for path in found.lone_images] == ['x.png']
    assert [path.name for path in found.lone_masks] == ['c.png']


def test_one_file_that_may_hold_all_regions_is_told_of(tmp_path):
    write(tmp_path, 'images/a.png')
    for name in ('a.cfg', 'b.json'):
        (tmp_path / name).write_text('{}')
    with pytest.raises(InputError, match='b.json is of no format that is read.*are in it'):
        find_pairs(tmp_path)


# --- several masks an image ----------------------------------------------------------


def test_the_folder_of_a_mask_says_the_split_of_its_image(tmp_path):
    write(tmp_path, *(f'images/{stem}.png' for stem in 'ab'), *(
        f'masks/{split}/{name}/{stem}.png' for split, stem in (('train', 'a'), ('val', 'b'))
        for name in ('cat', 'dog')), 'masks/val/cat/c.png')
    found = find_class_masks(tmp_path)
    assert found.classes == ['cat', 'dog']
    assert [pair.split for pair in found.pairing.pairs] == ['train', 'val']
    assert [path.stem for path in found.pairing.lone_masks] == ['c']


@pytest.mark.parametrize('images', [('a', 'a_1', 'b'), ('train/a', 'val/a')])
def test_before_the_class_at_the_end_of_a_name_is_all_of_the_name_of_an_image(
        tmp_path, images):
    write(tmp_path, *(f'images/{name}.png' for name in images), *(
        f'masks/{name}_{kind}.png' for name in images for kind in ('cat', 'dog')))
    assert {image.relative_to(tmp_path / 'images').with_suffix('').as_posix(): [
        (kind, mask.relative_to(tmp_path / 'masks').as_posix()) for kind, mask in masks]
        for image, masks in find_class_masks(tmp_path).of_image.items()} == {
        name: [(kind, f'{name}_{kind}.png') for kind in ('cat', 'dog')] for name in images}


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


@pytest.mark.parametrize('pattern', ['p_{:03d}', 'img_{:03d}'])  # a role, and 000 is in 0000
def test_names_that_images_have_more_of(tmp_path, pattern):
    """nnU-Net's images end in the number of their channel, and those to test on in Ts."""
    names = [pattern.format(i) for i in range(4)]
    more = pattern.format(7)
    write(tmp_path, *(f'imagesTr/{name}_0000.png' for name in (*names, more)),
          *(f'labelsTr/{name}.png' for name in names),
          *(f'imagesTs/q_{i}_0000.png' for i in range(9)))
    found = find_pairs(tmp_path)
    assert names_of(tmp_path, found.pairs) == [
        (f'imagesTr/{name}_0000.png', f'labelsTr/{name}.png') for name in names]
    assert {pair.split for pair in found.pairs} == {'train'}
    assert [path.stem for path in found.lone_images] == [f'{more}_0000']
    said = f"images are called 'NAME_0000', such as {names[0]}_0000.png"
    assert said in ' '.join(found.notes)
    write(tmp_path, *(f'labelsTs/q_{i}.png' for i in range(9)))
    assert [pair.split for pair in find_pairs(tmp_path).pairs] == ['train'] * 4 + ['test'] * 9


def test_a_channel_of_several_is_no_image(tmp_path):
    write(tmp_path, *(f'imagesTr/{name}_000{i}.png' for name in 'ab' for i in range(3)),
          *(f'labelsTr/{name}.png' for name in 'ab'))
    found = find_pairs(tmp_path)
    assert not found.pairs and len(found.unclear) == 2


@pytest.mark.parametrize('images, masks', [((10, 20, 30), (1, 2, 3)),
                                           ((1, 2, 3), (10, 20, 30))])
def test_a_number_is_in_no_longer_one(tmp_path, images, masks):
    write(tmp_path, *(f'images/frame{i}.png' for i in images),
          *(f'masks/{i}.png' for i in masks))
    assert not find_pairs(tmp_path).pairs


@pytest.mark.parametrize('images, count', [
    ((3, 4, 5, 6, 7, 8), 0), ((1, 2, 3, 4, 5, 6), 6), ((1, 2, 4, 5, 6, 7), 5), ((2, 3, 4), 3),
    ((0, 1, 2, 3, 4, 5), 0)])
def test_masks_that_count_images_from_another_number_are_not_theirs(tmp_path, images, count):
    """MATLAB's Image Labeler calls masks Label_1.png, whatever number the image has."""
    write(tmp_path, *(f'images/IMG_{i:04d}.png' for i in images),
          *(f'PixelLabelData/Label_{i}.png' for i in range(1, 7)))
    assert len(find_pairs(tmp_path).pairs) == count


def test_numbers_that_some_names_share_by_chance_pair_none(tmp_path):
    write(tmp_path, *(f'images/camera_{i}.png' for i in range(1, 5)),
          *(f'masks/probe_{i}.png' for i in range(3, 7)))
    assert not find_pairs(tmp_path).pairs


def test_lists_of_videos(tmp_path):
    """As DAVIS has them: frames of one video are all of one split."""
    write(tmp_path, *(f'{kind}/480p/{video}/0000{i}.png' for video in ('bear', 'camel', 'dog')
                      for i in range(2) for kind in ('JPEGImages', 'Annotations')))
    for task, train in (('2017', 'bear\ndog\n'), ('Main', 'camel\n')):
        (tmp_path / 'ImageSets' / task).mkdir(parents=True)
        (tmp_path / f'ImageSets/{task}/train.txt').write_text(train)
    (tmp_path / 'ImageSets/2017/val.txt').write_text('camel\n')
    assert {pair.image.parent.name: pair.split for pair in find_pairs(tmp_path).pairs} == dict(
        bear='train', camel='val', dog='train')


@pytest.mark.parametrize('lists, left', [
    (dict(train='ab', val='c', test='d'), ''),  # test has no masks
    (dict(train='ab', val='cd'), 'd'), (dict(train='ab'), 'de'), ({}, 'de')])
def test_images_in_no_list_need_no_mask(tmp_path, lists, left):
    """Of VOC's 17,125 images 2,913 have one."""
    write(tmp_path, *(f'JPEGImages/{name}.png' for name in 'abcde'),
          *(f'labels/{name}.png' for name in 'abc'))
    (tmp_path / 'ImageSets/Segmentation').mkdir(parents=True)
    for name, lines in lists.items():
        (tmp_path / f'ImageSets/Segmentation/{name}.txt').write_text('\n'.join(lines))
    for found in (find_pairs(tmp_path), find_object_masks(tmp_path).pairing):
        assert [path.stem for path in found.lone_images] == list(left)
        assert any('left alone' in note for note in found.notes) == (len(left) < 2)


@pytest.mark.parametrize('lists, splits', [
    ({'x_train.txt': 'ab', 'x_test.txt': 'cd'}, ['train', 'train', 'test', 'test']),
    ({'train_list.csv': 'ab', 'val.txt': 'c'}, [None, None, 'val', None]),  # plain names count
    ({'x_train.txt': 'ab', 'x_val.txt': 'c', 'test_log.txt': 'dx'},
     ['train', 'train', 'val', None]),
    ({'x_test.txt': 'cd'}, [None] * 4),
    ({'testing.txt': ['1 , c', '2,d', '3 , 4']}, [None, None, 'test', 'test']),  # HELEN
    ({'x_train.txt': 'ab'}, [None] * 4),
    ({'fold1_train.txt': 'ab', 'fold1_val.txt': 'c', 'fold2_train.txt': 'bc'}, [None] * 4)])
def test_lists_whose_names_say_more(tmp_path, lists, splits):
    write(tmp_path, *(f'{kind}/{name}.png' for name in 'abcd' for kind in ('images', 'masks')))
    for name, lines in lists.items():
        (tmp_path / name).write_text('\n'.join(lines))
    assert [pair.split for pair in find_pairs(tmp_path).pairs] == splits


@pytest.mark.parametrize('names, splits', [
    (('train_1', 'train_2', 'testA_1'), ['test', 'train', 'train']),
    (('train_1', 'train_2', 'a_1'), [None] * 3), (('train_1', 'train_2'), [None] * 2)])
def test_names_of_images_say_splits_where_all_do(tmp_path, names, splits):
    """As GlaS has them, of which the test images were trained on."""
    write(tmp_path, *(f'x/{name}{end}.png' for name in names for end in ('', '_label')))
    assert [pair.split for pair in find_pairs(tmp_path).pairs] == splits


@pytest.mark.parametrize('mask, others', [
    ('labels/{}_label.png', ['labels_noBoundary/{}_label_noBoundary.png']),  # Potsdam
    ('labels/{}_bin.png', ['labels/{}_instanceIds.png']),  # ApolloScape
    ('labels/{}_label_ground-truth_semantic.png', ['labels/{}_label_ground-truth.png']),
    ('labels/{}.png', ['evi/{}.png', 'nir/{}.png'])])
def test_what_lies_beside_masks_of_classes_is_left_alone(tmp_path, mask, others):
    write(tmp_path, *(name.format(stem) for stem in ('a1', 'b1')
                      for name in ('rgb/{}.png', mask, *others)))
    found = find_pairs(tmp_path)
    assert names_of(tmp_path, found.pairs) == [
        (f'rgb/{stem}.png', mask.format(stem)) for stem in ('a1', 'b1')]
    assert not found.lone_masks and not found.lone_images


@pytest.mark.parametrize('other', ['nrg/{}.png', 'more/x{}.png'])
def test_images_in_folders_that_are_called_so_come_first(tmp_path, other):
    """Freiburg Forest calls images of its other cameras as the masks, and those to train on
    otherwise: the others were trained on."""
    write(tmp_path, *(f'{split}/{name.format(stem)}' for split in ('train', 'test')
                      for stem in ('b1-0', 'b2-1', 'b3-2')
                      for name in ('rgb/{}_Clipped.png', 'masks/{}_mask.png', other)))
    found = find_pairs(tmp_path)
    assert names_of(tmp_path, found.pairs) == [
        (f'{split}/rgb/{stem}_Clipped.png', f'{split}/masks/{stem}_mask.png')
        for split in ('test', 'train') for stem in ('b1-0', 'b2-1', 'b3-2')]
    assert not found.lone_images
    assert '6 images are left alone: all masks have theirs in folders' in found.notes[-1]
    write(tmp_path, 'train/masks/b7-0_mask.png', 'train/masks/b8-9_mask.png',
          'train/more/b8-9.png')
    found = find_pairs(tmp_path)  # which needs an image of another folder
    assert [pair.image.parent.name for pair in found.pairs if 'b8' in pair.image.name] == [
        'more']
    assert [path.name for path in found.lone_masks] == ['b7-0_mask.png']


def test_splits_that_each_count_from_one_beside_masks_in_one_row(tmp_path):
    """SUN RGB-D: what only one split has images for is no more theirs than the rest."""
    write(tmp_path, *(f'{split}_images/img-{i}.png' for split, count in (
        ('train', 5), ('test', 3)) for i in range(count)),
          *(f'train_test_labels/img-{i}.png' for i in range(8)))
    found = find_pairs(tmp_path)
    assert not found.pairs and len(found.unclear) == 3


@pytest.mark.parametrize('mask', ['annotations/panoptic_train2017/{}.png',
                                  'masks/{}_gtFine_panoptic.png'])
def test_panoptic_masks_are_refused(tmp_path, mask):
    """Their numbers are of segments, and would have been trained as classes."""
    write(tmp_path, *(name.format(stem) for stem in 'ab' for name in ('images/{}.png', mask)))
    with pytest.raises(InputError, match='panoptic masks number the segments'):
        find_pairs(tmp_path)
    folder = mask.split('/')[-2]
    assert len(find_pairs(tmp_path, masks=folder).pairs) == 2
    write(tmp_path, *(f'annotations/semantic_train2017/{stem}.png' for stem in 'ab'))
    assert len(find_pairs(tmp_path).pairs) == 2


def test_masks_of_sides_are_of_classes_and_images_to_test_on_need_none(tmp_path):
    write(tmp_path, *(f'{folder}/{name}.png' for name in 'ab' for folder in (
        'train/photo', 'train/ManualMask/leftMask', 'train/ManualMask/rightMask')),
          'test/photo/c.png')
    found = find_class_masks(tmp_path)
    assert found.classes == ['left', 'right'] and len(found.of_image) == 2
    assert not found.pairing.lone_images


def test_few_values_are_masks_even_behind_files_that_are_none(tmp_path):
    (tmp_path / 'x').mkdir()
    (tmp_path / 'y').mkdir()
    (tmp_path / 'y/0.png').write_bytes(b'')
    for i in range(5):
        Image.effect_noise((60, 60), 90).convert('RGB').save(tmp_path / f'x/{i}.png')
        if i:
            Image.fromarray(np.arange(60, dtype=np.uint8).reshape(6, 10)).save(
                tmp_path / f'y/{i}.png')
    pairs = find_pairs(tmp_path).pairs
    assert [(p.image.parent.name, p.mask.parent.name) for p in pairs] == [('x', 'y')] * 5
    for i in range(1, 5):
        Image.fromarray(np.arange(70, dtype=np.uint8).reshape(7, 10)).save(
            tmp_path / f'y/{i}.png')
    with pytest.raises(InputError):
        find_pairs(tmp_path)
