"""Several masks an image: fcn check-data --class-folders, and --instances."""
import re
from pathlib import Path

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from fcn_plugin.drawn_masks.several_masks import _labels
from fcn_plugin.layouts.pairs import Pair
from fcn_plugin.own_data.check_dataset import check_dataset
from fcn_plugin.own_data.findings import labels_of, report
from fcn_plugin.own_data.inspect_pairs import Inspected, may_number_objects
from fcn_plugin.own_data.write_config import check_and_write
from fcn_plugin.utils.config import load_config
from fcn_plugin.utils.errors import InputError

SIZE = 24, 32


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def picture(path, number):
    save(path, np.random.RandomState(number).randint(0, 256, (*SIZE, 3), np.uint8))


def area(rows, columns, value=255):
    mask = np.zeros(SIZE, np.uint8)
    mask[rows, columns] = value
    return mask


CAT, DOG = area(slice(2, 10), slice(3, 20)), area(slice(8, 20), slice(10, 30))


def check(root, drawn, **options):
    return check_dataset(str(root), drawn=drawn, class_folders=True, **options)


def found(checked):
    """Classes of each image, as names by name."""
    names = dict(enumerate(checked.encoding.classes)) | {255: None}
    every = [item for items in checked.splits.values() for item in items]
    return {item.pair.image.stem: np.vectorize(names.get, [object])(
        labels_of(item, checked.encoding)) for item in every}


def expected(cat, dog):
    """By the definition: what both claim does not count."""
    labels = np.full(SIZE, 'background', object)
    labels[cat > 0], labels[dog > 0] = 'cat', 'dog'
    labels[(cat > 0) & (dog > 0)] = None
    return labels


@pytest.mark.parametrize('mask', ['masks/{}/{}.png', '{}/masks/{}.png', 'masks/{}/{}_mask.png',
                                  'gt/{}/{}.jpg', '{}_masks/{}.png'])
def test_one_image_in_several_folders(tmp_path, mask):
    """Two masks of each image, in one folder of images."""
    root = tmp_path / 'data'
    for number in range(4):
        picture(root / f'images/{number}.png', number)
        save(root / mask.format('cat', number), CAT)
        save(root / mask.format('dog', number), np.roll(DOG, number, 1))
    with pytest.raises(InputError, match='give --class-folders'):
        check_dataset(str(root))
    checked = check(root, tmp_path / 'drawn')
    assert checked.encoding.classes == ['background', 'cat', 'dog'] and not checked.faults
    labels = found(checked)
    for number in range(4):
        assert np.array_equal(labels[str(number)], expected(CAT, np.roll(DOG, number, 1)))
    shared = sum(int(((CAT > 0) & (np.roll(DOG, n, 1) > 0)).sum()) for n in range(4))
    assert f'{shared} pixels of 4 images are in masks of several classes' in report(checked)


@pytest.mark.parametrize('image, mask', [
    ('images/{}.jpg', 'masks/{}_{}.png'),
    ('photos/{}.jpg', 'CelebAMask-HQ-mask-anno/0/{:05d}_{}.png'),  # of 7.jpg, 00007_cat.png
    ('train/images/x_{}.jpg', 'train/masks/x_{}_{}_mask.png'),
])
def test_classes_at_the_end_of_names(tmp_path, image, mask):
    root = tmp_path / 'data'
    for number in range(4):
        picture(root / image.format(number), number)
        save(root / mask.format(number, 'cat'), CAT)
        save(root / mask.format(number, 'dog'), np.roll(DOG, number, 1))
    with pytest.raises(InputError, match='give --class-folders'):
        check_dataset(str(root))
    checked = check(root, tmp_path / 'drawn')
    assert checked.encoding.classes == ['background', 'cat', 'dog'] and not checked.faults
    assert "'cat' of" in report(checked)
    labels = {int(name.rpartition('_')[2]): each for name, each in found(checked).items()}
    for number in range(4):
        assert np.array_equal(labels[number], expected(CAT, np.roll(DOG, number, 1)))


def test_masks_of_classes_beside_others_are_not_read_for_these(tmp_path):
    """As Agriculture-Vision lies: masks say where the image is, labels/CLASS what is there."""
    root = tmp_path / 'data'
    for number in range(4):
        picture(root / f'train/images/rgb/{number}.jpg', number)
        save(root / f'train/masks/{number}.png', area(slice(0, 20), slice(0, 30)))
        save(root / f'train/labels/cat/{number}.png', CAT)
        save(root / f'train/labels/dog/{number}.png', DOG)
    with pytest.raises(InputError, match='several masks would fit 4 images.*--class-folders'):
        check_dataset(str(root))
    with pytest.raises(InputError, match='--masks FOLDER names theirs'):
        check(root, tmp_path / 'drawn')
    checked = check(root, tmp_path / 'again', masks='labels')
    assert not checked.faults and np.array_equal(found(checked)['0'], expected(CAT, DOG))


def test_nothing_that_fits(tmp_path):
    for number in range(3):
        picture(tmp_path / f'images/a{number}b.png', number)
        save(tmp_path / f'masks/cat/c{number + 9}d.png', CAT)
    with pytest.raises(InputError, match='no mask has the name of one image alone.*a0b.png, '
                                         'and masks such as .*c10d.png; --images'):
        check(tmp_path, tmp_path / 'drawn')


def test_one_folder_an_image_is_not_read_as_one_class_without_a_word(tmp_path):
    """As ultrasound images of tumours lie: benign/x.png and benign/x_mask.png."""
    root = tmp_path / 'data'
    for number, name in enumerate(['cat', 'cat', 'dog', 'dog', 'neither']):
        picture(root / f'{name}/{name} ({number}).png', number)
        mask = dict(cat=CAT, dog=DOG).get(name, np.zeros(SIZE, np.uint8))
        save(root / f'{name}/{name} ({number})_mask.png', mask)
    plain = check_dataset(str(root))
    assert plain.encoding.classes == ['background', 'object']
    assert ('note    masks lie in the folders cat, dog, neither, and are of one class all the '
            'same: if each folder is a class, give --class-folders') in report(plain)
    checked = check(root, tmp_path / 'drawn', ignore=['neither'])
    assert checked.encoding.classes == ['background', 'cat', 'dog']
    labels = found(checked)
    nothing = np.zeros(SIZE, np.uint8)
    assert np.array_equal(labels['cat (1)'], expected(CAT, nothing))
    assert np.array_equal(labels['dog (3)'], expected(nothing, DOG))
    assert np.array_equal(labels['neither (4)'], expected(nothing, nothing))
    for classes in (['neither', 'dog', 'cat'], ['background', 'neither', 'dog', 'cat']):
        named = check(root, tmp_path / 'again', classes=classes)
        assert named.encoding.classes == ['background', 'neither', 'dog', 'cat']
        assert np.array_equal(found(named)['cat (1)'], expected(CAT, nothing))


@pytest.mark.parametrize('mask', ['masks/{}/{}/{}.png', '{}/masks/{}/{}.png'])
def test_folders_that_images_have_are_no_classes(tmp_path, mask):
    """Scenes that count anew."""
    root = tmp_path / 'data'
    for scene in (1, 2):
        for number in range(3):
            picture(root / f'images/seq{scene}/{number}.png', 3 * scene + number)
            save(root / mask.format('cat', f'seq{scene}', number), np.roll(CAT, scene, 1))
            if number:
                save(root / mask.format('dog', f'seq{scene}', number), np.roll(DOG, number, 0))
    checked = check(root, tmp_path / 'drawn')
    assert checked.encoding.classes == ['background', 'cat', 'dog'] and not checked.faults
    items = [item for part in checked.splits.values() for item in part]
    assert len(items) == 6
    for item in items:
        scene, number = int(item.pair.image.parent.name[3:]), int(item.pair.image.stem)
        dog = np.roll(DOG, number, 0) if number else 0 * DOG
        wanted = expected(np.roll(CAT, scene, 1), dog)
        names = dict(enumerate(checked.encoding.classes)) | {255: None}
        seen = np.vectorize(names.get, [object])(labels_of(item, checked.encoding))
        assert np.array_equal(seen, wanted)


@pytest.mark.parametrize('scene', ['', 'seq1/'])
@pytest.mark.parametrize('split', ['', 'val/'])
def test_a_class_may_be_called_train(tmp_path, split, scene):
    root = tmp_path / 'data'
    for number in range(4):
        place = split if number > 1 else split and 'train/'
        picture(root / f'{place}images/{scene}{number}.png', number)
        save(root / f'{place}masks/bus/{scene}{number}.png', CAT)
        if number % 2:
            save(root / f'{place}masks/train/{scene}{number}.png', DOG)
    checked = check(root, tmp_path / 'drawn')
    assert checked.encoding.classes == ['background', 'bus', 'train'] and not checked.faults
    wanted = expected(CAT, DOG)
    wanted[wanted == 'cat'], wanted[wanted == 'dog'] = 'bus', 'train'
    assert np.array_equal(found(checked)['3'], wanted)
    assert len(checked.splits['val']) == (2 if split else 1)


def test_coloured_masks_in_folders_of_any_names(tmp_path):
    """Red on black; names that elsewhere stand for other pictures are classes here."""
    root = tmp_path / 'data'
    for number in range(4):
        picture(root / f'images/{number}.png', number)
        for name, mask in (('human', CAT), ('edge', DOG)):
            save(root / f'masks/{name}/{number}_{name}.png',
                 np.dstack([mask, 0 * mask, 0 * mask]))
    checked = check(root, tmp_path / 'drawn')
    assert checked.encoding.classes == ['background', 'edge', 'human'] and not checked.faults
    wanted = expected(CAT, DOG)
    wanted[wanted == 'cat'], wanted[wanted == 'dog'] = 'human', 'edge'
    assert np.array_equal(found(checked)['0'], wanted)


@pytest.mark.parametrize('folders', [['patient1', 'patient2'], ['', ''], ['train', 'val']])
def test_folders_that_are_no_classes_are_not_mentioned(tmp_path, folders):
    for number in range(4):
        place = folders[number % 2]
        picture(tmp_path / 'images' / place / f'{number}.png', number)
        save(tmp_path / 'masks' / place / f'{number}.png', CAT)
    assert '--class-folders' not in report(check_dataset(str(tmp_path)))


def test_written_masks_train(tmp_path):
    """Through the config: what mmseg reads is what the folders say."""
    root = tmp_path / 'data'
    for number in range(6):
        split = 'val' if number > 3 else 'train'
        picture(root / split / f'images/{number}.jpg', number)
        save(root / split / f'masks/cat/{number}.png', CAT // 255)
        if number % 2:
            save(root / split / f'masks/dog/{number}.png', np.roll(DOG, number, 0))
    assert check_and_write(str(root), str(tmp_path / 'out'), class_folders=True)
    config = load_config(tmp_path / 'out/config.py')
    data = DATASETS.build(config.val_dataloader.dataset)
    assert data.metainfo['classes'] == ('background', 'cat', 'dog') and len(data) == 2
    for number, name in ((4, 'cat'), (5, 'dog')):
        record = data.get_data_info(number - 4)
        labels = np.asarray(Image.open(record['seg_map_path']))
        dog = np.roll(DOG, number, 0) * (number % 2)
        values = dict(background=0, cat=1, dog=2)
        wanted = [[values.get(v, 255) for v in row] for row in expected(CAT, dog)]
        assert np.array_equal(labels, wanted), name


def soft(mask):
    """Grey along borders, as smooth resizes leave it."""
    small = Image.fromarray(mask).resize((16, 12), Image.Resampling.BILINEAR)
    return np.asarray(small.resize(SIZE[::-1], Image.Resampling.BILINEAR))


@pytest.mark.parametrize('first, expected', [
    (False, [1, 255, 255, 2, 1, 255, 0]), (True, [1, 1, 1, 2, 1, 255, 0])])
def test_pixels_of_two_classes_do_not_count_or_are_the_first_s(first, expected):
    """Those of one class in two masks are of it, and those of what is no class never count."""
    claims = [(name, Path(name), np.array([on], bool)) for name, on in (
        ('a', [1, 1, 1, 0, 0, 0, 0]), ('b', [0, 1, 0, 1, 0, 0, 0]),
        ('a', [1, 0, 0, 0, 1, 0, 0]), ('void', [0, 0, 1, 0, 0, 1, 0]))]
    labels, twice = _labels(claims, dict(a=1, b=2), first)
    assert labels.tolist() == [expected] and twice == 2


def test_soft_borders(tmp_path):
    big = area(slice(0, 12), slice(0, 32))
    for number in range(3):
        picture(tmp_path / f'data/images/{number}.png', number)
        save(tmp_path / f'data/masks/cat/{number}.png', soft(big))
    labels = found(check(tmp_path / 'data', tmp_path / 'drawn'))['0']
    assert np.array_equal(labels == 'cat', soft(big) >= 128)


@pytest.mark.parametrize('mask, text', [
    (CAT // 255 + DOG // 255 * 2, 'it has 0, 1, 2, 3, but in the folder of a class'),
    (np.stack([CAT, DOG, CAT], -1), 'it is coloured'),
    (CAT // 2 + DOG // 255 * 128, 'it has 0, 127, 128, 255, but'),
    (CAT // 255 + 1, 'it has 1 and 2, but'),
    (CAT[:12], 'the mask is 32x12, but another one of the same image'),
])
def test_masks_that_do_not_fit_are_faults(tmp_path, mask, text):
    for number in range(4):
        picture(tmp_path / f'data/images/{number}.png', number)
        save(tmp_path / f'data/masks/cat/{number}.png', CAT)
    save(tmp_path / 'data/masks/dog/2.png', mask)
    checked = check(tmp_path / 'data', tmp_path / 'drawn')
    line = next(fault for fault in checked.faults if text in fault)
    assert re.search(r'masks.dog.2\.png', line)
    assert '2' not in found(checked) and len(found(checked)) == 3


@pytest.mark.parametrize('options, text', [
    (dict(classes=['cat', 'cow']), "no class of masks is called 'cow'. There are cat, dog"),
    (dict(ignore=['cow']), "no class of masks is called 'cow'"),
    (dict(classes=['cat']), "the folder 'dog' is no class of --classes"),
    (dict(ignore=['cat', 'dog']), 'no class of masks counts'),
])
def test_names_that_are_no_folders(tmp_path, options, text):
    for number, name in enumerate(['cat', 'dog']):
        picture(tmp_path / f'data/images/{number}.png', number)
        save(tmp_path / f'data/masks/{name}/{number}.png', CAT)
    with pytest.raises(InputError, match=re.escape(text)):
        check(tmp_path / 'data', tmp_path / 'drawn', **options)


def test_masks_in_no_folder(tmp_path):
    for number in range(2):
        picture(tmp_path / f'images/{number}.png', number)
        save(tmp_path / f'masks/{number}.png', CAT)
    with pytest.raises(InputError, match='expects each mask in a folder called like its'):
        check(tmp_path, tmp_path / 'drawn')


# --- objects -----------------------------------------------------------------------


def numbered(number, count):
    """Objects side by side, numbered from 1."""
    mask = np.zeros(SIZE, np.uint8)
    for i in range(count):
        mask[3 + number:9 + number, 6 * i:6 * i + 5] = i + 1
    return mask


def pedestrians(root, save_mask=save):
    for number, count in enumerate([1, 3, 2, 5, 0]):
        picture(root / f'PNGImages/p{number}.png', number)
        save_mask(root / f'PedMasks/p{number}_mask.png', numbered(number, count))


def of_objects(root, drawn, **options):
    return check_dataset(str(root), drawn=drawn, instances=True, **options)


@pytest.mark.parametrize('tops, objects', [
    ([5, 7, 3], True), ([0, 5, 7], True), ([1, 3], True), ([0, 1, 2], False), ([2, 3], False),
    ([0, 3], False), ([0], False), ([], False)])
def test_what_counts_up_further_in_some_masks_may_number_objects(tops, objects):
    """Leaves of plants are never one alone."""
    found = [Inspected(Pair(Path(), Path(), None), counts=dict.fromkeys(range(top + 1), 9))
             for top in tops]
    assert may_number_objects(found) == objects
    gap = found[-1:] and [found[-1]._replace(counts={0: 9, 4: 9})]
    assert not may_number_objects([*found, *gap])


def test_numbers_of_objects_are_not_read_as_classes_without_a_word(tmp_path):
    pedestrians(tmp_path / 'data')
    plain = check_dataset(str(tmp_path / 'data'))
    assert ('values count up from 1 in each mask, to 5 at most, as the numbers of objects do: '
            'if they are no classes, give --instances') in report(plain)
    checked = of_objects(tmp_path / 'data', tmp_path / 'drawn', classes=['pedestrian'])
    assert checked.encoding.classes == ['background', 'pedestrian'] and not checked.faults
    labels = found(checked)
    for number, count in enumerate([1, 3, 2, 5, 0]):
        assert np.array_equal(labels[f'p{number}'] == 'pedestrian',
                              numbered(number, count) > 0)
    both = of_objects(tmp_path / 'data', tmp_path / 'again', classes=['road', 'pedestrian'])
    assert both.encoding.classes == ['road', 'pedestrian']
    alone = of_objects(tmp_path / 'data', tmp_path / 'alone', outside='ignore')
    assert alone.encoding.classes == ['object']
    assert (found(alone)['p1'] != 'background').all()


@pytest.mark.parametrize('channel', [0, 1, 2])
def test_numbers_of_objects_in_one_channel(tmp_path, channel):
    """The red one, as segments.ai has them, or another."""
    pedestrians(tmp_path, lambda path, array: save(path, np.dstack(
        [array * (i == channel) for i in range(3)] + [array * 0 + 255]).astype(np.uint8)))
    assert 'to 5 at most, as the numbers of objects do' in report(check_dataset(str(tmp_path)))


@pytest.mark.parametrize('values', [(0, 1, 2), (0, 1, 3), (1, 2, 3)])
def test_classes_are_not_taken_for_numbers(tmp_path, values):
    for number in range(4):
        picture(tmp_path / f'images/{number}.png', number)
        some = values[:2 + number % 2] if number else values
        save(tmp_path / f'masks/{number}.png',
             np.repeat(np.resize(some, SIZE[0]).astype(np.uint8)[:, None], SIZE[1], 1))
    assert '--instances' not in report(check_dataset(str(tmp_path)))


def test_objects_in_colours_with_a_border(tmp_path):
    """As VOC's SegmentationObject, with the border of its PNGs as RGB."""
    colours = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128],
                        [128, 0, 128]], np.uint8)

    def in_colours(path, mask):
        rgb = colours[mask]
        rgb[0] = 224, 224, 192
        save(path, rgb)

    pedestrians(tmp_path / 'data', in_colours)
    checked = of_objects(tmp_path / 'data', tmp_path / 'drawn', ignore=['#e0e0c0'])
    labels = found(checked)['p3']
    assert (labels[0] == None).all()  # noqa: E711 (an array)
    assert np.array_equal(labels[1:] == 'object', numbered(3, 5)[1:] > 0)
    with pytest.raises(InputError, match='--ignore #00ff00: no mask has that value'):
        of_objects(tmp_path / 'data', tmp_path / 'again', ignore=['#00ff00'])


def test_a_mask_of_each_object(tmp_path):
    """As nuclei lie: a folder an image, in it one image and many masks."""
    root = tmp_path / 'data'
    for number in range(4):
        picture(root / f'stage1_train/{number}ab/images/{number}ab.png', number)
        for i in range(3):
            save(root / f'stage1_train/{number}ab/masks/{number * 7 + i:x}fe.png',
                 (numbered(number, 3) == i + 1).astype(np.uint8) * 255)
    with pytest.raises(InputError, match='give --instances'):
        check_dataset(str(root))
    checked = of_objects(root, tmp_path / 'drawn')
    assert not checked.faults and 'drawn from 12 masks of objects' in report(checked)
    for number in range(4):
        assert np.array_equal(found(checked)[f'{number}ab'] == 'object',
                              numbered(number, 3) > 0)


def test_what_instances_refuse(tmp_path):
    pedestrians(tmp_path / 'data')
    with pytest.raises(InputError, match='of all objects, but --classes has 3 names'):
        of_objects(tmp_path / 'data', tmp_path / 'a', classes=['a', 'b', 'c'])
    with pytest.raises(InputError, match='--class-folders and --instances were given'):
        of_objects(tmp_path / 'data', tmp_path / 'a', class_folders=True)
    (tmp_path / 'data/PedMasks/p1_mask.png').unlink()
    save(tmp_path / 'data/PedMasks/p1_mask.jpeg', numbered(1, 3))
    checked = of_objects(tmp_path / 'data', tmp_path / 'b')
    assert any('p1_mask.jpeg: JPEG changes the numbers of objects' in fault
               for fault in checked.faults)
