"""The guard around data sets of every kind, and what is asked of it."""
import pickle

import numpy as np
import pytest
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmengine.registry import TRANSFORMS as ROOT_TRANSFORMS
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from fcn_plugin.datasets import GuardedDataset, ShapesDataset
from fcn_plugin.datasets.bad_samples import BadSampleError
from fcn_plugin.datasets.guarded import guarded, innermost, leaves

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
            dict(type='PackSegInputs')]


@ROOT_TRANSFORMS.register_module()
class NothingOf:
    """A transform that gives no image of some."""

    def __init__(self, names):
        self.names = names

    def __call__(self, results):
        return None if results['img_path'].endswith(tuple(self.names)) else results


@DATASETS.register_module()
class Rotated(BaseSegDataset):
    """A user's own way to an image."""

    def __getitem__(self, idx):
        return dict(self.prepare_data((idx + 1) % len(self)), own=True)

    def get_cat_ids(self, idx):
        return [idx % 2]


@pytest.fixture
def folder(tmp_path):
    """Pairs a, b, c and d."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    for kind in ('img', 'mask'):
        (tmp_path / kind).mkdir()
    for name in 'abcd':
        Image.fromarray(pixels).save(tmp_path / 'img' / f'{name}.jpg')
        Image.new('L', (32, 24), 1).save(tmp_path / 'mask' / f'{name}.png')
    return tmp_path


def leaf(folder, kind='BaseSegDataset', **options):
    return dict(type=kind, data_root=str(folder), metainfo=dict(classes=('x', 'y')),
                data_prefix=dict(img_path='img', seg_map_path='mask')) | dict(
                    pipeline=PIPELINE) | options


def mix(folder):
    """Two images in each."""
    return dict(
        type='MultiImageMixDataset', dataset=dict(type='ConcatDataset', datasets=[
            leaf(folder, pipeline=PIPELINE[:2])]),
        pipeline=[dict(type='RandomMosaic', prob=1, img_scale=(24, 32)), PIPELINE[2]])


WRAPPERS = {
    'none': leaf,
    'ConcatDataset': lambda folder: dict(type='ConcatDataset', datasets=[
        leaf(folder), leaf(folder)]),
    'RepeatDataset': lambda folder: dict(type='RepeatDataset', times=2,
                                         dataset=leaf(folder)),
    'ClassBalancedDataset': lambda folder: dict(
        type='ClassBalancedDataset', oversample_thr=0.9, dataset=leaf(folder, 'Rotated')),
    'MultiImageMixDataset': mix,
    'one in another': lambda folder: dict(
        type='RepeatDataset', times=2, dataset=WRAPPERS['ConcatDataset'](folder)),
}


def unusable(dataset):
    """The messages of all images that cannot be used."""
    found = []
    for idx in range(len(dataset)):
        try:
            dataset[idx]
        except BadSampleError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize('kind', WRAPPERS)
def test_in_any_wrapper(folder, kind):
    config = WRAPPERS[kind](folder)
    before = str(config)
    plain = DATASETS.build(config)
    dataset = DATASETS.build(guarded(config, 'error', 2))
    assert str(config) == before and type(innermost(dataset)) is type(plain)
    assert len(dataset) == len(plain) and dataset.metainfo == plain.metainfo
    assert [type(one).__name__ for one in leaves(dataset)] == [
        type(one).__name__ for one in leaves(plain)]
    np.random.seed(0)
    assert not unusable(dataset)
    (folder / 'img' / 'b.jpg').unlink()
    said = unusable(dataset)
    assert said and set(said) == {f"cannot use '{folder}/img/b.jpg': there is no such file"}
    skipping = DATASETS.build(guarded(config, 'skip', 2))
    assert not unusable(skipping)


@pytest.mark.parametrize('build', [
    lambda one: ConcatDataset([one, BaseSegDataset(**leaf_of(one))]),
    lambda one: RepeatDataset(one, 3), lambda one: one])
def test_data_sets_that_are_built_already(folder, build):
    dataset = DATASETS.build(guarded(build(BaseSegDataset(**options(folder))), 'skip', 2))
    (folder / 'img' / 'd.jpg').unlink()
    assert not unusable(dataset) and dataset.skipped == len(dataset) // 4
    named = DATASETS.build(guarded(dataset.dataset, 'error', 2))
    assert set(unusable(named)) == {f"cannot use '{folder}/img/d.jpg': there is no such file"}


def options(folder, **more):
    config = leaf(folder, **more)
    config.pop('type')
    return config


def leaf_of(dataset):
    return options(dataset.data_root)


def test_each_of_several_data_sets_is_guarded_in_a_list_or_a_tuple(folder):
    for several in ([leaf(folder)] * 2, (leaf(folder), ) * 2):
        config = guarded(dict(type='ConcatDataset', datasets=several))
        assert [one['type'] for one in config['datasets']] == [GuardedDataset] * 2
        assert config['type'] == 'ConcatDataset'


def test_a_substitute_s_truth_counts_nowhere_in_a_wrapper(folder):
    config = dict(type='ConcatDataset', datasets=[leaf(folder, test_mode=True)])
    for given in (config, DATASETS.build(config)):
        (folder / 'img' / 'b.jpg').write_bytes(b'')
        dataset = DATASETS.build(guarded(given, 'skip', 2))
        truths = [dataset[i]['data_samples'].gt_sem_seg.data.unique().tolist()
                  for i in range(4)]
        assert truths == [[1], [255], [1], [1]]


@pytest.mark.parametrize('label, said', [(2, 2), (-1, -1), (-255, -255), (255, None)])
def test_labels_below_the_classes_are_none_either(label, said):
    """Of a pipeline that gives numbers with a sign."""
    class Drawn(ShapesDataset):
        def draw(self, index):
            return np.zeros((32, 32, 3), np.uint8), np.full((32, 32), label, np.int16)

    dataset = GuardedDataset(Drawn(1, pipeline=[]), num_classes=2)
    if said is None:
        assert dataset[0]['gt_seg_map'].max() == 255
        return
    with pytest.raises(BadSampleError, match=f'the label {said} in its mask'):
        dataset[0]


# --- pipelines that give nothing ------------------------------------------------------


def test_the_image_drawn_in_place_of_none_is_the_one_that_is_named(folder):
    """Not that for which the pipeline gave nothing, and whose file is good."""
    pipeline = [NothingOf(['a.jpg', 'c.jpg', 'd.jpg']), *PIPELINE]
    dataset = GuardedDataset(leaf(folder, pipeline=pipeline))
    plain = DATASETS.build(leaf(folder, pipeline=pipeline))
    np.random.seed(0)
    state = np.random.get_state()
    expected = plain[0]['data_samples'].img_path
    after = np.random.rand()
    np.random.set_state(state)
    assert dataset[0]['data_samples'].img_path == expected
    assert np.random.rand() == after, "as many random numbers as mmengine's"
    (folder / 'img' / 'b.jpg').write_bytes(b'')
    with pytest.raises(BadSampleError, match='b.jpg.*the file is empty'):
        dataset[0]


@pytest.mark.parametrize('options, said', [
    (dict(test_mode=True), 'one of the test data'), (dict(max_refetch=2), '3 images drawn')])
def test_a_pipeline_that_gives_nothing_at_all(folder, options, said):
    for how in ('error', 'skip'):
        dataset = GuardedDataset(
            leaf(folder, pipeline=[NothingOf(['.jpg'])], **options), how)
        with pytest.raises(BadSampleError, match=f'returned None, no image, for {said}'):
            dataset[0]


def test_no_image_is_drawn_in_the_place_of_one_of_the_test_data(folder):
    dataset = GuardedDataset(leaf(folder, test_mode=True, max_refetch=50, pipeline=[
        NothingOf(['b.jpg']), *PIPELINE]))
    assert dataset[0]['data_samples'].img_path.endswith('a.jpg')
    with pytest.raises(BadSampleError, match='one of the test data'):
        dataset[1]


def test_a_data_set_s_own_way_to_an_image_is_taken(folder):
    dataset = GuardedDataset(leaf(folder, 'Rotated'))
    assert dataset[0]['own'] and dataset[0]['data_samples'].img_path.endswith('b.jpg')


# --- what is asked of it --------------------------------------------------------------


def test_all_else_is_the_data_set_s(folder):
    dataset = GuardedDataset(GuardedDataset(leaf(folder, test_mode=True)))
    inner = innermost(dataset)
    assert type(inner) is BaseSegDataset and dataset.ignore_index == 255
    assert dataset.test_mode and dataset.get_data_info(2) == inner.get_data_info(2)
    pipeline = dataset.pipeline
    dataset.pipeline = None  # as hooks do that change the augmentation on the way
    assert inner.pipeline is None
    dataset.pipeline = pipeline
    with pytest.raises(AttributeError, match='colour'):
        _ = dataset.colour
    with pytest.raises(IndexError, match='image 4 of 4'):
        dataset[4]
    assert len(list(dataset)) == 4


def test_data_sets_that_say_nothing_of_their_files_are_passed_on():
    class Numbers(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return (3, 4, 5)[index]

        def __getitems__(self, indices):
            raise AssertionError('this way the guard would be passed by')

    batches = DataLoader(GuardedDataset(Numbers()), 3, collate_fn=list)
    assert list(batches) == [[3, 4, 5]]


def test_in_worker_processes_that_are_started_anew(folder):
    """Which get it pickled, and count for this one."""
    (folder / 'img' / 'b.jpg').write_bytes(b'')
    dataset = GuardedDataset(leaf(folder), 'skip', 2)
    loader = DataLoader(dataset, 2, collate_fn=list, num_workers=1,  # each imports it all
                        multiprocessing_context='spawn')
    assert sum(map(len, loader)) == 4 and dataset.skipped == 1


def test_copies_ask_nobody_before_they_are_filled():
    empty = GuardedDataset.__new__(GuardedDataset)
    with pytest.raises(AttributeError, match='dataset'):
        _ = empty.dataset
    shapes = RepeatDataset(ShapesDataset(2), 2)
    assert len(pickle.loads(pickle.dumps(shapes))) == 4


def test_a_config_s_own_guard_keeps_its_settings(folder):
    for kind in ('GuardedDataset', 'mmseg.GuardedDataset', GuardedDataset):
        config = dict(type=kind, dataset=leaf(folder), on_bad_sample='skip')
        assert guarded(config, 'error', 2) == config


def test_wrappers_take_it_for_a_data_set(folder):
    """mmengine's refuse objects that are none of its own, and build from configs."""
    assert not isinstance(GuardedDataset(leaf(folder)), BaseDataset)
    inside = guarded(dict(type='ConcatDataset', datasets=[BaseSegDataset(**options(folder))]))
    assert len(DATASETS.build(inside)) == 4
