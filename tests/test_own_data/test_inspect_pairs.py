"""What is counted of pairs, and what is written of them."""
import os

import numpy as np
import pytest
from mmengine.config import Config
from mmseg.registry import DATASETS
from PIL import Image

from fcn_plugin.layouts.pairs import Pair
from fcn_plugin.masks.encoding import Encoding
from fcn_plugin.masks.mask_blur import look_around
from fcn_plugin.own_data.check_dataset import _as_colours, check_dataset
from fcn_plugin.own_data.config_text import plan_of
from fcn_plugin.own_data.findings import labels_of
from fcn_plugin.own_data.inspect_pairs import (
    ClassShares,
    class_shares,
    common_size,
    inspect_pairs,
    median_frequency_weights,
)
from fcn_plugin.own_data.splits import doubles
from fcn_plugin.own_data.write_config import write_config

COLOURS = np.array([[0, 0, 0], [200, 30, 60], [10, 90, 250]], np.uint8)
TWO = Encoding({0: 0, 1: 1, 255: 255}, ['a', 'b'], [], False, [], [])


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path)


def noise(seed, size=(24, 36)):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def bands(size=(24, 36)):
    labels = np.zeros(size, np.uint8)
    labels[8:], labels[16:] = 1, 2
    return labels


def write(root, names, masks=None):
    for seed, name in enumerate(names):
        save(root / f'images/{name}.png', noise(seed))
        save(root / f'masks/{name}.png', bands() if masks is None else masks)
    return root


def items_of(root, **options):
    return [item for items in check_dataset(str(root), **options).splits.values()
            for item in items]


def test_a_mask_that_is_wholly_white_among_coloured_ones_is_of_that_colour(tmp_path):
    """Not of the blue whose 0xRRGGBB is 255."""
    colours = np.array([[0, 0, 0], [255, 255, 255], [10, 90, 250]], np.uint8)
    write(tmp_path, 'abc', colours[bands()])
    save(tmp_path / 'images/d.png', noise(9))
    save(tmp_path / 'masks/d.png', colours[np.ones_like(bands())])
    checked = check_dataset(str(tmp_path))
    white, = (item for items in checked.splits.values() for item in items
              if item.pair.image.stem == 'd')
    assert (labels_of(white, checked.encoding) == checked.encoding.label_map[0xffffff]).all()


def test_one_jpeg_among_other_masks_blurs_none_of_them(tmp_path):
    write(tmp_path, 'abcde')
    (tmp_path / 'masks/e.png').unlink()
    Image.fromarray(bands()).save(tmp_path / 'masks/e.jpg', quality=100)
    checked = check_dataset(str(tmp_path))
    assert not checked.encoding.faults and len(items_of(tmp_path)) == 5
    assert checked.encoding.label_map == {0: 0, 1: 1, 2: 2}


def test_grey_masks_among_coloured_ones_have_the_surroundings_of_colours(tmp_path):
    grey = np.kron(np.random.default_rng(0).integers(0, 9, (8, 12)), np.ones((3, 3), int))
    pair = Pair(tmp_path / 'a.png', tmp_path / 'b.png', None)
    save(pair.image, noise(0))
    save(pair.mask, grey.astype(np.uint8)[..., None].repeat(3, 2))
    found, = inspect_pairs([pair])
    assert not found.colours
    coloured, colours = _as_colours(found), grey * 0x010101
    assert coloured.counts == {v * 0x010101: n for v, n in found.counts.items()}
    assert coloured.around == look_around(colours, coloured.counts, True)


def test_of_very_many_values_all_pixels_are_counted(tmp_path):
    deep = (np.arange(3 * 1200) // 3).reshape(36, 100).astype(np.uint16)
    pair = Pair(tmp_path / 'a.png', tmp_path / 'b.png', None)
    save(pair.image, noise(0, deep.shape))
    save(pair.mask, deep)
    found, = inspect_pairs([pair])
    assert len(found.counts) == 1025 and found.counts[None] == 3 * (1200 - 1024)


def test_pixels_that_do_not_count_are_beside_no_class(tmp_path):
    labels = np.zeros((10, 10), np.uint8)
    labels[:2], labels[2:5] = 1, 255
    for number in range(2):
        save(tmp_path / f'images/{number}.png', noise(number, (10, 10)))
        save(tmp_path / f'masks/{number}.png', labels)
    found = class_shares(items_of(tmp_path), TWO)
    assert found.pixels.tolist() == [100, 40] and found.images.tolist() == [2, 2]
    assert found.beside.tolist() == [140, 140]


def test_weights_lie_within_a_tenth_and_ten():
    shares = ClassShares(*(np.array(each) for each in (
        [40000, 100, 25, 1., 0], [1, 1, 1, 1, 0], [10000, 10000, 10000, 10000, 0])))
    assert median_frequency_weights(shares) == [0.1, 0.79, 1.58, 7.91, 1]
    shares.pixels[3] = 0.1
    assert median_frequency_weights(shares)[3] == 10


def test_pictures_of_equal_indices_in_other_colours_are_no_doubles(tmp_path):
    write(tmp_path, 'abcd')
    for name, colour in zip('abc', ((9, 9, 9), (250, 0, 0), (9, 9, 9))):
        picture = Image.fromarray(bands())
        picture.putpalette(colour)
        save(tmp_path / f'images/{name}.png', picture)
    group, = doubles(items_of(tmp_path))
    assert {item.pair.image.stem for item in group} == {'a', 'c'}


@pytest.mark.parametrize('end, orientation, seen', [
    ('png', 1, False), ('jpg', 1, False), ('jpg', 3, True), ('webp', 1, True)])
def test_images_that_training_reads_in_another_size(tmp_path, monkeypatch, end, orientation,
                                                    seen):
    """Those that it reads for certain are not read for that."""
    monkeypatch.setattr('fcn_plugin.own_data.inspect_pairs.LoadImageFromFile',
                        lambda: lambda results: dict(img_shape=(5, 7)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(0)).save(tmp_path / f'a.{end}', exif=exif)
    Image.fromarray(bands()).save(tmp_path / 'mask.png')
    found, = inspect_pairs([Pair(tmp_path / f'a.{end}', tmp_path / 'mask.png', None)])
    assert seen == bool(found.fault)
    if seen:
        assert 'it is shown as 36x24, but training reads it as 7x5' in found.fault


def test_the_common_size_is_the_median(tmp_path):
    write(tmp_path, 'abcde')
    for name in 'de':
        save(tmp_path / f'images/{name}.png', noise(9 + ord(name), (90, 200)))
        save(tmp_path / f'masks/{name}.png', bands((90, 200)))
    assert common_size(items_of(tmp_path)) == (24, 36)


# --- what is written -----------------------------------------------------------------


@pytest.fixture
def checked(tmp_path):
    """Coloured masks in three splits."""
    for split in ('train', 'val', 'test'):
        for number in range(2):
            save(tmp_path / f'data/{split}/images/{split}{number}.png',
                 noise(number + 10 * len(split) + ord(split[0])))
            save(tmp_path / f'data/{split}/masks/{split}{number}.png', COLOURS[bands()])
    return check_dataset(str(tmp_path / 'data'))


def test_masks_of_each_split_are_written_in_their_colours(checked, tmp_path):
    config = Config.fromfile(write_config(checked, str(tmp_path / 'out')))
    for split in ('train', 'val', 'test'):
        dataset = DATASETS.build(dict(config[f'{split}_dataloader'].dataset, pipeline=[]))
        assert len(dataset) == 2
        for item in map(dataset.get_data_info, range(2)):
            assert split in item['img_path'].rpartition('/')[2]
            with Image.open(item['seg_map_path']) as mask:
                assert mask.mode == 'P'
                shown = np.asarray(mask.convert('RGB'))
            assert np.array_equal(shown, COLOURS[bands()])


def test_no_config_names_files_of_two_calls(checked, tmp_path, monkeypatch):
    config = write_config(checked, str(tmp_path / 'out'))

    def full(*_):
        raise OSError('the disk is full')
    monkeypatch.setattr('fcn_plugin.own_data.write_config.move_into', full)
    with pytest.raises(OSError, match='full'):
        write_config(checked, str(tmp_path / 'out'), overwrite=True)
    assert not config.exists() and (tmp_path / 'out/train.txt').exists()


def test_masks_are_written_once_as_classes_and_by_their_folders(tmp_path):
    """Files of equal names, of grey colours that count from 1."""
    for folder in 'ab':
        for number in range(3):
            save(tmp_path / f'images/{folder}/{number}.png', noise(number + 9 * ord(folder)))
            labels = (bands() + (folder == 'b')) % 3
            save(tmp_path / f'masks/{folder}/{number}.png', np.stack([labels + 1] * 3, 2))
    checked = check_dataset(str(tmp_path))
    assert checked.convert and not checked.encoding.identity
    config = Config.fromfile(write_config(checked, str(tmp_path / 'out')))
    for split, count in (('train', 5), ('val', 1)):
        dataset = DATASETS.build(dict(config[f'{split}_dataloader'].dataset, pipeline=[
            dict(type='LoadAnnotations')]))
        assert len(dataset) == count
        for item in dataset:
            folder = item['img_path'].split('/')[-2]
            assert np.array_equal(item['gt_seg_map'], (bands() + (folder == 'b')) % 3)


def test_of_one_image_two_variants_make_a_batch(checked):
    alone = dict(checked.splits, train=checked.splits['train'][:1])
    assert plan_of(checked._replace(splits=alone)).batch_size == 2


def test_the_rate_falls_once_it_has_risen_and_figures_are_of_the_truth_s_size(
        checked, tmp_path):
    plan = plan_of(checked)._replace(validations=10)
    config = Config.fromfile(write_config(checked, str(tmp_path / 'out'), plan=plan))
    rising, falling = config.param_scheduler
    assert rising.end == falling.begin == 50 and falling.end == config.max_iters
    assert config.train_cfg.val_interval == config.max_iters // 10
    assert config.model.test_cfg.rescale is True


@pytest.mark.parametrize('name', ['a\tb', 'a\x0cb', 'a\u2028b', os.fsdecode(b'Gr\xf6\xdfe')])
def test_names_that_no_list_can_hold(tmp_path, name):
    """What is no UTF-8 comes of archives of other systems."""
    pair = Pair(tmp_path / f'{name}.png', tmp_path / 'mask.png', None)
    found, = inspect_pairs([pair])
    assert 'cannot stand in a list; rename it' in found.fault
    found.fault.encode()


@pytest.mark.parametrize('odd, count, resized', [
    ((20, 32), 1, True), ((36, 50), 1, False), ((160, 320), 1, False), ((300, 500), 1, True),
    ((20, 32), 0, False)])
def test_images_of_many_sizes_are_judged_at_that_of_training(checked, odd, count, resized):
    """Small ones, at their own size, were smaller than all that training had shown."""
    train = checked.splits['train'] * 3
    usual, others = ([item._replace(size=size) for item in train] for size in ((60, 96), odd))
    plan = plan_of(checked._replace(splits=dict(train=usual, val=others[:count])))
    assert plan.resized == resized and plan.scale == (96, 60)
    rare = plan_of(checked._replace(splits=dict(train=usual * 12, val=others[:count])))
    assert not rare.resized


@pytest.mark.parametrize('orientation', [1, 6])
def test_smaller_masks_are_enlarged(tmp_path, orientation):
    """The first mask is as large as its image, the others are a half, a third, a quarter."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    wide = np.random.default_rng(0).integers(0, 3, (4, 4, 6)).astype(np.uint8)
    truth = [np.kron(labels, np.ones((12 // n, 12 // n), np.uint8)) for n, labels in zip(
        (1, 2, 3, 4), wide)]
    for n, labels in enumerate(truth, 1):
        size = labels.shape[0] * n, labels.shape[1] * n
        save(tmp_path / f'images/{n}.png', noise(n, size))
        Image.open(tmp_path / f'images/{n}.png').save(tmp_path / f'images/{n}.png', exif=exif)
        save(tmp_path / f'masks/{n}.png', labels)
    checked = check_dataset(str(tmp_path))
    assert not checked.faults
    assert [note for note in checked.notes if note.startswith('3 masks are a half')]
    write_config(checked, str(tmp_path / 'out'))
    turned = np.rot90 if orientation == 6 else lambda labels, k: labels
    read = dict[str, np.ndarray]()
    for split in ('train', 'val'):
        for line in (tmp_path / f'out/{split}.txt').read_text().splitlines():
            mask = tmp_path / line.split('\t')[1]
            read[mask.stem] = np.asarray(Image.open(mask))
    for n, labels in enumerate(truth, 1):
        whole = np.kron(labels, np.ones((n, n), np.uint8))
        np.testing.assert_array_equal(read[str(n)], turned(whole, k=-1))
    pixels = sum(class_shares(items, checked.encoding).pixels
                 for items in checked.splits.values())
    np.testing.assert_array_equal(pixels, sum(
        np.bincount(labels.ravel(), minlength=3) for labels in read.values()))


@pytest.mark.parametrize('size', [(48, 72), (12, 36), (5, 7), (4, 6)])
def test_masks_of_other_sizes_are_faults(tmp_path, size):
    """Twice as large, half as high, no whole share, a sixth."""
    write(tmp_path, ['a', 'b', 'c'])
    save(tmp_path / 'masks/b.png', bands(size))
    fault, = check_dataset(str(tmp_path)).faults
    assert f'b.png: the mask is {size[1]}x{size[0]}, but its image is 36x24' in fault


def test_a_config_of_before_does_not_stay_beside_other_lists(checked, tmp_path):
    out = tmp_path / 'out'
    write_config(checked, str(out))
    (out / 'val.txt').unlink()
    (out / 'val.txt').mkdir()
    with pytest.raises(OSError):
        write_config(checked, str(out), overwrite=True)
    assert not (out / 'config.py').exists()
