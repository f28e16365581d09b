"""Augmentation, against its formula."""
import copy

import cv2
import numpy as np
import pytest
from mmcv.transforms import Compose
from mmseg.registry import DATASETS, TRANSFORMS
from PIL import Image

from fcn_plugin.datasets import AlignedResize, RandomCopyPaste, RandomLowLight
from fcn_plugin.engine.test import evaluate_at_original_size
from fcn_plugin.runtimes.torch_backend import build_pipeline, run_pipeline
from fcn_plugin.utils.config import load_config


@pytest.mark.parametrize('scale', [
    (48, 36), (101, 77), (131, 61), (33, 200),
    (164, 123)])  # 123 / 60 * 60 is less than 123
@pytest.mark.parametrize('keep_ratio', [False, True])
def test_labels_are_those_of_the_nearest_pixel(scale, keep_ratio):
    """Each pixel's row and column as its label: by the formula the nearest to its centre."""
    height, width = 60, 80
    rows, columns = np.indices((height, width)).astype(np.int32)
    found = AlignedResize(scale, keep_ratio=keep_ratio)(dict(
        img=np.zeros((height, width, 3), np.uint8), gt_seg_map=rows.astype(np.uint8),
        gt_columns=columns, seg_fields=['gt_seg_map', 'gt_columns', 'gt_none']))
    new_height, new_width = found['img_shape']
    assert keep_ratio or (new_width, new_height) == scale
    for key, axis, size, new in (('gt_seg_map', 0, height, new_height),
                                 ('gt_columns', 1, width, new_width)):
        assert found[key].shape == (new_height, new_width)
        centres = np.expand_dims((np.arange(new) + 0.5) * size / new - 0.5, 1 - axis)
        assert (np.abs(found[key] - np.clip(centres, 0, size - 1)) <= 0.5 + 1e-6).all()
    assert found['gt_seg_map'].dtype == np.uint8 and found['gt_columns'].dtype == np.int32


@pytest.mark.parametrize('flip', [False, True])
def test_labels_stay_on_their_image(flip):
    """An edge of the image and of its mask, over many drawn sizes: on average the same."""
    np.random.seed(0)
    edge = np.full((40, 90), flip, np.uint8)
    edge[:, 37:] = not flip
    gaps = dict(AlignedResize=[], Resize=[])
    for kind, gap in gaps.items():
        steps = Compose([dict(type='RandomResize', scale=(90, 40), ratio_range=(0.5, 2.),
                              resize_type=kind, keep_ratio=True)])
        for _ in range(400):
            found = steps(dict(img=edge * np.uint8(255), gt_seg_map=edge,
                               seg_fields=['gt_seg_map']))
            # the places of both edges in pixels: what lies before a sharp one, summed
            image, mask = (abs(each[0] / each.max() - flip) for each in
                           (found['img'].astype(float), found['gt_seg_map'].astype(float)))
            gap.append(image.sum() - mask.sum())
    assert abs(np.mean(gaps['AlignedResize'])) < 0.05
    assert np.mean(gaps['Resize']) > 0.4  # mmseg's own: half a pixel to the right


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_light_and_noise_follow_the_formula(dtype):
    """Means give the stops, deviations the noise; uniform over what was asked for."""
    np.random.seed(0)
    transform = TRANSFORMS.build(dict(type='RandomLowLight', prob=1., max_stops=2.,
                                      max_noise=6.))
    image = np.full((100, 120, 3), 180, dtype)
    stops, deviations = [], []
    for _ in range(300):
        changed = transform(dict(img=image))['img']
        assert changed.dtype == dtype and changed.shape == image.shape
        values = changed.astype(np.float64)
        stops.append(2.2 * np.log2(180 / values.mean()))
        deviations.append(values.std(axis=(0, 1)).mean())
        # each channel has noise of its own
        assert deviations[-1] < 1 or abs(np.corrcoef(values.reshape(-1, 3).T)[0, 1]) < 0.05
    assert (image == 180).all()
    for found, most in ((stops, 2), (deviations, 6)):
        assert -0.02 < min(found) < 0.1 * most and 0.9 * most < max(found) < 1.02 * most
        assert np.mean(found) == pytest.approx(most / 2, rel=0.1)


def test_only_some_images_and_within_range():
    np.random.seed(0)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), np.uint8)
    transform = RandomLowLight(prob=0.3, max_stops=0., max_noise=60.)
    results = [transform(dict(img=image))['img'] for _ in range(400)]
    changed = [each for each in results if each is not image]
    assert 0.2 < len(changed) / len(results) < 0.4
    # noise that leads out of the range ends there: neither wraps around
    for each in changed:
        assert not ((image < 10) & (each > 250)).any()


def test_each_image_has_noise_of_its_own_and_runs_repeat_it():
    transform, grey = RandomLowLight(prob=1., max_noise=20.), np.full((50, 60), 99, np.float32)
    noise = []
    for _ in range(2):
        np.random.seed(0)
        noise.append([transform(dict(img=grey))['img'].ravel() for _ in range(2)])
    assert abs(np.corrcoef(noise[0])[0, 1]) < 0.1
    assert np.array_equal(*noise)


def test_noise_makes_nothing_darker():
    """Values are rounded, not cut off."""
    np.random.seed(0)
    transform = RandomLowLight(prob=1., max_stops=0., max_noise=3.)
    grey = np.full((200, 300), 100, np.uint8)
    assert np.mean([transform(dict(img=grey))['img'].mean() for _ in range(5)]) == (
        pytest.approx(100, abs=0.1))


def test_as_strong_as_its_docs_say():
    found = RandomLowLight()
    assert (found.prob, found.max_stops, found.max_noise) == (0.5, 3, 8)


def test_it_repeats_by_numpys_seed():
    image = np.full((8, 9), 100, np.uint8)
    for _ in range(2):
        found = []
        for seed in (2, 2, 3):  # 1 would draw no noise
            np.random.seed(seed)
            found.append(RandomLowLight(prob=1.)(dict(img=image))['img'])
        assert (found[0] == found[1]).all() and (found[0] != found[2]).any()


@pytest.mark.parametrize('name, value', [
    ('prob', 1.5), ('prob', -0.1), ('max_stops', -1), ('max_noise', float('inf')),
    ('max_noise', float('nan'))])
def test_bad_settings(name, value):
    with pytest.raises(ValueError, match=f'^RandomLowLight: {name} is {value}, expected'):
        RandomLowLight(**{name: value})


def scene(height, width, start, objects=()):
    """Pixels that are all unlike, and a label for each box (top, bottom, left, right)."""
    count = height * width
    image = np.arange(start, start + count, dtype=np.int64).reshape(height, width, 1)
    labels = np.zeros((height, width), np.uint8)
    for label, (top, bottom, left, right) in objects:
        labels[top:bottom, left:right] = label
    return dict(img=image, gt_seg_map=labels)


def test_objects_are_pasted_with_their_pixels():
    """Each changed pixel has image and label of one pixel of the other's objects, and all
    are moved by the same way; by which they reach every side of the image."""
    np.random.seed(0)
    mine = scene(30, 40, 0, [(4, (0, 5, 0, 5))])
    other = scene(20, 25, 10_000, [(255, (4, 12, 6, 15)), (7, (5, 11, 7, 14))])
    transform, corners, ignored = RandomCopyPaste(prob=1.), [], []
    for _ in range(200):
        done = transform(dict(mine, mix_results=[other]))
        changed = done['img'][..., 0] >= 10_000
        assert (done['gt_seg_map'][~changed] == mine['gt_seg_map'][~changed]).all()
        assert (done['img'][~changed] == mine['img'][~changed]).all()
        rows, columns = np.nonzero(changed)
        sources = np.divmod(done['img'][changed, 0] - 10_000, 25)
        assert (done['gt_seg_map'][changed] == other['gt_seg_map'][sources]).all()
        assert (other['gt_seg_map'][sources] != 0).all()
        assert len(set(zip(rows - sources[0], columns - sources[1]))) == 1
        assert np.ptp(rows) >= 3 and np.ptp(columns) >= 3 and len(rows) >= 16
        ignored.append((done['gt_seg_map'] == 255).sum())
        corners.append((rows.min(), rows.max(), columns.min(), columns.max()))
    assert max(ignored) == 8 * 9 - 6 * 7  # the border comes along
    assert np.min(corners, 0)[[0, 2]].tolist() == [0, 0]
    assert np.max(corners, 0)[[1, 3]].tolist() == [29, 39]
    assert (mine['img'] < 10_000).all() and (other['img'] >= 10_000).all()


def test_an_image_without_objects_pastes_nothing():
    mine, empty = scene(8, 9, 0), scene(8, 9, 100, [(255, (0, 3, 0, 3))])
    for others in ([empty], []):
        done = RandomCopyPaste()(dict(mine, mix_results=others))
        assert (done['img'] == mine['img']).all()


def test_every_image_is_pasted_sometime():
    np.random.seed(0)
    found = [RandomCopyPaste(prob=1.).get_indices(range(4)) for _ in range(60)]
    assert {index for index, in found} == {0, 1, 2, 3}


def test_copy_paste_in_mmsegs_data_set():
    """Through the wrapper whose pipeline it belongs into; a half of the images is changed."""
    np.random.seed(0)
    inner = dict(type='ShapesDataset', length=8, image_size=32, pipeline=[])
    found = DATASETS.build(dict(
        type='MultiImageMixDataset', dataset=inner, pipeline=[dict(type='RandomCopyPaste')]))
    plain = DATASETS.build(inner)
    images = [plain[i]['img'] for i in range(8)]
    changed = [bool((found[i % 8]['img'] != images[i % 8]).any()) for i in range(48)]
    assert 0.3 < np.mean(changed) < 0.7
    with pytest.raises(ValueError, match='^RandomCopyPaste: prob is 2, expected 0 to 1'):
        RandomCopyPaste(prob=2)


def test_a_network_looks_at_another_size_than_it_is_judged_at(tmp_path):
    """By the config that does so: the truth is as at 224x224, the image has those pixels."""
    image = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    labels = np.random.default_rng(1).integers(0, 21, (90, 160), dtype=np.uint8)
    for name, array in dict(image=image, labels=labels).items():
        Image.fromarray(array).save(tmp_path / f'{name}.png')
    config = load_config('fcn-4s_efficientnet-lite2-fpn_1xb12-1700_voc12-320x320_at-224')
    assert config.model.test_cfg.get('rescale', True)
    settings = dict(config.model.test_cfg)
    given = dict(img_path=str(tmp_path / 'image.png'), label_map=None, seg_fields=[],
                 seg_map_path=str(tmp_path / 'labels.png'), reduce_zero_label=False)

    def loaded():
        return Compose(config.test_dataloader.dataset.pipeline)(copy.deepcopy(given))

    found = loaded()
    sample = found['data_samples']
    truth = cv2.resize(labels, (224, 224), interpolation=cv2.INTER_NEAREST)
    assert (sample.gt_sem_seg.data[0].numpy() == truth).all()
    assert sample.ori_shape == (224, 224) and sample.img_shape == (352, 352)
    small = cv2.resize(image[..., ::-1], (224, 224))
    seen = found['inputs'].numpy().transpose(1, 2, 0)
    assert (seen == cv2.resize(small, (352, 352))).all()

    # what is predicted for an image, and judged at the images' own sizes, is of that size
    for found in (run_pipeline(build_pipeline(config), image),
                  evaluate_at_original_size(config) or loaded()):
        sample = found['data_samples']
        assert (found['inputs'].numpy().transpose(1, 2, 0) == seen).all()
        assert sample.ori_shape == (90, 160) and sample.img_shape == (352, 352)
    assert (sample.gt_sem_seg.data[0].numpy() == labels).all()
    assert config.model.test_cfg == dict(settings, rescale=True)  # its mode as before
