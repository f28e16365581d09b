"""tools/train.py and tools/test.py, on files, in several processes, from mmseg."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.visualization import SegLocalVisualizer
from PIL import Image
from process_runs import environment, have_left, noting_ends
from tiny_runs import (
    CONFIGS,
    HERE,
    ROOT,
    TINY_BACKBONE,
    forget_runs,
    run_tool,
    succeed,
    write_config,
)

from fcn_plugin.datasets.shapes import ShapesDataset
from fcn_plugin.datasets.voc_layout import write_voc
from fcn_plugin.engine.test import evaluate_at_original_size
from fcn_plugin.engine.test import test as evaluate
from fcn_plugin.evaluation import FCNMetric
from fcn_plugin.utils.config import load_config

METRICS = ('aAcc', 'mAcc', 'mIoU', 'fwIoU')
# A user's own data: VOC's config with another folder and other classes.
FOLDER = f"""
_base_ = '{CONFIGS}/fcn/fcn-8s_r50_1xb16-20k_voc12-224x224.py'
model = dict({TINY_BACKBONE})
own = dict(type='BaseSegDataset', data_root='DATA',
           metainfo=dict(classes='DATA/classes.txt'))
train_dataloader = dict(batch_size=2, {HERE}, dataset=own)
val_dataloader = dict({HERE}, dataset=own)
test_dataloader = dict({HERE}, dataset=own)
"""
# One view, the one that is tested without --tta.
ONE_VIEW = """
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='Resize', scale=(224, 224), keep_ratio=False)],
        [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]
"""


def save_weights(config, path):
    """A checkpoint of random weights that tell classes apart."""
    init_default_scope('mmseg')  # fixtures of a module come before the tests' own
    config = Config.fromfile(config)
    config.model.backbone.init_cfg = None
    torch.manual_seed(0)  # the seed of a process is drawn by chance
    weights = MODELS.build(config.model).state_dict()
    for key, value in weights.items():
        if key.startswith('decode_head.score') and key.endswith('weight'):
            weights[key] = torch.randn_like(value)
    torch.save(dict(state_dict=weights), path)
    return path


def metrics(work_dir):
    """The figures of the latest test in a work dir."""
    latest = max(work_dir.glob('*/*.json'), key=lambda path: path.stat().st_mtime)
    found = json.loads(latest.read_text().splitlines()[-1])
    return {name: found[name] for name in METRICS}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """VOC layout with three validation images, a config for it and weights."""
    root = tmp_path_factory.mktemp('folder')
    write_voc(root / 'data', {
        split: ShapesDataset(count, split, image_size=((40, 56), (60, 90)))
        for split, count in (('train', 2), ('val', 3))})
    config = write_config(root, FOLDER.replace('DATA', str(root / 'data')))
    save_weights(config, root / 'random.pth')
    return root


@pytest.fixture(scope='module')
def sizes(folder):
    """The (H, W) of the validation images by name."""
    return {path.stem: np.asarray(Image.open(path)).shape[:2]
            for path in (folder / 'data' / 'JPEGImages').glob('val_*')}


@pytest.fixture
def judged(monkeypatch):
    """The sizes of prediction and truth that the metric is given, by image."""
    found, process = {}, FCNMetric.process

    def spy(self, data_batch, data_samples):
        for sample in data_samples:
            found[Path(sample['img_path']).stem] = tuple(
                tuple(sample[key]['data'].shape[-2:])
                for key in ('pred_sem_seg', 'gt_sem_seg'))
        process(self, data_batch, data_samples)

    monkeypatch.setattr(FCNMetric, 'process', spy)
    return found


# --- bad arguments ---------------------------------------------------------


@pytest.mark.parametrize('tool, more', [('train.py', []), ('test.py', ['best.pth'])])
def test_config_that_does_not_exist(tmp_path, tool, more):
    write_config(tmp_path, name='beside.py')
    done = run_tool(tool, tmp_path / 'absent.py', *more)
    assert done.code == 2 and done.out == ''
    line, = done.err.splitlines()
    assert line.startswith(f'error: {tmp_path}/absent.py: ') and 'beside.py' in line
    with pytest.raises(FileNotFoundError, match='beside.py'):
        run_tool(tool, tmp_path / 'absent.py', *more, '--debug')


def test_checkpoint_that_does_not_exist(folder, tmp_path):
    done = run_tool('test.py', folder / 'tiny.py', tmp_path / 'absent.pth')
    assert done.code == 2
    assert done.err == f'error: {tmp_path}/absent.pth: no such checkpoint file\n'


def test_exported_files_are_judged_by_another_command(folder, tmp_path):
    (tmp_path / 'net.onnx').write_bytes(b'any')
    done = run_tool('test.py', folder / 'tiny.py', tmp_path / 'net.onnx')
    assert done.code == 2 and f'fcn evaluate {tmp_path}/net.onnx IMAGES MASKS' in done.err


def test_tta_without_a_pipeline(tmp_path):
    config = write_config(tmp_path)
    weights = save_weights(config, tmp_path / 'random.pth')
    done = run_tool('test.py', config, weights, '--tta')
    assert done.code == 2 and f'error: {config} has no tta_pipeline' in done.err


def test_pictures_without_a_hook(folder, tmp_path):
    done = run_tool('test.py', folder / 'tiny.py', folder / 'random.pth', '--show-dir',
                    tmp_path, '--cfg-options', 'default_hooks.visualization=None')
    assert done.code == 2 and 'no visualization hook' in done.err
    assert "visualization=dict(type='FCNVisualizationHook')" in done.err


# --- what is judged --------------------------------------------------------


@pytest.mark.parametrize('flag', [None, '--original-size', '--tta'])
def test_sizes_that_are_judged(folder, sizes, judged, tmp_path, flag):
    """The config's 224x224; by either flag the sizes of the files."""
    flags = [flag] if flag else []
    said = succeed('test.py', folder / 'tiny.py', folder / 'random.pth', *flags, '--out',
                   tmp_path / 'out', '--work-dir', tmp_path / 'work')
    figure = metrics(tmp_path / 'work')['mIoU']
    assert re.search(r'^the checkpoint on 3 images of BaseSegDataset:\n(.+\n){2}'
                     rf'mean IoU +{figure:.2f}\n(.+\n)+labels +{tmp_path}/out/$', said, re.M)
    expected = sizes if flag else dict.fromkeys(sizes, (224, 224))
    assert judged == {name: (size, size) for name, size in expected.items()}
    written = {p.stem: np.asarray(Image.open(p)) for p in (tmp_path / 'out').iterdir()}
    assert {name: labels.shape for name, labels in written.items()} == expected
    assert len({label for labels in written.values() for label in labels.flat}) > 1
    assert all(0 < metrics(tmp_path / 'work')[name] < 100 for name in METRICS)


@pytest.mark.parametrize('load, pack', [('LoadAnnotations', 'PackSegInputs'),
                                        ('LoadTasks', 'PackTasks')])
def test_a_size_that_the_pipeline_keeps_is_not_the_original_one(load, pack):
    """And the truth is loaded behind what changes the image."""
    steps = ['LoadImageFromFile', load, 'Resize', 'KeepSize', 'ResizeEdge', pack]
    config = Config(dict(model={}, test_dataloader=dict(dataset=dict(
        pipeline=[dict(type=step) for step in steps]))))
    evaluate_at_original_size(config)
    assert [step.type for step in config.test_dataloader.dataset.pipeline] == [
        'LoadImageFromFile', 'Resize', 'ResizeEdge', load, pack]


def test_each_of_several_data_sets_is_judged_at_its_own_sizes(folder, monkeypatch, tmp_path):
    parts = [dict(type='BaseSegDataset', pipeline=[dict(type=step) for step in (
        'LoadImageFromFile', 'LoadAnnotations', name, 'PackSegInputs')])
        for name in ('Resize', 'ResizeEdge')]
    config = Config(dict(
        model=dict(type='FCNSegmentor'), work_dir=str(tmp_path),
        tta_model=dict(type='FCNTTAModel'),
        tta_pipeline=[dict(type='LoadImageFromFile'), dict(type='TestTimeAug')],
        test_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=parts))))
    built = []
    monkeypatch.setattr('fcn_plugin.engine.test.build_runner', lambda config: (
        built.append([[step.type for step in part.pipeline] for part in
                      config.test_dataloader.dataset.datasets]), 1 / 0))
    for way in ('original_size', 'tta'):
        with pytest.raises(ZeroDivisionError):
            evaluate(config.copy(), str(folder / 'random.pth'), **{way: True})
    assert built == [[['LoadImageFromFile', name, 'LoadAnnotations', 'PackSegInputs']
                      for name in ('Resize', 'ResizeEdge')],
                     [['LoadImageFromFile', 'TestTimeAug']] * 2]


@pytest.mark.parametrize('given, kept', [
    ({}, {}), (dict(tile=320), dict(mode='tile', tile=320, overlap=128))])
def test_what_is_not_given_in_python_is_as_the_tool_has_it(folder, judged, tmp_path, given,
                                                           kept):
    """At the config's sizes, whole, or in tiles that see 128 pixels of one another."""
    succeed('test.py', folder / 'tiny.py', folder / 'random.pth', '--work-dir',
            tmp_path / 'work')
    before = dict(judged)
    forget_runs()
    config = load_config(str(folder / 'tiny.py'), work_dir=str(tmp_path / 'work'))
    settings = dict(config.model.test_cfg)
    found = evaluate(config, str(folder / 'random.pth'), **given)
    assert config.model.test_cfg == dict(settings, **kept) and judged == before
    assert found == metrics(tmp_path / 'work')
    assert len(list((tmp_path / 'work').glob('*/*.json'))) == 2


def test_tta_of_one_view_is_the_plain_test(folder, tmp_path):
    """So its weights are loaded and its predictions are brought to the same size."""
    config = write_config(tmp_path, (folder / 'tiny.py').read_text() + ONE_VIEW)
    for flag in ('--tta', '--original-size'):
        succeed('test.py', config, folder / 'random.pth', flag,
                '--out', tmp_path / flag, '--work-dir', tmp_path / 'work')
    for file in (tmp_path / '--tta').iterdir():
        np.testing.assert_array_equal(
            Image.open(file), Image.open(tmp_path / '--original-size' / file.name))


@pytest.mark.parametrize('flags', [('--fast', ), ('--tile', 160, '--overlap', 32),
                                   ('--fast', '--tile', 224, '--overlap', 64, '--tta')])
def test_faster_and_smaller_ways_to_the_same_labels(folder, tmp_path, flags):
    config, weights = folder / 'tiny.py', folder / 'random.pth'
    plain, other = tmp_path / 'plain', tmp_path / 'other'
    succeed('test.py', config, weights, '--work-dir', tmp_path, '--out', plain)
    done = run_tool('test.py', config, weights, '--work-dir', tmp_path, '--out', other,
                    *flags)
    if '--tta' in flags:  # which averages probabilities
        assert done.code == 2 and "mode='tile' gives labels only" in done.err
        return
    assert done.code == 0, done.err
    log = max(tmp_path.glob('*/*.log'))  # they are called by the time
    assert ('fast: ' in log.read_text()) == ('--fast' in flags)
    same = [np.mean(np.array(Image.open(path)) == np.array(Image.open(other / path.name)))
            for path in sorted(plain.iterdir())]
    # random weights: 16 bits and a narrow overlap show more than in a trained net
    assert len(same) > 1 and np.mean(same) > 0.8, same


@pytest.mark.parametrize('flag', ['--fast', '--tta'])
def test_a_config_that_averages_weights_is_tested_as_one_that_does_not(folder, tmp_path, flag):
    """As configs of own data do. mmengine's hook would exchange the weights for what it has
    kept of them, where fast has folded them by then."""
    averages = write_config(tmp_path, (folder / 'tiny.py').read_text() + (
        "custom_hooks = [dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.01)]\n"))
    for config in (folder / 'tiny.py', averages):
        succeed('test.py', config, folder / 'random.pth', flag, '--out',
                tmp_path / config.parent.name, '--work-dir', tmp_path / 'work')
    for file in (tmp_path / folder.name).iterdir():
        np.testing.assert_array_equal(
            Image.open(file), Image.open(tmp_path / tmp_path.name / file.name))


def test_labels_of_two_images_that_would_be_one_file(folder, judged, tmp_path):
    """Said before anything is judged."""
    data, out, names = tmp_path / 'data', tmp_path / 'out', ['a/1', 'b/2', 'b/1']
    shutil.copytree(folder / 'data', data)
    for kind, suffix in (('JPEGImages', '.jpg'), ('SegmentationClass', '.png')):
        for file, name in zip(sorted((data / kind).glob('val_*')), names, strict=True):
            place = data / kind / f'{name}{suffix}'
            place.parent.mkdir(exist_ok=True)
            file.rename(place)
    (data / 'ImageSets' / 'Segmentation' / 'val.txt').write_text('\n'.join(names))
    config = write_config(tmp_path, FOLDER.replace('DATA', str(data)))
    given = config, folder / 'random.pth', '--work-dir', tmp_path / 'work'
    done = run_tool('test.py', *given, '--out', out)
    assert done.code == 2 and re.search(
        "a/1.jpg' and of '.*b/1.jpg' would both be .*out/1.png", done.err), done.err
    assert not judged and not out.exists()
    succeed('test.py', *given)
    assert judged.keys() == {'1', '2'}


@pytest.mark.parametrize('flags', [[], ['--tta']], ids=['plain', 'tta'])
def test_show_dir(folder, tmp_path, monkeypatch, flags):
    """One picture an image, of that image: neither mirrored nor in BGR."""
    drawn, draw = {}, SegLocalVisualizer.add_datasample

    def spy(self, name, image, data_sample, **kwargs):
        drawn[Path(data_sample.img_path).stem] = image
        assert data_sample.pred_sem_seg.shape == data_sample.gt_sem_seg.shape
        draw(self, name, image, data_sample=data_sample, **kwargs)

    monkeypatch.setattr(SegLocalVisualizer, 'add_datasample', spy)
    succeed('test.py', folder / 'tiny.py', folder / 'random.pth', '--show-dir',
            tmp_path / 'show', '--work-dir', tmp_path / 'work', *flags)
    assert len(list((tmp_path / 'show').rglob('*.png'))) == len(drawn) == 3
    for name, image in drawn.items():
        original = Image.open(folder / 'data' / 'JPEGImages' / f'{name}.jpg')
        expected = np.asarray(original.resize(image.shape[1::-1]), float)

        def distance(other):
            return np.abs(other - expected).mean()

        assert distance(image) < 10
        assert distance(image) < distance(image[:, ::-1])
        assert distance(image) < distance(image[..., ::-1])


def test_a_window_stays_as_long_as_is_said(folder, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(SegLocalVisualizer, 'add_datasample', lambda *args, **more:
                        shown.append((more['show'], more['wait_time'])))
    succeed('test.py', folder / 'tiny.py', folder / 'random.pth', '--show', '--wait-time', 3,
            '--work-dir', tmp_path / 'work')
    assert shown == [(True, 3)] * 3


def test_testing_leaves_the_config_of_the_training(folder, tmp_path):
    """In the work dir that both share; and a resumed training can be tested."""
    config = write_config(tmp_path, (folder / 'tiny.py').read_text()
                          + f"\nwork_dir = '{tmp_path}'\nresume = True")
    before = config.read_text()
    for flags in (['--tta', '--out', tmp_path / 'out'], []):
        # an optimiser that cannot be built would be wanted for resuming
        succeed('test.py', config, folder / 'random.pth', *flags,
                '--cfg-options', 'optim_wrapper.optimizer.type=NoSuchOptimizer')
        assert config.read_text() == before
    assert list(tmp_path.glob('*.py')) == [config]  # the report takes it for the run's
    assert len(list(tmp_path.glob('*/*.py'))) == 2


# --- on files, and from elsewhere ------------------------------------------


def test_training_on_a_folder(folder, tmp_path):
    """The pipeline of the config as it is, from files to the last lines."""
    output = succeed('train.py', folder / 'tiny.py', '--work-dir', tmp_path,
                     '--cfg-options', 'train_cfg.max_iters=2',
                     'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1')
    assert 'checkpoint on 3 images of BaseSegDataset:' in output
    assert (tmp_path / 'predictions.png').is_file()
    assert len(list(tmp_path.glob('best_mIoU_iter_*.pth'))) == 1


def outside(*command, cwd):
    """Runs Python as a process of its own; what it printed, both streams."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', *map(str, command)], cwd=cwd, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'))
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.slow
def test_mmseg_s_own_tool(tmp_path):
    """custom_imports is all that it needs to know of us."""
    tool = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'train.py'
    if not tool.is_file():
        pytest.skip('mmseg is installed without its tools')
    output = outside(tool, write_config(tmp_path), '--work-dir', tmp_path,
                     '--cfg-options', 'train_cfg.max_iters=2', cwd=tmp_path)
    assert re.search(r'Iter\(val\).* mIoU: [\d.]+ .*fwIoU: [\d.]+', output)
    assert (tmp_path / 'iter_2.pth').is_file()


@pytest.mark.slow
def test_two_processes(forked_python, tmp_path):
    """Over gloo: the figures and labels of one process on an odd number of images.

    test_launch_scripts.py trains in two."""
    config, work_dir = write_config(tmp_path), tmp_path / 'work'
    succeed('train.py', config, '--work-dir', work_dir)
    best, = work_dir.glob('best_mIoU_iter_*.pth')

    def given(name):
        return config, best, '--work-dir', tmp_path / name, '--out', tmp_path / name

    succeed('test.py', *given('one'))
    config, best, *rest = given('two')
    done = subprocess.run(
        ['bash', ROOT / 'tools' / 'dist_test.sh', config, best, '2', *rest], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment(forked_python, TORCHRUN_ARGS='--standalone', PYTHONWARNINGS='ignore',
                        **noting_ends(tmp_path / 'ends')))
    assert done.returncode == 0, done.stdout[-6000:]
    # Some of those that had not would abort as they end.
    assert have_left(tmp_path / 'ends') == {'left_0': 'True', 'left_1': 'True'}
    assert metrics(tmp_path / 'two') == metrics(tmp_path / 'one')
    assert metrics(tmp_path / 'two') == metrics(work_dir)
    labels = [sorted((tmp_path / test).glob('*.png')) for test in ('two', 'one')]
    assert len(labels[0]) == len(labels[1]) == 5
    for two, one in zip(*labels):
        np.testing.assert_array_equal(Image.open(two), Image.open(one))


# --- real images -----------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize('flags', [[], ['--original-size']])
def test_voc(test_data, tmp_path, judged, flags):
    """A config as it is, but for the folder, with random weights."""
    config = CONFIGS / 'fcn' / 'fcn-8s_r50_1xb16-20k_voc12-224x224.py'
    weights = save_weights(config, tmp_path / 'random.pth')
    succeed('test.py', config, weights, '--work-dir', tmp_path, *flags, '--cfg-options',
            f'test_dataloader.dataset.data_root={test_data}/data/voc_demo',
            'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False')
    assert len(judged) == 12
    masks = test_data / 'data' / 'voc_demo' / 'SegmentationClass'
    original = {name: Image.open(masks / f'{name}.png').size[::-1] for name in judged}
    assert judged == {name: (size, size) if flags else ((224, 224), ) * 2
                      for name, size in original.items()}
    assert all(0 < metrics(tmp_path)[name] < 100 for name in METRICS)
