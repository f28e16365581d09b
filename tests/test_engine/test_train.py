"""Training through tools/train.py and the functions that it calls."""
import os
import platform
import re
import shlex
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook, EMAHook
from mmengine.runner import Runner
from mmpretrain.models import ResNet
from PIL import Image
from tiny_runs import SHAPES, TINY_BACKBONE, run_tool, succeed, write_config
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from fcn_plugin import compat
from fcn_plugin.checkpoints.naming import BUNDLED
from fcn_plugin.engine import CPUAmpOptimWrapper, FCNLoggerHook
from fcn_plugin.engine.hooks import FCNCheckpointHook, _RemovesBestLater
from fcn_plugin.engine.train import explain_missing_weights, use_amp, use_fused_optimizer
from fcn_plugin.evaluation import FCNMetric
from fcn_plugin.inference.predict import predict_dataset
from fcn_plugin.utils.config import load_config
from fcn_plugin.utils.errors import DownloadError

PRETRAINED = SHAPES.replace(TINY_BACKBONE, TINY_BACKBONE.replace('None', """dict(
        _delete_=True, type='Pretrained', prefix='backbone.',
        checkpoint='https://example.invalid/r18.pth')"""))
FIGURES = ('pixel accuracy', 'mean accuracy', 'mean IoU', 'frequency-weighted IoU')


def load(path):
    return torch.load(path, map_location='cpu', weights_only=True)


def figures(output):
    """The four figures of the last lines, or of a log's 'mIoU: 12.3400'."""
    return {name: float(value) for name, value in re.findall(
        rf'^({"|".join(FIGURES)}) +(\d+\.\d\d)$', output, re.M)}


def named(output, what):
    """The path behind 'checkpoint', 'log' or 'picture' in the last lines."""
    return Path(re.search(rf'^{what} +(/.*)$', output, re.M)[1])


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A config, the work dir of its run and what the run printed."""
    folder = tmp_path_factory.mktemp('trained')
    config = write_config(folder)
    return config, folder / 'work', succeed('train.py', config, '--work-dir',
                                            folder / 'work')


@pytest.fixture
def offline(monkeypatch):
    """Every download fails; the addresses that were tried."""
    tried = []

    def urlopen(url, **kwargs):
        tried.append(url)
        raise URLError('[Errno -2] Name or service not known')

    monkeypatch.setattr('urllib.request.urlopen', urlopen)
    return tried


# --- reading the config ----------------------------------------------------


def test_config_that_does_not_exist(tmp_path):
    write_config(tmp_path, name='b.py')
    write_config(tmp_path, name='a.py')
    with pytest.raises(FileNotFoundError, match=rf'^{tmp_path}/c.py: no such config '
                       rf'file; {tmp_path} holds a.py, b.py$'):
        load_config(str(tmp_path / 'c.py'))
    with pytest.raises(FileNotFoundError, match='holds a.py, b.py'):
        load_config(str(tmp_path))
    with pytest.raises(FileNotFoundError, match='nowhere has none either'):
        load_config(str(tmp_path / 'nowhere' / 'c.py'))


def test_work_dir_is_the_command_line_s_then_the_config_s_then_the_name_s(tmp_path):
    plain = str(write_config(tmp_path, 'a = dict(b=1)'))
    own = str(write_config(tmp_path, "work_dir = 'mine'", 'own.py'))
    assert load_config(plain).work_dir == 'work_dirs/tiny'
    assert load_config(own).work_dir == 'mine'
    assert load_config(own, work_dir='other').work_dir == 'other'
    assert load_config(own, {'work_dir': 'option'}).work_dir == 'option'


NAMES = """
max_iters = 8
steps = [dict(type='Load'), dict(type='Crop', size=4)]
mine = 3
train_cfg = dict(max_iters=max_iters, val_interval=8)
data = dict(type='VOC', data_root='x')
train_dataloader = dict(dataset=dict(**data, pipeline=steps))
"""


@pytest.mark.parametrize('options, said', [
    ({'max_iters': 5}, "'max_iters' would change nothing: .* Give train_cfg.max_iters, or"),
    ({'steps.1.size': 5}, 'Give train_dataloader.dataset.pipeline.1.size, or change it in'),
    ({'data.data_root': 'y'}, 'Give train_dataloader.dataset.data_root, or change it in'),
    ({'trian_cfg.max_iters': 5}, "nothing reads 'trian_cfg', did you mean 'train_cfg'"),
    ({'max_iter': 5}, "nothing reads 'max_iter', and the config has no entry of that name"),
    ({'val_interval': 2}, "did you mean 'train_cfg.val_interval'"),
    ({'train_cfg.max_iters': 5, 'mine': 4}, None),
    ({'train_cfg.max_iters': 5, 'max_iters': 5}, None),
    ({'on_bad_sample': 'skip', 'work_dir': 'x', 'sync_bn': 'torch'}, None)])
def test_options_that_would_change_nothing(tmp_path, options, said):
    """Names at the top of a config are read where the file is, not behind it."""
    path = str(write_config(tmp_path, NAMES))
    if said:
        with pytest.raises(ValueError, match=said):
            load_config(path, options)
    else:
        load_config(path, options)


@pytest.mark.parametrize('name, validated', [
    ('test_pipeline', 300), ('test_dataloader.dataset.pipeline', 224)])
def test_images_are_predicted_and_judged_at_the_size_of_an_option(name, validated):
    config = load_config('fcn-8s_r50_1xb16-20k_voc12-224x224', {f'{name}.2.scale': (300, 300)})
    for steps, size in ((config.test_pipeline, 300),
                        (config.test_dataloader.dataset.pipeline, 300),
                        (config.val_dataloader.dataset.pipeline, validated)):
        assert steps[2].scale == (size, size)
    both = {'test_pipeline.2.scale': 1, 'test_dataloader.dataset.pipeline.2.scale': 2}
    config = load_config('fcn-8s_r50_1xb16-20k_voc12-224x224', both)
    assert config.test_pipeline[2].scale == 1
    assert config.test_dataloader.dataset.pipeline[2].scale == 2


@pytest.mark.parametrize('name', ['batch_size', 'lr', 'crop_size'])
def test_names_at_the_top_of_the_project_s_configs(name):
    with pytest.raises(ValueError, match=f"'{name}' would change nothing.* Give .*{name}"):
        load_config('fcn-8s_r50_1xb8-20k_camvid-360x480', {name: 3})


def test_options_and_launcher(tmp_path):
    path = str(write_config(tmp_path, 'a = dict(b=1)'))
    config = load_config(path, {'a.b': 2, 'a.c': 3}, launcher='slurm')
    assert config.a == dict(b=2, c=3) and config.launcher == 'slurm'
    assert load_config(path).launcher == 'none'


# --- mixed precision -------------------------------------------------------


def test_amp_on_a_wrapper_of_its_own_type():
    config = Config(dict(optim_wrapper=dict(type='ApexOptimWrapper')))
    with pytest.raises(ValueError, match="optim_wrapper.type is 'ApexOptimWrapper'"):
        use_amp(config)


@pytest.mark.parametrize('kind', ['AmpOptimWrapper', 'CPUAmpOptimWrapper'])
def test_amp_that_is_on_already(kind):
    config = Config(dict(optim_wrapper=dict(type=kind, loss_scale=8.)))
    use_amp(config)
    assert config.optim_wrapper == dict(type=kind, loss_scale=8.)


@pytest.mark.parametrize('gpu, expected', [
    (True, dict(type='AmpOptimWrapper', loss_scale='dynamic', clip_grad=1)),
    (False, dict(type='CPUAmpOptimWrapper', clip_grad=1))])
def test_amp_takes_the_device_s_wrapper(monkeypatch, gpu, expected):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpu)
    config = Config(dict(optim_wrapper=dict(type='OptimWrapper', clip_grad=1)))
    use_amp(config)
    assert config.optim_wrapper == expected
    config = Config(dict(optim_wrapper=dict(clip_grad=1)))
    use_amp(config)
    assert config.optim_wrapper == expected


@pytest.mark.parametrize('machine, native, warned', [
    ('x86_64', False, True), ('AMD64', False, True), ('x86_64', True, False),
    ('arm64', False, False)])  # of which torch does not tell
def test_amp_warns_where_bfloat16_is_imitated(monkeypatch, machine, native, warned):
    said = []
    monkeypatch.setattr('fcn_plugin.engine.train.print_log',
                        lambda text, *_: said.append(text))
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(platform, 'machine', lambda: machine)
    for name in ('_is_amx_tile_supported', '_is_avx512_bf16_supported'):
        monkeypatch.setattr(torch.cpu, name, lambda: native)
    config = Config(dict(optim_wrapper=dict(type='OptimWrapper')))
    use_amp(config)
    assert config.optim_wrapper.type == 'CPUAmpOptimWrapper'
    assert ['leave --amp out' in text for text in said] == [True] * warned


@contextmanager
def convolution_types():
    """The types that convolutions give, in training (True) and evaluation (False)."""
    types = {True: set(), False: set()}
    hook = register_module_forward_hook(lambda module, args, out: types[
        module.training].add(out.dtype) if isinstance(module, nn.Conv2d) else None)
    yield types
    hook.remove()


def test_amp_on_the_cpu_is_bfloat16(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with convolution_types() as types:
        succeed('train.py', write_config(tmp_path), '--amp', '--work-dir', tmp_path,
                '--cfg-options', 'train_cfg.max_iters=1', 'train_cfg.val_interval=1')
    assert types == {True: {torch.bfloat16}, False: {torch.float32}}
    checkpoint = load(tmp_path / 'iter_1.pth')
    assert {v.dtype for v in checkpoint['state_dict'].values()} == {torch.float32,
                                                                   torch.int64}
    assert np.isfinite(checkpoint['message_hub']['log_scalars']['train/loss'].current())


def test_cpu_amp_wrapper_accumulates():
    """What OptimWrapper can do, it can do."""
    layer = nn.Conv2d(1, 1, 1)
    wrapper = CPUAmpOptimWrapper(optimizer=torch.optim.SGD(layer.parameters(), 1.),
                                 accumulative_counts=2)
    wrapper.initialize_count_status(layer, 0, 4)
    before = layer.weight.detach().clone()
    for step in range(2):
        assert torch.equal(layer.weight, before)
        with wrapper.optim_context(layer):
            out = layer(torch.ones(1, 1, 2, 2))
        assert out.dtype == torch.bfloat16
        wrapper.update_params(out.float().sum())
    assert not torch.equal(layer.weight, before)
    assert layer(torch.ones(1, 1, 2, 2)).dtype == torch.float32


def test_one_process_writes_the_metrics_of_a_test(monkeypatch):
    with pytest.raises(AttributeError):  # the main process asks the runner
        FCNLoggerHook().after_test_epoch(runner=None)
    monkeypatch.setattr('mmengine.dist.utils.get_rank', lambda group=None: 1)
    FCNLoggerHook().after_test_epoch(runner=None)


# --- pretrained weights ----------------------------------------------------


def test_weights_without_a_network(tmp_path, offline):
    """The message holds the way out, which is taken."""
    config = write_config(tmp_path, PRETRAINED)
    train = ('train.py', config, '--work-dir', tmp_path / 'work')
    done = run_tool(*train)
    assert done.code == 2 and offline == ['https://example.invalid/r18.pth']
    assert done.err.startswith('error: the pretrained weights could not be downloaded')
    assert 'https://example.invalid/r18.pth (model.backbone.init_cfg)' in done.err
    without = re.search(r'--cfg-options (\S+=None)', done.err)[1]
    with_file = re.search(r'--cfg-options (\S+=)FILE', done.err)[1]

    short = ('train_cfg.max_iters=1', 'train_cfg.val_interval=1')
    succeed(*train, '--cfg-options', without, *short)
    backbone = ResNet(18, stem_channels=8, base_channels=8, out_indices=(1, 2, 3))
    nn.init.constant_(backbone.conv1.weight, 0.5)
    torch.save(dict(state_dict={f'backbone.{key}': value for key, value in
                                backbone.state_dict().items()}), tmp_path / 'r18.pth')
    succeed(*train, '--cfg-options', f'{with_file}{tmp_path}/r18.pth',
            'optim_wrapper.optimizer.lr=0.', *short)
    weights = load(tmp_path / 'work' / 'iter_1.pth')['state_dict']
    assert torch.all(weights['backbone.conv1.weight'] == 0.5)
    assert len(offline) == 1


def test_every_part_with_weights_is_named():
    config = Config(dict(model=dict(
        backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='http://a')),
        neck=dict(init_cfg=dict(type='Xavier')),
        decode_head=dict(inner=dict(init_cfg=dict(type='Pretrained',
                                                  checkpoint='http://b'))))))
    with pytest.raises(ConnectionError) as caught, explain_missing_weights(config):
        raise URLError('no route')
    assert ('(no route): http://a (model.backbone.init_cfg), '
            'http://b (model.decode_head.inner.init_cfg)') in str(caught.value)
    assert 'neck' not in str(caught.value)


def test_other_failed_downloads_are_not_explained_as_weights():
    weights = dict(init_cfg=dict(type='Pretrained', checkpoint='http://a'))
    with pytest.raises(DownloadError, match="'http://b' cannot be downloaded: none"), (
            explain_missing_weights(Config(dict(model=weights)))):
        raise DownloadError('http://b', 'none')  # of load_from
    with pytest.raises(URLError), explain_missing_weights(Config(dict(model=dict()))):
        raise URLError('no route')


# --- a run -----------------------------------------------------------------


def test_last_lines(trained):
    config, work_dir, output = trained
    last = output[output.rindex(' checkpoint on 5 images of ShapesDataset'):]
    assert list(figures(last)) == list(FIGURES)
    assert 'checkpoint on 5 images of ShapesDataset (\'test\'):' in last
    assert named(last, 'checkpoint').parent == work_dir
    assert load(named(last, 'checkpoint'))['state_dict']
    assert 'Iter(train) [4/4]' in named(last, 'log').read_text()
    picture = Image.open(named(last, 'picture'))
    assert picture.width > 4 * 32 and picture.height > 5 * 32  # 5 rows of 4
    assert len(np.unique(picture)) > 9


@pytest.mark.parametrize('rescale', [True, False])
def test_the_picture_shows_labels_at_the_size_that_was_judged(tmp_path, monkeypatch, rescale):
    shown = []
    monkeypatch.setattr('fcn_plugin.engine.train.predict_dataset', lambda model, *given:
                        shown.append(model.test_cfg.rescale) or predict_dataset(model, *given))
    succeed('train.py', write_config(tmp_path), '--work-dir', tmp_path / 'work',
            '--cfg-options', 'train_cfg.max_iters=1', f'model.test_cfg.rescale={rescale}')
    assert shown == [rescale]


def test_next_commands_work(trained, tmp_path):
    config, work_dir, output = trained
    following = output[output.rindex('\nnext\n'):].splitlines()
    commands = [shlex.split(line) for line in following if line.startswith('  ')]
    assert [Path(command[1]).name for command in commands] == ['test.py', 'predict.py']
    for python, tool, *args in commands:
        # short where they lie below the folder that the tool was called from
        assert os.path.abspath(python) == sys.executable and Path(tool).is_file()
    found = succeed('test.py', *commands[0][2:], '--work-dir', tmp_path)
    for short, name in zip(('aAcc', 'mAcc', 'mIoU', 'fwIoU'), FIGURES):
        value = float(re.search(rf'\b{short}: (\d+\.\d+)', found)[1])
        assert value == pytest.approx(figures(output)[name])
    Image.new('RGB', (40, 50), 'red').save(tmp_path / 'photo.jpg')
    args = [arg.replace('YOUR.jpg', f'{tmp_path}/photo.jpg') for arg in commands[1][2:]]
    assert f'{tmp_path}/photo.jpg' in args
    succeed('predict.py', *args, '--out-dir', tmp_path / 'out')
    assert any((tmp_path / 'out').iterdir())


def test_two_last_checkpoints_and_the_best(trained):
    _, work_dir, output = trained
    names = sorted(p.name for p in work_dir.glob('*.pth'))
    best, *last = names
    assert last == ['iter_3.pth', 'iter_4.pth']
    assert re.fullmatch('best_mIoU_iter_[24].pth', best)
    assert named(output, 'checkpoint').name == best


@pytest.fixture
def falling(monkeypatch):
    """Every evaluation is worse than the one before; checkpoints that were loaded."""
    loaded, load_checkpoint = [], Runner.load_checkpoint
    figure = iter(range(90, 0, -10))
    monkeypatch.setattr(FCNMetric, '_summarise', lambda self, matrix: dict(
        mIoU=float(next(figure))))

    def spy(self, path, *args, **kwargs):
        loaded.append(Path(path).name)
        return load_checkpoint(self, path, *args, **kwargs)

    monkeypatch.setattr(Runner, 'load_checkpoint', spy)
    return loaded


@pytest.mark.parametrize('resume', [[], ['--resume']])
def test_the_best_checkpoint_is_judged_and_not_the_last(tmp_path, falling, resume):
    """Also by --resume where there was nothing to resume from."""
    config = write_config(tmp_path)
    output = succeed('train.py', config, '--work-dir', tmp_path, *resume)
    assert falling == ['best_mIoU_iter_2.pth']
    assert f'checkpoint  {tmp_path}/best_mIoU_iter_2.pth' in output
    assert 'the best checkpoint on 5 images' in output
    assert figures(output) == {'mean IoU': 70}
    assert load(tmp_path / 'best_mIoU_iter_2.pth')['meta']['iter'] == 2


def test_of_the_best_checkpoints_the_last_is_kept(tmp_path, monkeypatch):
    figure = iter((10., 20., 30.))
    monkeypatch.setattr(FCNMetric, '_summarise', lambda self, matrix: dict(mIoU=next(figure)))
    succeed('train.py', write_config(tmp_path), '--work-dir', tmp_path)
    best, = tmp_path.glob('best_*.pth')
    assert best.name == 'best_mIoU_iter_4.pth'


def test_former_best_checkpoints_go_when_a_new_one_is_written(tmp_path, monkeypatch):
    """Not one that was written again under its own name; others go at once."""
    folder = tmp_path / 'best_of_all'
    folder.mkdir()
    best, again, other = (folder / name for name in (
        'best_mIoU_iter_2.pth', 'best_mIoU_iter_4.pth', 'iter_2.pth'))
    for path in (best, again, other):
        path.touch()
    files = _RemovesBestLater(LocalBackend())
    for path in (best, again, other):
        files.remove(str(path))
    assert best.is_file() and again.is_file() and not other.exists()
    files.remove_former([str(again)])
    assert again.is_file() and not best.exists()
    files.remove_former([])
    assert again.is_file()
    # where two figures have a best checkpoint each
    monkeypatch.setattr(CheckpointHook, '_save_checkpoint_with_step', lambda *_: None)
    hook = FCNCheckpointHook(save_best=['mIoU', 'aAcc'], rule='greater')
    hook.file_backend = files
    files.remove(str(again))
    hook._save_checkpoint_with_step(SimpleNamespace(message_hub=SimpleNamespace(
        runtime_info=dict(best_ckpt_mIoU=str(again), best_ckpt_aAcc='none.pth'))), 4, {})
    assert again.is_file()


def test_without_a_best_the_last_is_judged(tmp_path, falling):
    output = succeed('train.py', write_config(tmp_path), '--work-dir', tmp_path,
                     '--cfg-options', 'default_hooks.checkpoint.save_best=None')
    assert falling == ['iter_4.pth']
    assert 'the last checkpoint on 5 images' in output


def test_nothing_to_judge(tmp_path):
    output = succeed('train.py', write_config(tmp_path), '--work-dir', tmp_path,
                     '--cfg-options', 'default_hooks.checkpoint.interval=-1',
                     'default_hooks.checkpoint.save_last=False',
                     'default_hooks.checkpoint.save_best=None')
    assert 'checkpoint  none was written' in output and '\nnext\n' not in output
    assert named(output, 'log').is_file() and 'mean IoU' not in output


def test_resume(tmp_path):
    config, work_dir = write_config(tmp_path), tmp_path / 'work'
    train = ('train.py', config, '--work-dir', work_dir)
    succeed(*train, '--cfg-options', 'train_cfg.max_iters=2')
    first = load(work_dir / 'iter_2.pth')
    output = succeed(*train, '--resume')
    second = load(work_dir / 'iter_4.pth')
    assert 'Iter(train) [3/4]' in output and 'Iter(train) [2/4]' not in output
    assert second['meta']['iter'] == 4
    losses = [checkpoint['message_hub']['log_scalars']['train/loss'].data[0]
              for checkpoint in (first, second)]
    assert len(losses[1]) == 4
    np.testing.assert_array_equal(losses[1][:2], losses[0])
    steps = {int(state['step']) for state in second['optimizer']['state'].values()}
    assert steps == {4}
    assert [p.name for p in sorted(work_dir.glob('iter_*.pth'))] == ['iter_3.pth',
                                                                     'iter_4.pth']


def test_averaged_weights_are_judged_after_a_resume_too(tmp_path, monkeypatch):
    judged, swap = [], EMAHook.before_test_epoch

    def look(self, runner):
        swap(self, runner)
        judged.append({name: value.clone() for name, value in
                       self.src_model.state_dict().items()})

    monkeypatch.setattr(EMAHook, 'before_test_epoch', look)
    config = write_config(tmp_path, SHAPES + """
custom_hooks = [dict(type='EMAHook', momentum=0.3, update_buffers=True)]
""")
    train = 'train.py', config, '--work-dir', tmp_path / 'work'
    succeed(*train, '--cfg-options', 'train_cfg.max_iters=2')
    printed = succeed(*train, '--resume')
    saved = load(named(printed, 'checkpoint'))
    for weights in judged:
        assert weights.keys() == saved['state_dict'].keys()
    torch.testing.assert_close(judged[-1], saved['state_dict'], rtol=0, atol=0)
    others = saved['ema_state_dict']['module.decode_head.score.stride8.weight']
    assert not torch.equal(judged[-1]['decode_head.score.stride8.weight'], others)


def test_resume_of_a_run_that_began_with_other_weights(tmp_path, trained):
    """load_from is another run's end, and never the place to go on from."""
    config, work_dir = write_config(tmp_path), tmp_path / 'work'

    def resume(start, most):
        printed = succeed('train.py', config, '--work-dir', work_dir, '--resume',
                          '--cfg-options', f'load_from={start}', f'train_cfg.max_iters={most}')
        return re.findall(r'Iter\(train\) \[ *(\d+)/', printed), printed

    other = trained[1] / 'iter_4.pth'
    steps, printed = resume(other, 2)
    assert steps == ['1', '2']
    assert re.search(f'work has no checkpoint; a new run begins with the weights of {other}',
                     printed)
    assert resume(other, 3)[0] == ['3']
    assert resume(work_dir / 'iter_2.pth', 4)[0] == ['3', '4'], 'one of its own may be named'


def test_a_run_begins_with_a_model_of_the_package_by_its_name(tmp_path, trained, monkeypatch):
    other = trained[1] / 'iter_4.pth'
    monkeypatch.setitem(BUNDLED, 'tiny', other)
    printed = succeed('train.py', write_config(tmp_path), '--work-dir', tmp_path / 'work',
                      '--cfg-options', 'load_from=tiny', 'train_cfg.max_iters=1',
                      'optim_wrapper.optimizer.lr=0', 'train_cfg.val_interval=1')
    began = {key: value for key, value in load(other)['state_dict'].items()
             if 'running' not in key and 'num_batches' not in key}
    weights = load(named(printed, 'checkpoint'))['state_dict']
    torch.testing.assert_close({key: weights[key] for key in began}, began, rtol=0, atol=0)


def test_no_worker_processes_need_no_second_option(tmp_path):
    """Configs keep those that they start; the test data's would be missed at the very end."""
    config = write_config(tmp_path, SHAPES.replace('persistent_workers=False',
                                                   'persistent_workers=True'))
    printed = succeed('train.py', config, '--work-dir', tmp_path / 'work', '--cfg-options',
                      'train_cfg.max_iters=1', 'train_cfg.val_interval=1',
                      'test_dataloader.persistent_workers=True')
    assert figures(printed).keys() == set(FIGURES)


def test_resume_in_a_copy_of_a_work_dir(tmp_path, monkeypatch):
    """What it has noted lies in the other, which is left alone."""
    figure, config = iter(range(10, 99, 10)), write_config(tmp_path)
    monkeypatch.setattr(FCNMetric, '_summarise',
                        lambda self, matrix: dict(mIoU=float(next(figure))))
    old, new = tmp_path / 'old', tmp_path / 'new'
    succeed('train.py', config, '--work-dir', old, '--cfg-options', 'train_cfg.max_iters=2')
    shutil.copytree(old, new)
    before = sorted(old.rglob('*'))
    output = succeed('train.py', config, '--work-dir', new, '--resume')
    assert str(new / 'iter_2.pth') in output and str(old) not in output
    assert sorted(old.rglob('*')) == before
    assert list(new.glob('best_*')) == [named(output, 'checkpoint')]
    assert 'the best checkpoint on' in output


def test_compile_is_of_the_backbone_and_keeps_the_keys(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(compat, 'compile_for_any_size', compiled.append)
    config = write_config(tmp_path)
    succeed('train.py', config, '--work-dir', tmp_path / 'work', '--compile')
    assert [type(module).__name__ for module in compiled] == ['ResNet']
    succeed('train.py', config, '--work-dir', tmp_path / 'work2')
    assert len(compiled) == 1


@pytest.mark.parametrize('optimizer, expected', [
    (dict(type='SGD', lr=0.1), True), (dict(type='AdamW', lr=0.1), True),
    (dict(type='SGD', lr=0.1, foreach=True), None),
    (dict(type='AdamW', lr=0.1, capturable=True), None),
    (dict(type='AdamW', lr=0.1, differentiable=True), None),
    (dict(type='SGD', lr=0.1, fused=False), False), (dict(type='RMSprop', lr=0.1), None)])
def test_fused_where_it_exists_and_nothing_else_is_said(optimizer, expected):
    config = Config(dict(optim_wrapper=dict(optimizer=optimizer)))
    use_fused_optimizer(config)
    assert config.optim_wrapper.optimizer.get('fused') is expected


def test_a_fused_step_is_the_plain_one():
    plain, fused = (torch.nn.Linear(5, 4) for _ in range(2))
    fused.load_state_dict(plain.state_dict())
    for model, options in ((plain, {}), (fused, dict(fused=True))):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9,
                                    weight_decay=5e-4, **options)
        for step in range(3):
            optimizer.zero_grad()
            model(torch.full((2, 5), step + 1.)).pow(2).mean().backward()
            optimizer.step()
    torch.testing.assert_close(fused.weight, plain.weight)
