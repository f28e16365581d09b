"""Runs that are killed and resumed end as the one that was not, to the bit."""
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
import torch
from mmengine.runner import Runner
from tiny_runs import HERE, ROOT, SHAPES, run_tool, write_config

STEPS, SAVED, JUDGED = 13, 3, 4
# Whatever draws random numbers: order, crops, flips, colours, dropout.
RANDOM = SHAPES.replace('param_scheduler = []', """
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=4, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=4, end=13, by_epoch=False)]
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.02, momentum=0.9))
train_dataloader['dataset']['pipeline'] = [
    dict(type='RandomResize', scale=(40, 40), ratio_range=(0.9, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(32, 32), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5), dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')]
model['decode_head']['dropout_ratio'] = 0.5
test_dataloader = test_cfg = test_evaluator = None""").replace(
    'max_iters=4, val_interval=2', f'max_iters={STEPS}, val_interval={JUDGED}').replace(
        'checkpoint=dict(interval=1)', f'checkpoint=dict(interval={SAVED})')
WORKERS = RANDOM.replace(HERE, 'num_workers=2, persistent_workers=True', 1)
PASSES = RANDOM.replace('dataset=dict(length=8', """
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(length=20""")
MMENGINE_S_LOOP = RANDOM + "train_cfg['type'] = 'IterBasedTrainLoop'\n"
CONFIGS = {'plain': RANDOM, 'workers': WORKERS, 'passes': PASSES,
           "mmengine's loop": MMENGINE_S_LOOP,
           'any seed': RANDOM + 'randomness = dict(_delete_=True, seed=None)\n'}


def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def at_hook(name, step, act, batch=None):
    """Acts when the runner is about to call hooks of a name in a step."""
    call = Runner.call_hook

    def call_hook(self, fn_name, **kwargs):
        if fn_name == name and self.iter == step and kwargs.get('batch_idx') in (
                batch, step):
            act()
        return call(self, fn_name, **kwargs)

    return mock.patch.object(Runner, 'call_hook', call_hook)


def in_nth(name, number, act, before):
    """Acts in the n-th call of a function of ``os``, which writing a checkpoint uses."""
    function, calls = getattr(os, name), []

    def counted(*args):
        calls.append(args)
        if len(calls) == number and before:
            act(*args)
        done = function(*args)
        if len(calls) == number:
            act(*args)
        return done

    return mock.patch(f'os.{name}', counted)


def cut_and_kill(file):
    os.truncate(file, os.fstat(file).st_size // 2)
    kill()


def train(config, work, how=None, when=0, pipe=None):
    """In a process of its own; ``--resume`` starts anew where there is nothing."""
    torch.set_num_threads(1)
    moment = {
        None: lambda: mock.patch('os.nothing', create=True),
        'step': lambda: at_hook('before_train_iter', when, lambda: pipe.send(when)),
        'validation': lambda: at_hook('before_val_iter', when, kill, batch=1),
        'in a checkpoint': lambda: in_nth('fsync', when, cut_and_kill, before=True),
        'before its name': lambda: in_nth('replace', when, kill, before=True),
        'behind its name': lambda: in_nth('replace', when, kill, before=False),
    }[how]
    # Two steps on it waits for its end, however slow the machine is.
    # (Made inside moment(), whose hook it calls.)
    with moment(), at_hook(
            'before_train_iter', when + 2, lambda: time.sleep(100 * (how == 'step'))):
        done = run_tool('train.py', config, '--work-dir', work, '--resume')
    print(done.err, file=sys.stderr)
    os._exit(done.code)


@pytest.fixture(scope='module')
def processes():
    """Forks of a process that has imported everything, and done nothing yet."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['tiny_runs', 'preloaded', __name__])
    paths = os.pathsep.join([str(ROOT / 'tests'), str(ROOT),
                             os.environ.get('PYTHONPATH', '')])
    with mock.patch.dict(os.environ, PYTHONPATH=paths):
        from multiprocessing.forkserver import ensure_running
        ensure_running()
    return context


def run(processes, *args, code=0):
    process = processes.Process(target=train, args=args)
    process.start()
    process.join(100)
    assert process.exitcode == code


def killed_at_any_time(processes, config, work, step, delay):
    """kill -9, from outside, so many seconds after a step was begun."""
    ours, theirs = processes.Pipe()
    process = processes.Process(target=train, args=(config, work, 'step', step, theirs))
    process.start()
    assert ours.poll(100)
    time.sleep(delay)
    process.kill()
    process.join(100)
    assert process.exitcode == -signal.SIGKILL


def whole(work):
    """The numbers of the checkpoints that can be read."""
    found = []
    for path in work.glob('iter_*.pth'):
        if '.part' not in path.name:
            torch.load(path, weights_only=True)
            found.append(int(path.stem[5:]))
    return sorted(found)


def plain(value):
    """Without what a clock or a folder says; tensors as what equality compares."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()
                if not any(word in str(key)
                           for word in ('time', 'cfg', 'memory', 'experiment'))}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.numpy().tobytes()
    if hasattr(value, '_log_history'):  # HistoryBuffer
        return value._log_history.tolist()
    return Path(value).name if isinstance(value, str) else value


def outcome(work):
    """Everything that a run leaves behind: checkpoints, the best one, the log."""
    found = {path.name: plain(torch.load(path, weights_only=True))
             for path in work.glob('*.pth')}
    log = {}
    for path in sorted(work.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # the process was killed while it wrote the line
                continue
            key = entry['step'], 'mIoU' in entry
            log[key] = {name: entry[name] for name in ('loss', 'lr', 'mIoU', 'aAcc')
                        if name in entry}
    return found, log


def same(found, expected):
    assert found[0].keys() == expected[0].keys()
    for name, content in expected[0].items():
        for part, value in content.items():
            assert found[0][name][part] == value, (name, part)
    assert found[1] == expected[1]


@pytest.fixture(scope='module')
def unbroken(processes, tmp_path_factory):
    """A config, and what its run leaves behind that nobody killed."""
    done = {}

    def get(name='plain'):
        if name not in done:
            folder = tmp_path_factory.mktemp('unbroken')
            config = write_config(folder, CONFIGS[name])
            run(processes, config, folder / 'work')
            done[name] = config, outcome(folder / 'work')
        return done[name]

    return get


def test_the_run_is_worth_it(unbroken):
    """It trains, judges, and keeps the last two checkpoints and the best."""
    checkpoints, log = unbroken()[1]
    assert sorted(name for name in checkpoints if not name.startswith('best')) == [
        'iter_12.pth', 'iter_13.pth']
    assert len(checkpoints) == 3
    assert [step for step, judged in log if judged] == [4, 8, 12, 13]
    assert len({entry['loss'] for entry in log.values() if 'loss' in entry}) == STEPS
    assert len({entry['lr'] for entry in log.values() if 'lr' in entry}) > STEPS / 2


@pytest.mark.parametrize('step', range(STEPS - 2))
def test_killed_at_any_time(processes, unbroken, tmp_path, step):
    config, expected = unbroken()
    killed_at_any_time(processes, config, tmp_path, step, random.Random(step).uniform(0, 0.15))
    left = whole(tmp_path)
    assert max(left, default=0) >= step // SAVED * SAVED  # no step before it is lost
    run(processes, config, tmp_path)
    same(outcome(tmp_path), expected)


@pytest.mark.parametrize('how, when', [
    ('validation', 4), ('validation', 8), ('validation', 13), ('in a checkpoint', 1),
    ('in a checkpoint', 3), ('in a checkpoint', 6), ('before its name', 2),
    ('behind its name', 2), ('behind its name', 4)])
def test_killed_when_it_hurts(processes, unbroken, tmp_path, how, when):
    config, expected = unbroken()
    run(processes, config, tmp_path, how, when, code=-signal.SIGKILL)
    run(processes, config, tmp_path)
    same(outcome(tmp_path), expected)


@pytest.mark.parametrize('name', ['workers', 'passes', "mmengine's loop"])
def test_killed_twice(processes, unbroken, tmp_path, name):
    """Also with images made in other processes, and where the data ends and begins anew."""
    config, expected = unbroken(name)
    for step in (7, 10):
        killed_at_any_time(processes, config, tmp_path, step, 0.02)
    run(processes, config, tmp_path)
    same(outcome(tmp_path), expected)


def test_a_seed_by_chance_is_kept(processes, unbroken, tmp_path):
    """A run without a seed of its own: as one that is given the seed it drew."""
    config, _ = unbroken('any seed')
    killed_at_any_time(processes, config, tmp_path / 'killed', 5, 0)
    run(processes, config, tmp_path / 'killed')
    saved = torch.load(tmp_path / 'killed' / 'iter_13.pth', weights_only=True)
    given = write_config(tmp_path, RANDOM + f"randomness = dict(seed={saved['meta']['seed']})")
    run(processes, given, tmp_path / 'given')
    same(outcome(tmp_path / 'killed'), outcome(tmp_path / 'given'))
