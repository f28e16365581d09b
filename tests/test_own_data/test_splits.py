"""Which pairs train and which validate, and what stays together."""
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_runs import run_tool

from fcn_plugin.layouts.pairs import Pair
from fcn_plugin.masks.encoding import Encoding
from fcn_plugin.own_data.check_dataset import check_dataset
from fcn_plugin.own_data.inspect_pairs import Inspected, class_shares, inspect_pairs
from fcn_plugin.own_data.series import find_series
from fcn_plugin.own_data.splits import make_split

BANDS = (np.arange(24 * 32) // 128).astype(np.uint8).reshape(24, 32)


def write(root, name, pixels, mask=BANDS):
    for folder, content in (('images', pixels), ('masks', mask)):
        file = root / f'{folder}/{name}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(content).save(file)


def noise(seed):
    return np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)


def place(number, moment):
    """An image of a place, which has large shapes, at a moment."""
    shapes = np.random.default_rng(number).integers(0, 200, (4, 4, 3)).astype(np.uint8)
    large = np.kron(shapes, np.ones((6, 8, 1), np.uint8))
    return large + noise(100 * number + moment) // 6


def films(root, names, of=place):
    """Images of several films, of as many as their names say."""
    for number, (name, count) in enumerate(names.items()):
        for i in range(count):
            write(root, name.format(i), of(number, i))
    return root


THREE = {'car_{:03}': 6, 'bus_{:03}': 9, 'walk_{:03}': 5}


def names_of(checked, split):
    return [item.pair.image.stem for item in checked.splits[split]]


def test_a_split_follows_names_and_not_folders(tmp_path):
    """Of eight images a fifth is 1.6, and so two."""
    splits = []
    for folder in ('one/data', 'another'):
        films(tmp_path / folder, dict.fromkeys('abcdefgh', 1))
        checked = check_dataset(str(tmp_path / folder))
        items = [item for part in checked.splits.values() for item in part]
        found = make_split(items, checked.encoding, seed=3)
        splits.append({name: [item.pair.image.name for item in part]
                       for name, part in found.items()})
    assert splits[0] == splits[1] and len(splits[0]['val']) == 2


def test_a_class_comes_into_validation_without_another_going_out():
    """Four classes of two images each: one trains, one is judged, whatever the order. What one
    image alone has trains."""
    def image(i, label):
        return Inspected(Pair(Path(f'{i}.png'), Path(f'{i}.png'), None), digest=str(i),
                         counts={0: 9, label: 1})
    encoding = Encoding({i: i for i in range(6)}, list('abcdef'), [], False, [], [])
    items = [image(i, 1 + i // 2 if i < 9 else 0) for i in range(15)]
    for seed in range(20):
        splits = make_split(items, encoding, 1 / 3, seed)
        assert [class_shares(splits[name], encoding).images[1:].tolist()
                for name in ('train', 'val')] == [[1] * 5, [1] * 4 + [0]]


def grouped_items(sizes, labels=()):
    """Items of groups a, b, ... of so many images each, some with a class more."""
    items, grouped = [], {}
    for number, size in enumerate(sizes):
        for i in range(size):
            file = Path(f'{chr(97 + number)}{i}.png')
            counts = {0: 9, 1: 9} | {label: 1 for label, group in labels if group == number}
            items.append(Inspected(Pair(file, file, None), digest=str(file), counts=counts))
            grouped[file] = file.name[0]
    return items, grouped


CLASSES = Encoding({i: i for i in range(4)}, list('abcd'), [], False, [], [])


@pytest.mark.parametrize('sizes, share, judged', [
    ([9, 5], 0.05, [5]),  # more than wanted, but the least that there is
    ([5, 5], 0.95, [5]),  # one trains
    ([2] * 10, 0.2, [4])])
def test_shares_that_groups_cannot_have(sizes, share, judged):
    items, grouped = grouped_items(sizes)
    for seed in range(8):
        found = make_split(items, CLASSES, share, seed, grouped)
        assert [len(found['val'])] == judged and len(found['train']) == sum(sizes) - judged[0]


@pytest.mark.parametrize('sizes, judged', [
    ([3, 3, 3, 40, 40], False), ([2] * 8 + [3, 3], True)], ids=['much larger', 'a little'])
def test_a_class_of_two_groups_is_judged_where_these_are_not_much_too_large(sizes, judged):
    last = len(sizes) - 1
    items, grouped = grouped_items(sizes, [(2, last - 1), (2, last)])
    for seed in range(8):
        found = make_split(items, CLASSES, 0.2 if judged else 0.1, seed, grouped)
        assert (class_shares(found['val'], CLASSES).images[2] > 0) == judged
        assert class_shares(found['train'], CLASSES).images[2] > 0


def test_two_images_that_two_groups_share():
    items, grouped = grouped_items([2, 2, 2])
    for i, other in ((0, 0), (1, 1)):
        a, b = items[i], items[2 + other]
        items[2 + other] = b._replace(digest=a.digest)
    for order in (items, [items[i] for i in (0, 2, 3, 1, 4, 5)]):
        for seed in range(4):
            found = make_split(order, CLASSES, 0.3, seed, grouped)
            assert [item.pair.image.name for item in found['val']] == ['c0.png', 'c1.png']


@pytest.mark.parametrize('seed', range(4))
def test_groups_stay_on_one_side_and_the_share_is_kept_as_nearly_as_they_allow(tmp_path, seed):
    checked = check_dataset(str(films(tmp_path, THREE)), group=r'.*\D', seed=seed)
    sides = [{name[:3] for name in names_of(checked, split)} for split in ('train', 'val')]
    assert not sides[0] & sides[1]
    # A fifth of 20 is 4: 5 and 6 are nearer to it than nothing, 9 is not.
    assert len(checked.splits['val']) in (5, 6) and not checked.faults
    said = next(note for note in checked.notes if 'is chosen' in note or 'are chosen' in note)
    assert f', 1 of 3 groups (images/{names_of(checked, "val")[0][:-3]})' in said


def test_a_seed_chooses_among_groups_whose_images_have_equal_names(tmp_path):
    films(tmp_path, {f'p{n}/{{:02}}': 4 for n in range(6)})
    chosen = [{item.pair.image.parent.name for item in check_dataset(
        str(tmp_path), group='.*/', seed=seed).splits['val']} for seed in range(8)]
    assert all(len(each) == 1 for each in chosen) and len(set.union(*chosen)) > 2


def test_of_a_pattern_with_parentheses_the_first_part_is_the_group(tmp_path):
    films(tmp_path, {'left_p1_{}': 4, 'right_p1_{}': 4, 'left_p2_{}': 4, 'right_p2_{}': 4})
    checked = check_dataset(str(tmp_path), group='images/[a-z]+_(p.)_', val_share=0.5)
    assert [len({name[-4:-2] for name in names_of(checked, split)})
            for split in ('train', 'val')] == [1, 1]


def test_images_that_are_the_same_bring_their_groups_together(tmp_path):
    films(tmp_path, {'a_{}': 3, 'b_{}': 3, 'c_{}': 3, 'd_{}': 3})
    for folder in ('images', 'masks'):
        shutil.copy(tmp_path / folder / 'a_0.png', tmp_path / folder / 'c_0.png')
        shutil.copy(tmp_path / folder / 'c_1.png', tmp_path / folder / 'd_2.png')
    for seed in range(6):
        checked = check_dataset(str(tmp_path), group=r'.*\D', seed=seed)
        assert names_of(checked, 'val') == ['b_0', 'b_1', 'b_2'] and not checked.faults


def test_training_keeps_each_class_where_groups_allow_it(tmp_path):
    """The only film with a class is not judged, whatever the seed."""
    films(tmp_path, {'a_{}': 4, 'b_{}': 4, 'c_{}': 4})
    for i in range(4):
        write(tmp_path, f'b_{i}', place(1, i), BANDS + (BANDS == 5))
        for name in 'ac':
            write(tmp_path, f'{name}_{i}', place(ord(name), i), BANDS % 5)
    for seed in range(6):
        checked = check_dataset(str(tmp_path), group=r'.*\D', seed=seed)
        assert {name[0] for name in names_of(checked, 'val')} <= {'a', 'c'}, seed


def test_groups_in_both_of_two_given_splits_are_a_fault(tmp_path):
    films(tmp_path, {'train/a_{}': 3, 'train/b_{}': 3, 'val/b_{}': 2}, lambda n, i: place(
        n, i + 9 * n))
    ended = run_tool('misc/check_dataset.py', tmp_path, '--group', '.*/(.)_')
    assert ended.code == 1 and (
        'FAULT   1 groups of --group are in two splits, which makes results too good: '
        "'b' (train and val)") in ended.out
    assert not check_dataset(str(tmp_path)).faults


@pytest.mark.parametrize('pattern, said', [
    ('(', '--group (: expected a regular expression, but it has missing )'),
    ('.*walk', "--group .*walk does not match 15 of 20 images, such as 'images/bus_000'"),
    ('car|bus|walk', "does not match 20 of 20 images, such as 'images/bus_000'"),
    ('images', '--group makes one group of all images that would be split')])
def test_patterns_that_cannot_be_used(tmp_path, pattern, said):
    films(tmp_path, THREE)
    with pytest.raises(ValueError) as error:
        check_dataset(str(tmp_path), group=pattern)
    assert said in str(error.value)


def series_of(root, ending='png'):
    images = sorted((root / 'images').rglob(f'*.{ending}'))
    masks = [root / 'masks' / file.relative_to(root / 'images') for file in images]
    pairs = [Pair(file, mask.with_suffix('.png'), None) for file, mask in zip(images, masks)]
    names = [file.relative_to(root).with_suffix('').as_posix() for file in images]
    return find_series(names, np.stack([item.look for item in inspect_pairs(pairs)]))


@pytest.mark.parametrize('names, pattern', [
    (THREE, r'.*\D'), ({'p1/{}': 4, 'p2/{}': 5}, '.*/'), ({'a_{}0': 4, 'b_{}0': 5}, r'.*\D'),
    ({f'{n}_{{}}': 2 for n in range(5)}, r'.*\D'),
    ({'ulm_{:03}_left8bit': 5, 'bonn_{:03}_left8bit': 5}, r'.*\D(?=\d+_left8bit$)')])
def test_series_are_found_by_names_and_looks(tmp_path, names, pattern):
    found = series_of(films(tmp_path, names))
    assert found.pattern == pattern and sorted(found.counts.values()) == sorted(names.values())
    notes = check_dataset(str(tmp_path)).notes
    assert any(f"--group '{pattern}' keeps it on one side" in note for note in notes)
    grouped = check_dataset(str(tmp_path), group=pattern).notes
    assert not any('resemble' in note for note in grouped)
    assert any(f'1 of {len(names)} groups' in note for note in grouped)


@pytest.mark.parametrize('names, of', [
    (THREE, lambda number, i: noise(50 * number + i)),  # names alone say nothing
    ({'{:03}': 20}, place),  # one series
    ({f'{n}_{{}}': 1 for n in range(20)}, place),  # as many as images
    ({'{:03}': 12, 'a_{:03}': 1}, place),
    ({'ulm_{:03}_left8bit': 5, 'bonn_{:03}_left8bit': 5, 'odd_left8bit': 1}, place)],
    ids=['unlike', 'one', 'single', 'nearly one', 'without a number'])
def test_names_alone_are_no_series(tmp_path, names, of):
    assert series_of(films(tmp_path, names, of)) is None
    assert not any('--group' in note for note in check_dataset(str(tmp_path)).notes)


@pytest.mark.parametrize('kind, ending', [(np.uint16, 'png'), (np.float32, 'tiff')])
def test_series_are_found_in_grey_images_of_other_numbers(tmp_path, kind, ending):
    films(tmp_path, THREE, lambda n, i: place(n, i)[..., 0])
    for file in (tmp_path / 'images').iterdir():
        Image.fromarray(np.asarray(Image.open(file)).astype(kind) * kind(200)).save(
            file.with_suffix('.' + ending))
        if ending != 'png':
            file.unlink()
    assert len(series_of(tmp_path, ending).counts) == 3


def test_an_image_of_one_shade_resembles_none(tmp_path):
    write(tmp_path, 'a', np.full((8, 8), 7, np.uint8), BANDS[:8, :8])
    item, = inspect_pairs([Pair(tmp_path / 'images/a.png', tmp_path / 'masks/a.png', None)])
    assert item.look.dtype == np.float32 and not item.look.any()
