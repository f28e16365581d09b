"""The authors' solver and their staged training."""
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny_runs import CONFIGS, SHAPES, run_tool, succeed, write_config

from fcn_plugin.engine import staged
from fcn_plugin.engine.staged import stages
from fcn_plugin.utils.paths import shown

PAPER = CONFIGS / 'paper'
FINEST = PAPER / 'fcn-8s_vgg16_1xb1-100k_voc11.py'
ALL = sorted(PAPER.glob('*.py'))
OWN_MEANS = [path for path in ALL if 'nyudv2' in path.stem or 'siftflow' in path.stem]
ALL = [path for path in ALL if path not in OWN_MEANS and 'googlenet' not in path.stem]
WIDTH = 8


def lean(path):
    """A paper config with a narrow classifier, so that it fits a test."""
    config = Config.fromfile(path)
    streams = config.model.backbone.get('streams', [config.model.backbone])
    for stream in streams:
        stream.update(fc_channels=WIDTH, init_cfg=None)
    head = config.model.decode_head
    head.in_channels = (*head.in_channels[:-1], WIDTH * len(streams))
    head.pop('init_cfg', None)  # reads checkpoints
    return config


def sample(size, ignored=0):
    data = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size))
    labels = torch.randint(0, 21, (1, *size))
    labels[:, :ignored] = 255
    data.gt_sem_seg = PixelData(data=labels)
    return data


# --- bad arguments -----------------------------------------------------------


def test_a_stage_refuses_to_start_from_nothing(tmp_path):
    done = run_tool('train.py', FINEST, '--work-dir', tmp_path)
    assert done.code == 2 and len(done.err.strip().splitlines()) == 1
    assert f'tools/train_staged.py {shown(FINEST)}`' in done.err
    resumed = run_tool('train.py', FINEST, '--work-dir', tmp_path, '--resume')
    assert resumed.code == 2 and 'load_from names none' in resumed.err


def test_chains_that_lead_nowhere(tmp_path):
    write_config(tmp_path, "coarser = 'b.py'", 'a.py')
    with pytest.raises(FileNotFoundError, match='b.py: no such config.*a.py names'):
        stages(tmp_path / 'a.py')
    write_config(tmp_path, "coarser = 'a.py'", 'b.py')
    with pytest.raises(ValueError, match='leads back'):
        stages(tmp_path / 'a.py')


def test_each_stage_names_the_one_beside_it(tmp_path):
    for folder, text in (('a', "coarser = '../b/c.py'"), ('b', "coarser = 'd.py'")):
        (tmp_path / folder).mkdir()
        write_config(tmp_path / folder, text, 'c.py')
    write_config(tmp_path / 'b', 'x = 1', 'd.py')
    assert [path.resolve() for path in stages(tmp_path / 'a/c.py')] == [
        tmp_path / each for each in ('b/d.py', 'b/c.py', 'a/c.py')]


# --- the solver --------------------------------------------------------------


def test_stages_and_rates():
    assert [path.name[:7].rstrip('_') for path in stages(FINEST)] == [
        'fcn-32s', 'fcn-16s', 'fcn-8s']
    rates = [Config.fromfile(p).optim_wrapper.optimizer.lr for p in stages(FINEST)]
    assert rates == [1e-10, 1e-12, 1e-14]
    assert Config.fromfile(PAPER / 'fcn-8s-at-once_vgg16_1xb1-300k_voc11.py'
                           ).optim_wrapper.optimizer.lr == 1e-10


@pytest.mark.parametrize('classes, kind, reduced', [
    (60, 'PascalContextDataset', None), (59, 'PascalContextDataset59', True)])
def test_pascal_context_is_voc_but_for_data_and_length(classes, kind, reduced):
    """The authors' nets score the background, too, which the paper does not judge."""
    ours = stages(PAPER / f'fcn-8s_vgg16_1xb1-300k_pascal-context-{classes}.py')
    for path, other in zip(ours, stages(FINEST), strict=True):
        config, voc = Config.fromfile(path), Config.fromfile(other)
        assert config.optim_wrapper == voc.optim_wrapper
        assert config.train_cfg.max_iters == 300000 and config.train_dataloader.batch_size == 1
        head = dict(config.model.decode_head, num_classes=21)
        assert dict(config.model, decode_head=head) == voc.model
        assert config.model.decode_head.num_classes == classes
        for loader in (config.train_dataloader, config.val_dataloader):
            assert loader.dataset.type == kind
            assert loader.dataset.pipeline[1].get('reduce_zero_label') == reduced
            assert [step.type for step in loader.dataset.pipeline] == [
                'LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs']


def test_two_steps_of_alexnets_solver():
    """Mean losses of 20 images, averaged, make a step; momentum 0.9; the score layer's
    bias alone learns twice as fast and does not decay."""
    config = lean(PAPER / 'fcn-32s_alexnet_1xb1-2000k_voc11.py')
    model = MODELS.build(config.model)
    model.init_weights()
    model.eval()
    assert config.train_cfg.max_iters == 20 * 100000
    assert config.default_hooks.checkpoint.interval % 20 == 0
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    wrapper.initialize_count_status(model, 0, config.train_cfg.max_iters)
    plain = {name: p.detach().double().clone() for name, p in model.named_parameters()}
    velocity = {name: torch.zeros_like(p) for name, p in plain.items()}
    for _ in range(2):
        total = {name: torch.zeros_like(p) for name, p in plain.items()}
        for i in range(20):
            data, image = sample((3 + i, 24)), torch.randn(1, 3, 3 + i, 24) * 60
            loss = model.loss(image, [data])['decode.loss_ce']
            gradients = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
            for name, gradient in zip(plain, gradients):
                total[name] += gradient.double() / 20
            wrapper.update_params(loss)
        for name, gradient in total.items():
            special = name == 'decode_head.score.stride32.bias'
            gradient += (0 if special else 5e-4) * plain[name]
            velocity[name] = 0.9 * velocity[name] + (2 if special else 1) * 1e-4 * gradient
            plain[name] -= velocity[name]
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach().double(), plain[name],
                                   rtol=1e-4, atol=1e-7, msg=name)


@pytest.mark.parametrize('path', ALL, ids=lambda path: path.stem)
def test_paper_configs_are_the_authors(path):
    config = lean(path)
    model = MODELS.build(config.model)
    model.init_weights()
    head = model.decode_head
    offset = {(32, ): 19, (16, 32): 27, (8, 16, 32): 31}[head.in_strides]
    assert head.image_offset == (18 if 'alexnet' in path.stem else offset)
    assert head.skip_scales == ((0.0001, 0.01, 1) if 'at-once' in path.stem else
                                (1, ) * len(head.in_strides))
    assert all((layer.weight == 0).all() for layer in head.score.values())
    assert not [n for n, _ in model.named_parameters() if 'upsample' in n]  # fixed
    assert model.backbone.fc_dropout.p == 0.5
    processor = model.data_preprocessor
    assert processor.mean.flatten().tolist() == pytest.approx(
        [104.00699, 116.66877, 122.67892])
    assert (processor.std == 1).all() and not processor.channel_conversion
    assert config.train_dataloader.batch_size == 1


NYU = dict(colour=[116.190, 97.203, 92.318], depth=[7.844], hha=[132.431, 94.076, 118.477])


@pytest.mark.parametrize('path', OWN_MEANS, ids=lambda path: path.stem)
def test_nets_of_nyudv2_and_siftflow_take_a_step(path):
    config = lean(path)
    model = MODELS.build(config.model)
    inputs = path.stem.partition('nyudv2-')[2].split('-')
    means = sum((NYU[name] for name in inputs), []) if inputs != [''] else [
        114.578, 115.294, 108.353]
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx(means)
    assert (model.data_preprocessor.std == 1).all()
    for loader in (config.train_dataloader, config.val_dataloader):
        first = loader.dataset.pipeline[0]
        assert inputs == [''] or first == dict(type='LoadRGBD', inputs=tuple(inputs))
        assert loader.batch_size == 1
    head = model.decode_head
    assert head.image_offset == {(32, ): 19, (16, 32): 27, (8, 16, 32): 31}[head.in_strides]
    assert head.num_classes == (33 if inputs == [''] else 40)
    assert config.train_cfg.max_iters == 300000
    late = path.stem.endswith('colour-hha')
    assert head.skip_scales == ((0.5, ) if late else (1, ) * len(head.in_strides))
    slow = late or 'siftflow' in path.stem and head.in_strides[0] < 32
    assert config.optim_wrapper.optimizer.lr == (1e-12 if slow else 1e-10)

    data = sample((24, 30))
    data.set_data(dict(gt_geometric=PixelData(data=torch.randint(0, 3, (1, 24, 30)))))
    image = torch.randint(0, 256, (len(means), 24, 30), dtype=torch.uint8)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    logged = model.train_step(dict(inputs=[image], data_samples=[data]), wrapper)
    assert torch.isfinite(logged['loss'])
    assert ('decode.loss_ce_geometric' in logged) == ('siftflow' in path.stem)


def test_stages_of_siftflow():
    rates = [Config.fromfile(path).optim_wrapper.optimizer.lr
             for path in stages(PAPER / 'fcn-8s_vgg16_1xb1-300k_siftflow.py')]
    assert rates == [1e-10, 1e-12, 1e-12]


def test_the_loss_is_a_sum_over_pixels_that_count():
    model = MODELS.build(lean(PAPER / 'fcn-32s_vgg16_1xb1-100k_voc11.py').model).eval()
    torch.nn.init.normal_(model.decode_head.score['stride32'].weight)
    data, image = sample((33, 40), ignored=5), torch.randn(1, 3, 33, 40) * 60
    with torch.no_grad():
        loss = model.loss(image, [data])['decode.loss_ce']
        logits = model.encode_decode(image, [dict(img_shape=(33, 40))]).double()
    picked = logits.log_softmax(1)[0].gather(
        0, data.gt_sem_seg.data.clamp(max=20))[0][data.gt_sem_seg.data[0] != 255]
    assert picked.numel() == 28 * 40
    assert float(loss) == pytest.approx(float(-picked.sum()), rel=1e-5)


def test_three_steps_of_the_solver():
    """Against Caffe's rule, written out: v = m v + r (g + d w); w = w - v."""
    config = lean(PAPER / 'fcn-32s_vgg16_1xb1-100k_voc11.py')
    model = MODELS.build(config.model)
    model.init_weights()
    model.eval()  # no dropout: both see the same gradients
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, std=0.1)
    config.optim_wrapper.optimizer.lr = rate = 1e-6  # or float32 would show no step
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    plain = {name: p.detach().double().clone() for name, p in model.named_parameters()}
    velocity = {name: torch.zeros_like(p) for name, p in plain.items()}
    for _ in range(3):
        data, image = sample((20, 24)), torch.randn(1, 3, 20, 24) * 60
        loss = model.loss(image, [data])['decode.loss_ce']
        gradients = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
        wrapper.update_params(loss)
        for name, gradient in zip(plain, gradients):
            bias = name.endswith('bias')
            gradient = gradient.double() + (0 if bias else 5e-4) * plain[name]
            velocity[name] = 0.99 * velocity[name] + (2 if bias else 1) * rate * gradient
            plain[name] -= velocity[name]
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach().double(), plain[name],
                                   rtol=1e-4, atol=1e-6, msg=name)


# --- stages ------------------------------------------------------------------


def test_a_finer_stage_starts_where_the_coarser_one_ended():
    """Its new score layers are zero: its scores are the coarser ones', upsampled."""
    coarse = MODELS.build(lean(PAPER / 'fcn-32s_vgg16_1xb1-100k_voc11.py').model).eval()
    torch.nn.init.normal_(coarse.decode_head.score['stride32'].weight)
    fine = MODELS.build(lean(PAPER / 'fcn-16s_vgg16_1xb1-100k_voc11.py').model).eval()
    fine.init_weights()
    missing, unexpected = fine.load_state_dict(coarse.state_dict(), strict=False)
    assert set(missing) == {f'decode_head.score.stride16.{n}' for n in ('weight', 'bias')}
    assert not unexpected
    image = torch.randn(1, 3, 150, 200) * 60
    with torch.no_grad():
        scores = coarse.decode_head(coarse.extract_feat(image))
        ours = fine.decode_head(fine.extract_feat(image))
        assert torch.equal(ours, fine.decode_head.upsample['stride32'](scores))
        a, b = (model.encode_decode(image, [dict(img_shape=(150, 200))]).argmax(1)
                for model in (coarse, fine))
    # Twice by 2 and 16 is not quite once by 32: labels may differ where two classes meet.
    assert (a == b).double().mean() > 0.95


@pytest.mark.parametrize('which, name', [('best', 'best_mIoU_iter_1.pth'),
                                         ('last', 'iter_2.pth')])
def test_a_stage_starts_from_the_best_or_the_last(tmp_path, monkeypatch, which, name):
    write_config(tmp_path, SHAPES + 'train_cfg = dict(max_iters=2)\n', 'coarse.py')
    write_config(tmp_path, SHAPES + "train_cfg = dict(max_iters=2)\ncoarser = 'coarse.py'\n",
                 'fine.py')
    commands = []

    def train(command, **_):
        """Leaves what a training of two steps leaves, the first of which is the best."""
        commands.append(command)
        work = Path(command[command.index('--work-dir') + 1])
        for step, file in ((1, 'best_mIoU_iter_1.pth'), (2, 'iter_2.pth')):
            torch.save(dict(meta=dict(iter=step)), work / file)
        (work / 'last_checkpoint').write_text('iter_2.pth')
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(staged.subprocess, 'run', train)
    staged.train_staged(str(tmp_path / 'fine.py'), tmp_path / 'work', 'train.py',
                        start_from=which)
    assert [command[-1] for command in commands] == [
        str(tmp_path / 'work/coarse'), f"load_from={tmp_path / 'work/coarse' / name}"]
    with pytest.raises(ValueError, match=f'start_from was {which} and is .* now'):
        staged.train_staged(str(tmp_path / 'fine.py'), tmp_path / 'work', 'train.py',
                            start_from='last' if which == 'best' else 'best')


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux has PR_SET_PDEATHSIG')
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL])
def test_a_training_ends_with_what_has_started_it(forked_python, tmp_path, number):
    """By a signal that it alone gets: the training would go on, and refuse the next."""
    child = 'import pathlib, time; pathlib.Path("begun").touch(); time.sleep(60)'
    starter = subprocess.Popen(
        [forked_python, '-c', 'import sys; from fcn_plugin.engine.staged import exit_code_of;'
         f'exit_code_of([sys.executable, "-c", {child!r}])'], cwd=tmp_path,
        stdout=subprocess.PIPE)
    while not (tmp_path / 'begun').is_file():
        assert starter.poll() is None
        time.sleep(0.05)
    starter.send_signal(number)
    starter.communicate(timeout=30)  # until both have closed the pipe
    assert starter.returncode == -number


@pytest.mark.usefixtures('soon_trained')
def test_stages_train_one_after_the_other_and_go_on(tmp_path):
    coarse = SHAPES.replace('in_channels=(16, 32, 64)',
                            'in_index=(1, 2), in_channels=(32, 64), in_strides=(16, 32)')
    write_config(tmp_path, coarse, 'coarse.py')
    write_config(tmp_path, SHAPES + "coarser = 'coarse.py'\n", 'fine.py')
    args = (tmp_path / 'fine.py', '--work-dir', tmp_path / 'work', '--cfg-options',
            'train_cfg.max_iters=2', 'default_hooks.logger.interval=1')
    succeed('train_staged.py', *args)
    best, = (tmp_path / 'work' / 'coarse').glob('best_*.pth')
    log, = (tmp_path / 'work' / 'fine').glob('*/*.log')
    assert re.search(rf'Load checkpoint from {re.escape(str(best))}', log.read_text())
    weights = torch.load(best, weights_only=True)['state_dict']
    assert 'decode_head.score.stride16.weight' in weights
    assert 'decode_head.score.stride8.weight' not in weights

    again = succeed('train_staged.py', *args)
    assert again.count('finished already') == 2
    # A coarse stage that was trained otherwise is no stage of this run.
    other = run_tool('train_staged.py', *args[:-1], 'optim_wrapper.optimizer.lr=0.25')
    assert other.code == 2 and 'optim_wrapper.optimizer.lr was' in other.err
    assert str(tmp_path / 'work' / 'coarse') in other.err and best.is_file()
