"""Processes and machines that go away: how the others end, and how a run goes on."""
import itertools
import os
import re
import runpy
import signal
import socket
import subprocess
import time
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from process_runs import environment
from test_robustness_kills import two
from tiny_runs import ROOT, SHAPES, run_tool, write_config

from fcn_plugin.resuming.start import go_on_after_restart
from fcn_plugin.utils import distributed

TRAIN = str(ROOT / 'tools' / 'dist_train.sh')
LONGEST = 300  # seconds: what hangs fails
# Rank 1 kills itself, as the system does for want of memory: once in the fourth iteration,
# and in the sixth.
KILL = """
import os, signal
from pathlib import Path
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

@HOOKS.register_module()
class Kill(Hook):
    def __init__(self, marker):
        self.marker = Path(marker)

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if get_rank() == 1 and (runner.iter == 5 or runner.iter == 3
                                and not self.marker.exists()):
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
"""
ports = itertools.count(29600 + os.getpid() % 1000)


@pytest.fixture
def dist_train(forked_python):
    """Starts ``dist_train.sh``, with any command before it."""
    def start(*args, before=(), **variables):
        variables = dict(PORT=str(next(ports)), PYTHONWARNINGS='ignore') | variables
        return subprocess.Popen(
            [*before, 'bash', TRAIN, *map(str, args)], text=True,
            env=environment(forked_python, **variables), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
    return start


def wait(started, seconds=LONGEST):
    """What a process that ends in time has printed."""
    try:
        return started.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGTERM)  # torchrun's, which stops the others
        pytest.fail(f'no end within {seconds} seconds: {started.communicate()[0][-6000:]}')


def last_checkpoint(work_dir):
    """The number of iterations in the last checkpoint; 0 where there is none."""
    return max((int(path.stem[5:]) for path in work_dir.glob('iter_*.pth')
                if path.stem[5:].isdigit()), default=0)


# --- one machine ----------------------------------------------------------------------


@pytest.mark.slow
def test_a_restart_goes_on_and_a_killed_process_ends_the_run(processes, dist_train,
                                                             tmp_path):
    """It has the weights of a run that nobody broke, to the last bit.

    ``--resume`` in several processes is a part of test_robustness_kills.py."""
    (tmp_path / 'kill.py').write_text(KILL)
    plain = SHAPES + """
randomness = dict(seed=0)
train_cfg = dict(max_iters=6, val_interval=6)
default_hooks['checkpoint']['max_keep_ckpts'] = 9
"""
    killed = write_config(tmp_path, plain + f"""
custom_imports = dict(imports=['fcn_plugin', 'kill'])
custom_hooks = [dict(type='Kill', marker='{tmp_path}/killed')]
""")
    started = dist_train(killed, 2, '--work-dir', tmp_path / 'work',
                         TORCHRUN_ARGS='--standalone --max-restarts=1',
                         PYTHONPATH=f'{ROOT}{os.pathsep}{tmp_path}')
    printed = wait(started)
    assert started.returncode == 2, printed
    assert 'Traceback' not in printed
    assert len(re.findall(r'Iter\(train\) \[ *1/6\]', printed)) == 1
    assert re.search(r'restart 1: going on from \S+/iter_[23]\.pth', printed)
    assert re.fullmatch(
        r'error: rank 1 on \S+ \(pid \d+\) was killed by SIGKILL \(by hand, or by the '
        'system for want of memory\\). All processes of this machine have ended; go on '
        'from the last checkpoint by the same command with --resume',
        printed.splitlines()[-1])
    assert last_checkpoint(tmp_path / 'work') in (4, 5)

    unbroken = write_config(tmp_path, plain, 'unbroken.py')
    assert two(processes, unbroken, tmp_path / 'unbroken') == [0, 0]
    restarted, expected = (torch.load(tmp_path / name / 'iter_4.pth', weights_only=True)[
        'state_dict'] for name in ('work', 'unbroken'))
    assert restarted.keys() == expected.keys()
    assert all(torch.equal(restarted[name], value) for name, value in expected.items())


def test_a_module_that_fails_ends_in_one_line():
    done = run_tool('misc/launch.py', '--standalone', '--nproc_per_node=1', '-m', 'no.module')
    assert done.code == 2 and 'rank 0 on' in done.err and 'exit code 1' in done.err


def test_restarts_that_would_hang_are_refused():
    done = run_tool('misc/launch.py', '--nproc_per_node=2', '--max-restarts=1', 'train.py')
    assert done.code == 2
    assert re.match('error: --max-restarts: .*add --standalone', done.err)


def elastic(monkeypatch, restarts, most):
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', str(restarts))
    monkeypatch.setenv('TORCHELASTIC_MAX_RESTARTS', str(most))


def test_what_a_restart_reads(monkeypatch, tmp_path):
    def decide(**entries):
        config = Config(dict(launcher='pytorch', work_dir=str(tmp_path),
                             load_from='start.pth') | entries)
        go_on_after_restart(config)
        return config.load_from, config.get('resume', False)

    start = 'start.pth', False
    elastic(monkeypatch, 1, 3)
    assert decide() == start, 'there is no checkpoint yet'
    torch.save(dict(state_dict={}), tmp_path / 'iter_20.pth')
    torch.save(dict(state_dict={}), tmp_path / 'iter_9.pth')
    assert decide() == (str(tmp_path / 'iter_20.pth'), True)
    assert decide(launcher='none') == start
    # A first start: another run's checkpoint must not be taken for this one's.
    elastic(monkeypatch, 0, 3)
    with pytest.raises(ValueError, match=r'iter_20\.pth is of an earlier run.*--resume.*'
                       'another --work-dir'):
        decide()
    assert decide(resume=True) == ('start.pth', True)
    elastic(monkeypatch, 0, 0)
    assert decide() == start


@pytest.mark.parametrize('fault, said', [
    (RuntimeError('[/src/gloo/transport/tcp/pair.cc:547] Connection closed by peer '
                  '[10.0.0.2]:4000\nmore'), 'Connection closed by peer [10.0.0.2]:4000'),
    (RuntimeError('[../third_party/gloo/gloo/transport/tcp/unbound_buffer.cc:81] Timed '
                  'out waiting 1000ms for recv operation to complete'),
     'Timed out waiting 1000ms for recv operation to complete'),
    (RuntimeError('[/src/gloo/pair.cc:42] Read error [10.0.0.2]:4000: Connection reset '
                  'by peer. This is typically caused by a remote worker crashing. GLHF!'),
     'Read error [10.0.0.2]:4000: Connection reset by peer'),
    (torch.distributed.DistStoreError('the store has gone'), 'the store has gone')])
def test_what_lost_processes_are_called(monkeypatch, fault, said):
    monkeypatch.setattr(distributed, 'is_distributed', lambda: True)
    with pytest.raises(ConnectionError, match='^rank 0 of 1 on .* Do this$') as caught:
        with distributed.explain_lost_processes('Do this'):
            raise fault
    assert f'({said})' in str(caught.value)


@pytest.mark.parametrize('together', [True, False])
def test_other_errors_stay(monkeypatch, together):
    monkeypatch.setattr(distributed, 'is_distributed', lambda: together)
    text = 'shapes differ' if together else 'Connection closed by peer'
    with pytest.raises(RuntimeError, match=f'^{text}$'):
        with distributed.explain_lost_processes('Do this'):
            raise RuntimeError(text)


def failures(**codes):
    return {int(rank[1:]): SimpleNamespace(exitcode=code, pid=70, timestamp=0)
            for rank, code in codes.items()}


@pytest.mark.parametrize('found, line', [
    (failures(r0=2, r1=-9), r'rank 1 on \S+ \(pid 70\) was killed by SIGKILL \(.*memory\)'),
    (failures(r0=-15, r1=2), r'rank 1 on .* ended with exit code 2; it says above why'),
    (failures(r0=-15, r1=-11), r'rank 1 on .* was killed by SIGSEGV'),
    (failures(r0=-15, r1=-15), r'rank 0 on .* was killed by SIGTERM')])
def test_the_process_that_went_first_is_named(found, line):
    launch = runpy.run_path(str(ROOT / 'tools' / 'misc' / 'launch.py'))
    text, killed = launch['ended'](found)
    assert re.fullmatch(line, text) and killed == ('killed' in line)


def test_a_port_that_is_taken(dist_train):
    with socket.create_server(('127.0.0.1', 0)) as server:
        started = dist_train('config.py', 1, PORT=str(server.getsockname()[1]))
        printed = wait(started)
    assert started.returncode == 2
    assert 'Traceback' not in printed
    assert re.match('error: .*EADDRINUSE.*another run has this port',
                    printed.splitlines()[-1])


# --- two machines ---------------------------------------------------------------------


def ip(*command):
    subprocess.run(['ip', *command], check=True, capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Two network namespaces, each with an address of its own and a wire between them.

    Yields:
        list: For each its name, its interface and its address.
    """
    number = os.getpid()
    made = [(f'fcn{number}{side}', f'f{number}{side}', f'10.231.7.{i}')
            for i, side in enumerate('ab', 1)]
    try:
        for name, *_ in made:
            ip('netns', 'add', name)
        (first, wire, _), (second, other, _) = made
        ip('link', 'add', wire, 'netns', first, 'type', 'veth', 'peer', 'name', other,
           'netns', second)
        for name, interface, address in made:
            ip('-n', name, 'addr', 'add', f'{address}/24', 'dev', interface)
            ip('-n', name, 'link', 'set', interface, 'up')
            ip('-n', name, 'link', 'set', 'lo', 'up')
        yield made
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip('network namespaces cannot be made here: '
                    f'{getattr(error, "stderr", None) or error}')
    finally:
        for name, *_ in made:
            subprocess.run(['ip', 'netns', 'del', name], capture_output=True)


@pytest.mark.slow
def test_two_machines_and_a_cut_wire(hosts, dist_train, tmp_path):
    """They train together, and end when the wire is cut.

    That they go on when it is whole is a part of test_robustness_network.py."""
    work = tmp_path / 'work'
    config = write_config(tmp_path, SHAPES + """
train_cfg = dict(max_iters=100000, val_interval=100000)
default_hooks = dict(checkpoint=dict(interval=5, max_keep_ckpts=1))
""")
    port = str(next(ports))
    started = [dist_train(
        config, 1, '--work-dir', work, '--cfg-options', 'env_cfg.dist_cfg.timeout=8',
        before=('ip', 'netns', 'exec', name), NNODES='2', NODE_RANK=str(rank),
        MASTER_ADDR=hosts[0][2], PORT=port, GLOO_SOCKET_IFNAME=interface)
        for rank, (name, interface, _) in enumerate(hosts)]
    until = time.monotonic() + LONGEST
    while last_checkpoint(work) == 0 and time.monotonic() < until:
        time.sleep(0.1)
        if any(process.poll() is not None for process in started):
            break
    done = last_checkpoint(work)
    ip('-n', hosts[0][0], 'link', 'set', hosts[0][1], 'down')
    printed = [wait(process) for process in started]
    assert done, printed
    for process, text in zip(started, printed):
        assert process.returncode == 2, text
        assert re.search(r'error: rank [01] of 2 on \S+ lost another process \(.*\): it '
                         'has ended, or its machine does not answer. Go on .*--resume',
                         text), text
        assert text.splitlines()[-1].startswith('error: rank '), text
        assert 'Traceback' not in text, text
