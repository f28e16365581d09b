"""Two hosts on a bad wire: late and lost packets change no weight, a dead one ends the run."""
import ctypes
import fcntl
import heapq
import os
import random
import re
import select
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from tiny_runs import SHAPES, run_tool, write_config

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
LIMIT = 6  # seconds that a process waits for the other
TIME_LIMIT = f'env_cfg.dist_cfg.timeout={LIMIT}'


class Wire(threading.Thread):
    """Carries what two network interfaces send to one another, late and not all of it.

    Where a kernel has netem, it would do the same; that is a module which not every one has.

    Args:
        names (list[str]): Of the interfaces, which are made.

    Attributes:
        delay (float): Seconds that a packet takes.
        loss (float): The share of packets that do not arrive.
        carried (int), lost (int): Packets.
    """

    def __init__(self, names):
        super().__init__(daemon=True)
        self.delay, self.loss, self.carried, self.lost, self.ended = 0., 0., 0, 0, False
        self.ends = []
        for name in names:
            self.ends.append(os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK))
            fcntl.ioctl(self.ends[-1], TUNSETIFF, struct.pack(
                '16sH22x', name.encode(), IFF_TUN | IFF_NO_PI))

    def run(self):
        other, draw, under_way = dict(zip(self.ends, self.ends[::-1])), random.Random(0), []
        while not self.ended:
            wait = under_way[0][0] - time.monotonic() if under_way else 0.05
            for end in select.select(self.ends, [], [], max(0, min(wait, 0.05)))[0]:
                packet = os.read(end, 1 << 16)
                if draw.random() < self.loss:
                    self.lost += 1
                    continue
                self.carried += 1
                heapq.heappush(under_way, (
                    time.monotonic() + self.delay, self.carried, other[end], packet))
            while under_way and under_way[0][0] <= time.monotonic():
                *_, end, packet = heapq.heappop(under_way)
                os.write(end, packet)


def ip(*command):
    subprocess.run(['ip', *command], check=True, capture_output=True, text=True)


@pytest.fixture(scope='module')
def wire():
    """Between two network namespaces, ``wire.hosts``: their names, interfaces, addresses."""
    hosts = [(f'fcnwire{os.getpid()}{side}', f'w{os.getpid()}{side}', f'10.231.9.{number}')
             for number, side in enumerate('ab', 1)]
    try:
        for name, *_ in hosts:
            ip('netns', 'add', name)
        wire = Wire([interface for _, interface, _ in hosts])
        for name, interface, address in hosts:
            ip('link', 'set', interface, 'netns', name)
            ip('-n', name, 'addr', 'add', f'{address}/24', 'dev', interface)
            ip('-n', name, 'link', 'set', interface, 'up')
            ip('-n', name, 'link', 'set', 'lo', 'up')
        wire.hosts = hosts
        wire.start()
        yield wire
        wire.ended = True
        wire.join()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip('network namespaces and interfaces cannot be made here: '
                    f'{getattr(error, "stderr", None) or error}')
    finally:
        for name, *_ in hosts:
            subprocess.run(['ip', 'netns', 'del', name], capture_output=True)


def train(host, rank, address, port, config, work, *options):
    """One of the processes of a run, on a host."""
    name, interface, _ = host
    with open(f'/run/netns/{name}') as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f'setns to {name} has failed')
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK='0', WORLD_SIZE='2', MASTER_ADDR=address,
                      MASTER_PORT=str(port), GLOO_SOCKET_IFNAME=interface)
    done = run_tool('train.py', config, '--work-dir', work, '--launcher', 'pytorch', *options)
    print(done.err, file=sys.stderr)
    Path(work, f'said_{rank}').write_text(done.err)
    os._exit(done.code)


@pytest.fixture(scope='module')
def start(wire, processes):
    """Has both hosts train."""
    ports = iter(range(29500, 29600))

    def start(config, work, *options):
        port = next(ports)
        pair = [processes.Process(target=train, args=(
            host, rank, wire.hosts[0][2], port, config, work, *options))
            for rank, host in enumerate(wire.hosts)]
        for process in pair:
            process.start()
        return pair

    return start


def ended(pair, seconds=200):
    for process in pair:
        process.join(seconds)
    return [process.exitcode for process in pair]


@pytest.fixture(scope='module')
def weights_of_a_good_wire(start, tmp_path_factory):
    folder = tmp_path_factory.mktemp('good')
    assert ended(start(write_config(folder), folder / 'work')) == [0, 0]
    return torch.load(folder / 'work/iter_4.pth', weights_only=True)['state_dict']


def same_weights(work, expected):
    found = torch.load(work / 'iter_4.pth', weights_only=True)['state_dict']
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.slow
def test_a_bad_wire_changes_no_weight(wire, start, weights_of_a_good_wire, tmp_path):
    """10 ms late each way, one packet in fifty lost."""
    wire.delay, wire.loss, wire.lost = 0.01, 0.02, 0
    assert ended(start(write_config(tmp_path), tmp_path / 'work')) == [0, 0]
    assert wire.lost > 5
    same_weights(tmp_path / 'work', weights_of_a_good_wire)


@pytest.mark.slow
def test_a_dead_wire_ends_both_in_one_line(wire, start, weights_of_a_good_wire, tmp_path):
    """Nothing arrives any more, and nobody says so; once it does, the run goes on."""
    wire.delay, wire.loss, work = 0.01, 0., tmp_path / 'work'
    endless = write_config(tmp_path, SHAPES.replace('max_iters=4', 'max_iters=100000').replace(
        'checkpoint=dict(', 'checkpoint=dict(max_keep_ckpts=99, '), 'endless.py')
    pair = start(endless, work, '--cfg-options', TIME_LIMIT)
    until = time.monotonic() + 200
    while not (work / 'iter_3.pth').is_file() and time.monotonic() < until:
        time.sleep(0.02)
    wire.loss, began = 1., time.monotonic()
    assert ended(pair) == [2, 2]
    assert time.monotonic() - began < 3 * LIMIT + 20
    for rank in range(2):
        said = (work / f'said_{rank}').read_text()
        line, = (line for line in said.splitlines() if line.startswith('error: '))
        assert re.match(rf'error: rank {rank} of 2 on \S+ lost another process \(.*\): it has '
                        'ended, or its machine does not answer. Go on .* --resume', line)
        assert 'Traceback' not in said

    wire.loss = 0.02
    for file in work.glob('iter_*.pth'):
        if int(file.stem[5:]) > 3:
            file.unlink()
    assert (work / 'iter_3.pth').is_file()
    assert ended(start(write_config(tmp_path), work, '--resume')) == [0, 0]
    same_weights(work, weights_of_a_good_wire)
