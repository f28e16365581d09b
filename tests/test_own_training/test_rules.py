"""The rules of training on own data, each on numbers that are known."""
import json

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from tiny_runs import BUILT_IN

from fcn_plugin.engine.hooks import ExactEarlyStoppingHook
from fcn_plugin.layouts.pairs import Pair
from fcn_plugin.masks.encoding import Encoding
from fcn_plugin.own_data.config_text import Plan
from fcn_plugin.own_data.findings import labels_of
from fcn_plugin.own_data.inspect_pairs import Checked, Inspected, inspect_pairs
from fcn_plugin.own_training import batch as batches
from fcn_plugin.own_training import facts as measured
from fcn_plugin.own_training import plan as rules
from fcn_plugin.own_training.advice import Settings, advise
from fcn_plugin.own_training.batch import SHARE, _grow, _of_group, fitting_batch, free_memory
from fcn_plugin.own_training.facts import (
    ClassFacts,
    Facts,
    facts_of,
    masks_of_all,
    median_widths,
    read_facts,
    write_facts,
)
from fcn_plugin.utils.errors import InputError
from fcn_plugin.utils.inherited import learning_rate


def facts(*classes, images=40, longest=1000, scale=1000):
    return Facts(images, longest, scale, [
        ClassFacts(**dict(dict(name=f'class {i}', images=30, share=0.1, beside=0.1, width=0.1),
                          **each)) for i, each in enumerate(classes)])


def test_masks_are_measured_of_all_the_folder_and_of_each_class():
    train = [Inspected(None, counts={0: 1}) for _ in range(20)]
    train[7], train[9], train[13] = (Inspected(None, counts=counts) for counts in (
        {0: 1, 1: 1}, {1: 1}, {255: 1, 2: 1}))
    encoding = Encoding({0: 0, 1: 1, 2: 2, 255: 255}, ['a', 'b', 'c'], [], False, [], [])
    assert [train.index(item) for item in masks_of_all(train, encoding, 1)] == [0, 7, 13]
    chosen = masks_of_all(train, encoding, 3)
    assert len(chosen) == 5 and chosen[2] is train[19]
    assert chosen[3] is train[7] and chosen[4] is train[13]
    assert masks_of_all(train, encoding, 99) == train


@pytest.mark.parametrize('pixels, masks', [(10 ** 8, 8), (3600, 6), (600, 4)])
def test_facts_are_of_all_training_images(tmp_path, monkeypatch, pixels, masks):
    """Twelve of 20 x 30 pixels, of which two have a square, and borders that do not count."""
    labels = np.zeros((20, 30), np.uint8)
    labels[:, 20:] = 255
    for number in range(12):
        if number in (4, 11):
            labels[2:8, 2:8] = 1
        Image.fromarray(np.full((20, 30, 3), number, np.uint8)).save(tmp_path / 'image.png')
        Image.fromarray(labels).save(tmp_path / f'{number}.png')
        labels[2:8, 2:8] = 0
    pairs = [Pair(tmp_path / 'image.png', tmp_path / f'{number}.png', None)
             for number in range(12)]
    encoding = Encoding({0: 0, 1: 1, 255: 255}, ['a', 'b'], [], False, [], [])
    for name, value in dict(MOST_MASKS=8, MOST_PIXELS=pixels, FEWEST_MASKS=4).items():
        monkeypatch.setattr(measured, name, value)
    seen = []
    monkeypatch.setattr(measured, 'labels_of', lambda item, encoding: (
        seen.append(item), labels_of(item, encoding))[1])
    train = list(inspect_pairs(pairs))
    found = facts_of(Checked(tmp_path, None, dict(train=train), encoding, [], [], [], False))
    assert found[:3] == (12, 30, 30) and len(seen) == masks
    first, second = found.classes
    assert first[:3] == ('a', 12, pytest.approx((12 * 400 - 72) / 4800))
    assert second == ('b', 2, 72 / 4800, 72 / 800, 6 / 30)


# --- regions ---------------------------------------------------------------------------


def test_regions_are_measured_by_their_pixels():
    """A region of 20x20, and nine specks that have fewer pixels than it."""
    labels = np.zeros((50, 100), np.uint8)
    labels[5:25, 5:25] = 1
    for i in range(9):
        labels[40, 10 * i] = 1
    labels[30:35], labels[49] = 255, 3  # neither is one of three classes
    below, width, absent = median_widths([labels], 3)
    assert width == 20 / 100 and absent == 0
    assert 0.3 < below < 2  # what is beyond the image is no border


def test_what_touches_at_a_corner_is_one_region():
    labels = np.zeros((60, 60), np.uint8)
    labels[:6, :6] = 1
    for i in range(6, 46, 2):  # has more pixels than the square
        labels[i:i + 2, i:i + 2] = 1
    assert median_widths([labels], 2)[1] > 5 / 60


def test_the_width_is_the_median_pixel_s_in_whatever_order_regions_come():
    labels = np.zeros((60, 60), np.uint8)
    for top, side in ((0, 9), (20, 11), (40, 7), (50, 1)):
        labels[top:top + side, 5:5 + side] = 1
    assert median_widths([labels], 2)[1] == 10 / 60  # that of 9: 10 at its middle
    labels[:], labels[5:7, :8], labels[20:24, :4] = 0, 1, 1
    assert median_widths([labels], 2)[1] == 2 / 60  # half of the pixels are in the first


def test_a_pole_is_as_wide_as_it_is():
    labels = np.zeros((100, 200), np.uint8)
    labels[10:90, 30:34] = 1
    assert median_widths([labels], 2)[1] == 4 / 200


def test_a_class_that_fills_its_images():
    assert median_widths([np.zeros((30, 40), np.uint8)], 1) == [1.]


def test_small_images_count_by_what_they_are_brought_to():
    labels = np.zeros((10, 10), np.uint8)
    labels[3:7, 3:7] = 1
    assert median_widths([labels, np.kron(labels, np.ones((9, 9), np.uint8))], 2)[1] == 0.4
    large = np.zeros((90, 90), np.uint8)
    large[9:18, 9:18] = 1  # of more pixels, but a smaller part of its image
    assert median_widths([labels, large], 2)[1] == 0.4


def test_what_was_measured_is_read_again(tmp_path):
    path = tmp_path / 'facts.json'
    kept = facts(dict(name='道'), {})
    write_facts(path, kept)
    assert read_facts(path, ['道', 'class 1']) == kept
    assert read_facts(path, ['a', 'b']).classes[0].name == 'a'  # renamed in the config
    with pytest.raises(InputError, match='of 2 classes, but the config has 3'):
        read_facts(path, 'abc')
    path.write_text('{"images": 3}')
    with pytest.raises(InputError, match='facts.json.*cannot be read'):
        read_facts(path, 'ab')


# --- the plan --------------------------------------------------------------------------


@pytest.mark.parametrize('side, longest', [
    (0.5, 1024), (16 / 1024, 1024), (16 / 1500, 1500), (16 / 5000, 2048)])
def test_images_are_as_large_as_small_regions_need(side, longest):
    assert rules.longest_side(facts({}, dict(width=side))) == longest


def test_a_side_that_suffices_is_not_taken_for_a_pixel_too_short():
    """16 / (16 / 1500) is more than 1500 where floats round up."""
    for side in range(1000, 2048):
        assert rules.wanted_side(facts({}, dict(width=16 / side))) == side


def test_fcn_4s_is_for_regions_below_two_cells():
    for side, small in ((0.017, False), (0.015, True)):
        assert rules.is_small(facts({}, dict(width=side)), 1000) is small
    for side in (0.013, 16 / 1500, 0.0123):  # images are as large as FCN-8s needs
        found = facts({}, dict(width=side))
        assert not rules.is_small(found, rules.longest_side(found))
        assert rules.is_small(found, rules.longest_side(found) - 1)
    assert not rules.is_small(facts(dict(name='Background', width=0.001), {}), 1000)
    assert not rules.is_small(facts(dict(width=0.)), 1000)  # a class that does not occur


@pytest.mark.parametrize('beside, share, weighed', [
    (0.019, 0.019, True), (0.021, 0.001, False), (0.019, 0.001, True)])
def test_classes_that_are_small_where_they_are_are_weighed(monkeypatch, beside, share,
                                                           weighed):
    """Not those that few images have; and runs end once they gain nothing."""
    monkeypatch.setattr(rules, 'plan_of', lambda checked, longest: Plan(
        (longest, 48), False, (32, 64), 4, 1))
    found = facts({}, dict(beside=beside, share=share), dict(images=0, beside=0.))
    plan = rules.first_plan(None, found)
    assert plan[-5:] == (None, 20, 10, weighed, None) and plan.scale[0] == 1024


@pytest.mark.parametrize('images, batch, steps', [
    (4, 4, 400), (400, 4, 6000), (400, 8, 3000), (9, 1, 540), (99999, 8, 20000)])
def test_steps_follow_images_and_batch(images, batch, steps):
    plan = rules.with_batch(Plan((64, 48), False, (32, 64), 4, 1), images, batch)
    assert (plan.batch_size, plan.max_iters) == (batch, steps)


@pytest.mark.parametrize('images, scale, crop, steps', [
    (16, (2048, 1536), (512, 512), 960), (100, (1024, 768), (512, 512), 1500),
    (300, (1600, 1200), (512, 512), 10986), (100, (1024, 512), (256, 512), 2000),
    (2000, (2048, 1536), (512, 512), 20000)])
def test_small_crops_are_more(images, scale, crop, steps):
    """Sixty crops of a twelfth of an image see each of its pixels five times alone."""
    assert rules.with_batch(Plan(scale, True, crop, 4, 1), images, 4).max_iters == steps


@pytest.mark.parametrize('base, batch, rate', [
    ('fcn-8s_efficientnet-lite0_1xb8-20k_camvid-360x480', 4, 5e-4),
    ('fcn-8s_efficientnet-lite0_1xb8-20k_camvid-360x480', 8, 0.000707),
    ('fcn-8s_r50_1xb16-20k_voc12-224x224', 1, 2.5e-4),
    ('fcn-8s_vgg16_1xb16-20k_voc12-224x224', 4, 1e-4),
    ('fcn-8s_swin-t_1xb16-20k_voc12-224x224', 16, 1e-4)])
def test_a_backbone_is_trained_at_a_rate_that_it_bears(base, batch, rate):
    config = Config.fromfile(BUILT_IN.with_name(f'{base}.py'))
    assert learning_rate(config, batch) == pytest.approx(rate)


def test_a_base_of_adamw_keeps_its_rate():
    config = Config(dict(
        train_dataloader=dict(batch_size=16), optim_wrapper=dict(
            optimizer=dict(type='AdamW', lr=1e-3), paramwise_cfg=dict(
                custom_keys=dict(backbone=dict(lr_mult=0.3))))))
    assert learning_rate(config, 16) == 1e-3 and learning_rate(config, 4) == 5e-4


@pytest.mark.parametrize('file', sorted(BUILT_IN.parent.glob('logs/*.json')),
                         ids=lambda file: file.stem)
def test_runs_that_were_measured_lose_nothing_by_an_early_end(file):
    """Their curves at the plan's validations, one of which is three points too good: it ends
    no run that has more than half a point to gain."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    steps, curve = zip(*((line['step'], line['mIoU']) for line in lines if 'mIoU' in line))
    at = np.arange(1, rules.VALIDATIONS + 1) / rules.VALIDATIONS * steps[-1]
    curve = np.interp(at, (0, *steps), (0, *curve))
    for lucky in range(rules.VALIDATIONS):
        hook = ExactEarlyStoppingHook(monitor='mIoU', patience=rules.PATIENCE)
        ended = next((place for place, value in enumerate(curve)
                      if hook._check_stop_condition(value + 3 * (place == lucky))[0]), None)
        assert curve[-1] - curve[:ended].max() < 0.5, lucky


def test_a_network_that_sees_background_alone_gets_half_of_the_run():
    hook = ExactEarlyStoppingHook(monitor='mIoU', patience=rules.PATIENCE)
    ended = next(place for place in range(rules.VALIDATIONS)
                 if hook._check_stop_condition(49.8)[0])
    assert ended >= rules.VALIDATIONS // 2


def test_batches_that_are_tried():
    assert [rules.most_images(*each) for each in [
        (1, 'cpu'), (3, 'cpu'), (99, 'cpu'), (99, 'cuda:0'), (5, 'cuda:1')]] == [2, 3, 4, 8, 5]


# --- memory ----------------------------------------------------------------------------


@pytest.mark.parametrize('free, most, batch', [
    (10000, 8, 8), (10000, 5, 5), (10000, 2, 2), (1400, 8, 8), (1300, 8, 4), (340, 8, 2)])
def test_a_batch_grows_within_its_share(free, most, batch):
    """A hundred bytes an image; more than fits is never tried."""
    tried = []

    def need(size):
        tried.append(size)
        return 100 * size

    assert _grow(need, free, most)[0] == batch == tried[-1]
    assert max(100 * size for size in tried) <= SHARE * free


def test_a_batch_that_does_not_fit_after_all():
    def need(size):
        if size > 2:
            raise RuntimeError('CUDA out of memory.')
        return 1

    assert _grow(need, 1000, 8)[0] == 2
    with pytest.raises(InputError, match='a step on two crops does not fit.*--base'):
        _grow(lambda size: 350 * size, 1000, 8)  # one would, which is no batch

    def broken(size):
        raise RuntimeError('shapes differ')
    with pytest.raises(RuntimeError, match='shapes differ'):
        _grow(broken, 1000, 8)


def test_a_container_may_take_what_its_limit_leaves(tmp_path):
    """And what it holds of files that nobody reads."""
    assert _of_group(tmp_path, 900) == 900
    (tmp_path / 'memory.stat').write_text(
        'anon 5\ninactive_anon 70\ninactive_file 30\nactive_file 9\n')
    (tmp_path / 'memory.current').write_text('200\n')
    for limit, free in (('500', 330), ('2000', 900), ('max', 900), ('100', 0)):
        (tmp_path / 'memory.max').write_text(f'{limit}\n')
        assert _of_group(tmp_path, 900) == free


def test_what_is_free_is_what_a_process_may_have(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, 'Path', lambda name: tmp_path / name.rpartition('/')[2])
    assert free_memory('cpu') is None  # another system
    (tmp_path / 'meminfo').write_text(
        'MemTotal: 900 kB\nMemFree: 100 kB\nMemAvailable: 700 kB\n')
    assert free_memory('cpu') == 700 << 10


def test_where_nothing_is_told_four_are_taken():
    batch, why = _grow(lambda size: None, 1000, 8)
    assert batch == 4 and 'does not tell' in why


def test_a_step_is_measured():
    config = Config.fromfile(BUILT_IN)
    config.model.backbone.update(stem_channels=8, base_channels=8, init_cfg=None)
    config.model.decode_head.in_channels = (16, 32, 64)
    batch, why = fitting_batch(config, (32, 64), 3, 'cpu')
    assert batch == 3
    free = free_memory('cpu')
    assert free is None or ' GiB that are free' in why and free > 2 ** 20


# --- advice ----------------------------------------------------------------------------


def said(found, matrix, stride=8):
    return advise(found, torch.tensor(matrix), Settings(stride, 'mine/config.py',
                                                        'the test images (5)'))


def test_good_classes_need_no_help():
    assert said(facts({}, {}), [[90, 0], [1, 80]]) == [
        'every class has an IoU of at least 70 on the test images (5)']


def test_three_classes_below_70_are_told_of():
    assert len(said(facts({}, {}), [[70, 0], [30, 170]])) == 1  # 70.0 and 85.0
    lines = said(facts(*[{}] * 5), (np.eye(5, dtype=int) + 1).tolist())
    assert [line.split(':')[0] for line in lines if line.startswith('  class')] == [
        '  class 0', '  class 1', '  class 2']


def test_the_worst_class_comes_first_with_what_was_measured():
    lines = said(facts({}, dict(images=7, share=0.0123, width=0.1), dict(images=3)),
                 [[90, 0, 0], [9, 10, 0], [9, 0, 1]])
    assert lines == [
        'the worst classes on the test images (5), and what would help them:',
        '  class 2: IoU 10.0; in 3 of 40 training images, 10 % of their pixels, half of '
        'these in regions no wider than 100',
        '    - more images of class 2: fewer than 20 of training have it',
        '  class 1: IoU 52.6; in 7 of 40 training images, 1.2 % of their pixels, half of '
        'these in regions no wider than 100',
        '    - more images of class 1: fewer than 20 of training have it']


BAD = [[90, 10], [60, 40]]


@pytest.mark.parametrize('side, longest, stride, words', [
    (0.012, 1000, 8, ['a finer stride than 8: its regions are narrower than 16 pixels']),
    (0.012, 1000, 4, []), (0.007, 1000, 4, ['images of a higher resolution']),
    (0.012, 4000, 8, ['a larger size: its regions are narrower than 16 pixels, 2 cells of the '
                      'network, and images are scaled from 4000 to 1000 pixels',
                      'a finer stride than 8']),
    (0.007, 4000, 4, ['a larger size']), (0.02, 4000, 8, [])])
def test_small_regions_want_more_pixels(side, longest, stride, words):
    lines = said(facts({}, dict(width=side), longest=longest), BAD, stride)
    helps = [line for line in lines[2:4] if line.startswith('    - ')]
    if words:
        assert len(helps) == len(words)
        assert all(word in line for word, line in zip(words, helps)), helps
    else:
        assert helps == ['    - 60 % of its pixels are taken for class 0: look at the masks '
                         'of both, and add images that have both']


def test_regions_of_two_cells_are_wide_enough():
    """Also where 16 / 1122 * 1122 is a little less than 16."""
    assert 'stride' not in str(said(facts({}, dict(width=16 / 1122), scale=1122), BAD, 8))


def test_a_class_that_is_seen_where_it_is_not():
    lines = said(facts({}, {}, {}), [[900, 60, 30], [0, 90, 1], [0, 0, 99]])
    assert lines[2].startswith('    - 40 % of what is taken for it is class 0: look at')


def test_what_is_lost_to_several_classes_is_lost():
    lines = said(facts({}, {}, {}), [[300, 40, 0], [30, 60, 30], [0, 0, 300]])
    assert lines[2].startswith('    - 25 % of its pixels are taken for class 0: look at')


def test_twenty_images_are_enough_and_widths_are_those_of_training():
    lines = said(facts({}, dict(images=20), longest=4000), BAD)
    assert lines[1].endswith('half of these in regions no wider than 100')
    assert 'more images' not in str(lines)


def test_classes_without_images():
    lines = said(facts({}, dict(images=0, share=0., width=0.), {}),
                 [[90, 0, 5], [9, 0, 0], [0, 0, 0]])
    assert lines[1:] == [
        '  class 1: IoU 0.0; no training image has it',
        '    - more images of class 1: fewer than 20 of training have it',
        'not judged, as none of the test images (5) has them: class 2']
