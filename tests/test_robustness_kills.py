"""Runs that are killed and resumed end as the one that was not, to the bit."""
import os
import random
import signal
import socket
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
import torch
from broken_runs import RANDOM, SAVED, STEPS, outcome, same, whole
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from tiny_runs import HERE, run_tool, write_config

WORKERS = RANDOM.replace(HERE, 'num_workers=2, persistent_workers=True', 1)
PASSES = RANDOM.replace('dataset=dict(length=8', """
    sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True),
    dataset=dict(length=20""")
MMENGINE_S_LOOP = RANDOM + "train_cfg['type'] = 'IterBasedTrainLoop'\n"
CONFIGS = {'plain': RANDOM, 'workers': WORKERS, 'passes': PASSES,
           "mmengine's loop": MMENGINE_S_LOOP}


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
        if name == 'replace' and not str(args[1]).endswith('.pth'):
            return function(*args)
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


def train(config, work, how=None, when=0, pipe=None, rank=None, port=None):
    """In a process of its own; ``--resume`` starts anew where there is nothing."""
    torch.set_num_threads(1)
    launcher = ()
    if rank is not None:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2',
                          MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
        launcher = '--launcher', 'pytorch'
    moment = {
        None: lambda: mock.patch('os.nothing', create=True),
        'step': lambda: at_hook('before_train_iter', when, lambda: pipe.send(when)),
        # The last batch: of two processes each has one.
        'validation': lambda: at_hook('before_val_iter', when, kill, int(rank is None)),
        'in a checkpoint': lambda: in_nth('fsync', when, cut_and_kill, before=True),
        'before its name': lambda: in_nth('replace', when, kill, before=True),
        'behind its name': lambda: in_nth('replace', when, kill, before=False),
    }[how]
    # Two steps on it waits for its end, however slow the machine is.
    # (Made inside moment(), whose hook it calls.)
    with moment(), at_hook(
            'before_train_iter', when + 2, lambda: time.sleep(100 * (how == 'step'))):
        done = run_tool('train.py', config, '--work-dir', work, '--resume', *launcher)
    print(done.err, file=sys.stderr)
    Path(config).with_name(f'said_{rank}').write_text(done.err)
    os._exit(done.code)


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


@pytest.mark.parametrize('first', range(SAVED + 1))
def test_killed_at_any_time(processes, unbroken, tmp_path, first):
    """One run after the other goes on: a checkpoint lies between two kills, and would keep
    what went wrong behind the first."""
    config, expected = unbroken()
    for step in range(first, STEPS - 2, SAVED + 1):
        killed_at_any_time(processes, config, tmp_path, step,
                           random.Random(step).uniform(0, 0.15))
        left = whole(tmp_path)
        assert max(left, default=0) >= step // SAVED * SAVED  # no step before it is lost
    run(processes, config, tmp_path)
    same(outcome(tmp_path), expected)


# Each run counts anew what it writes.
HURTS = [('in a checkpoint', 1), ('validation', 4), ('behind its name', 2), ('validation', 13)]


@pytest.mark.parametrize('moments', [
    HURTS, [('in a checkpoint', 3), ('validation', 8), ('behind its name', 3)],
    [('in a checkpoint', 6), ('before its name', 2)]])
def test_killed_when_it_hurts(processes, unbroken, tmp_path, moments):
    config, expected = unbroken()
    for how, when in moments:
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


def test_a_seed_by_chance_is_kept(processes, tmp_path):
    """A run without a seed of its own: as one that is given the seed it drew."""
    config = write_config(tmp_path, RANDOM + 'randomness = dict(_delete_=True, seed=None)\n')
    killed_at_any_time(processes, config, tmp_path / 'killed', 5, 0)
    run(processes, config, tmp_path / 'killed')
    saved = torch.load(tmp_path / 'killed' / 'iter_13.pth', weights_only=True)
    given = write_config(
        tmp_path, RANDOM + f"randomness = dict(seed={saved['meta']['seed']})", 'given.py')
    run(processes, given, tmp_path / 'given')
    same(outcome(tmp_path / 'killed'), outcome(tmp_path / 'given'))


# --- two processes --------------------------------------------------------------------

TWO = RANDOM + "custom_hooks = [dict(type='JudgedHook')]\n"


@HOOKS.register_module()
class JudgedHook(Hook):
    """Keeps the statistics of batch norms that each process judges by."""

    def before_val_iter(self, runner, batch_idx, data_batch=None):
        torch.save(dict(runner.model.module.named_buffers()), Path(
            runner.work_dir, f'judged_{get_rank()}_{runner.iter}'))


def two(processes, config, work, victims=(), how=None, when=0, delay=None):
    """Two processes of a run, of which some are killed; returns how they ended."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
    ours, theirs = processes.Pipe()
    pair = [processes.Process(target=train, args=(
        config, work, how if rank in victims else None, when, theirs, rank, port))
        for rank in range(2)]
    for process in pair:
        process.start()
    if delay is not None:
        for _ in victims:
            assert ours.poll(100)
            ours.recv()
        time.sleep(delay)
        for rank in victims:
            pair[rank].kill()
    for process in pair:
        process.join(100)
    return [process.exitcode for process in pair]


@pytest.fixture(scope='module')
def unbroken_two(processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp('two')
    assert two(processes, write_config(folder, TWO), folder / 'work') == [0, 0]
    return folder / 'work', outcome(folder / 'work')


def test_two_processes_judge_what_is_saved(unbroken_two):
    """Batch norms have other statistics in each process, and one's are saved."""
    work, _ = unbroken_two
    for step in (12, STEPS):
        saved = torch.load(work / f'iter_{step}.pth', weights_only=True)['state_dict']
        for rank in range(2):
            judged = torch.load(work / f'judged_{rank}_{step}', weights_only=True)
            norms = [name for name in judged if 'running_' in name]
            assert norms
            assert all(torch.equal(saved[name], judged[name]) for name in norms), rank


def others_say_it(tmp_path, codes, victims):
    for rank, code in enumerate(codes):
        if rank in victims:
            assert code == -signal.SIGKILL
        else:
            said = (tmp_path / f'said_{rank}').read_text()
            assert code == 2 and f'error: rank {rank} of 2 on ' in said, said
            assert 'lost another process' in said and 'Traceback' not in said


# Each process is killed, and both: before the first checkpoint (0), as one is written (2),
# as a validation begins (3, 7) and between.
@pytest.mark.parametrize('kills', [
    {2: (0, ), 6: (1, ), 9: (0, 1)},
    pytest.param({0: (1, ), 3: (0, 1), 7: (0, ), 10: (1, )}, marks=pytest.mark.slow)])
def test_one_of_two_or_both_killed_at_any_time(processes, unbroken_two, tmp_path, kills):
    config, work = write_config(tmp_path, TWO), tmp_path / 'work'
    for step, victims in kills.items():
        codes = two(processes, config, work, victims, 'step', step,
                    random.Random(step).uniform(0, 0.15))
        others_say_it(tmp_path, codes, victims)
        assert max(whole(work), default=0) >= step // SAVED * SAVED
    assert two(processes, config, work) == [0, 0]
    same(outcome(work), unbroken_two[1])


@pytest.mark.slow
def test_one_of_two_killed_when_it_hurts(processes, unbroken_two, tmp_path):
    """The first, which writes the checkpoints, and last the other one."""
    config, work = write_config(tmp_path, TWO), tmp_path / 'work'
    for rank, (how, when) in zip((0, 0, 0, 1), HURTS):
        codes = two(processes, config, work, (rank, ), how, when)
        others_say_it(tmp_path, codes, (rank, ))
    assert two(processes, config, work) == [0, 0]
    same(outcome(work), unbroken_two[1])
