"""One run at a time in a work dir."""
import errno
import multiprocessing
import os
import signal
import time
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from tiny_runs import run_tool, write_config

from fcn_plugin.utils import locks
from fcn_plugin.utils.errors import InputError
from fcn_plugin.utils.locks import alone_in

pytest.importorskip('fcntl', reason='Windows keeps no second run out')

fork = multiprocessing.get_context('fork')  # nothing is imported anew


def hold(work_dir, ready):
    with alone_in(work_dir):
        os.fork()  # of a loader, say
        ready.send(os.getpid())
        time.sleep(600)


@pytest.fixture
def holder(tmp_path):
    """A process that trains in a work dir, and has forked a worker."""
    ready, theirs = fork.Pipe(duplex=False)
    process = fork.Process(target=hold, args=(tmp_path / 'work', theirs))
    process.start()
    both = {ready.recv(), ready.recv()}
    yield process
    for number in both:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.join()


def test_a_second_run_is_kept_out_and_told_of_the_first(holder, tmp_path):
    config = write_config(tmp_path)
    result = run_tool('train.py', config, '--work-dir', tmp_path / 'work')
    assert result.code == 2
    assert f"another run trains in '{tmp_path / 'work'}' (process {holder.pid} on " in (
        result.err)
    assert [path.name for path in (tmp_path / 'work').iterdir()] == ['.running']


def test_a_second_run_on_a_folder_leaves_the_lists_of_the_first(holder, tmp_path):
    for number in range(3):
        for kind, shape in (('images', (32, 32, 3)), ('masks', (32, 32))):
            pixels = np.random.default_rng(number).integers(0, 2, shape, np.uint8)
            (tmp_path / 'data' / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / 'data' / kind / f'{number}.png')
    result = run_tool('train.py', tmp_path / 'data', '--work-dir', tmp_path / 'work',
                      '--cfg-options', 'train_dataloader.batch_size=2')
    assert result.code == 2 and 'another run trains in' in result.err
    assert [path.name for path in (tmp_path / 'work').iterdir()] == ['.running']


def test_a_killed_run_keeps_nothing_out_though_its_workers_live(holder, tmp_path):
    holder.kill()
    holder.join()
    with alone_in(tmp_path / 'work'):
        assert str(os.getpid()) in (tmp_path / 'work/.running').read_text()


def enter(work_dir):
    with alone_in(work_dir):
        pass


def test_it_ends_with_the_run(tmp_path):
    def code():
        process = fork.Process(target=enter, args=(tmp_path, ))
        process.start()
        process.join()
        return process.exitcode

    with alone_in(tmp_path):
        assert code() == 1
    assert code() == 0


@pytest.mark.parametrize('launcher, variable', [
    ('pytorch', 'RANK'), ('slurm', 'SLURM_PROCID'), ('mpi', 'OMPI_COMM_WORLD_RANK')])
def test_of_several_processes_the_first_alone_holds_it(holder, tmp_path, monkeypatch,
                                                       launcher, variable):
    monkeypatch.setenv(variable, '1')
    with alone_in(tmp_path / 'work', launcher):
        pass
    monkeypatch.setenv(variable, '0')
    with pytest.raises(InputError, match='another run'), alone_in(tmp_path / 'work', launcher):
        pass
    with pytest.raises(InputError, match='another run'), alone_in(tmp_path / 'work'):
        pass  # the variable is of no run that is started alone


def test_a_file_system_without_locks_keeps_nothing_out(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(locks.fcntl, 'lockf', refuse)
    with alone_in(tmp_path):
        pass


def test_the_name_of_the_run_before_does_not_stay(tmp_path):
    (tmp_path / '.running').write_text('process 1234567890 on a machine of another name')
    with alone_in(tmp_path):
        said = (tmp_path / '.running').read_text()
    assert said.startswith(f'process {os.getpid()} on ') and said.count('process') == 1
