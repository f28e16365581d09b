"""What every test shares: the data beside the clone, seeds, scope, threads."""
import gc
import os

gc.disable()  # until all is imported and collected: it makes no garbage, only work

# Before torch and matplotlib, and for the processes that tests start: two threads, or one
# where pytest-xdist runs files side by side, whose first process has said two.
THREADS = 1 if int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', 1)) > 1 else 2
os.environ['OMP_NUM_THREADS'] = str(THREADS)
os.environ.setdefault('MPLBACKEND', 'Agg')

import multiprocessing.resource_tracker  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections import Counter  # noqa: E402
from multiprocessing.forkserver import ensure_running  # noqa: E402
from pathlib import Path  # noqa: E402
from unittest import mock  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from forked_python import fork_server, write_stub  # noqa: E402
from forked_python import serve as forked_server  # noqa: E402
from PIL import Image  # noqa: E402

# Where the instruments beside the tools import each other, as their scripts do.
sys.path.append(str(Path(__file__).resolve().parents[1] / 'tools' / 'analysis_tools'))


def pytest_configure(config):
    """Imports what takes seconds, and starts the tests' server, in the processes that collect:
    pytest-xdist's first one, which the others wait for, does neither."""
    if config.getoption('dist', 'no') != 'no':
        return
    import torch

    import fcn_plugin  # noqa: F401  before any test imports mmseg
    torch.set_num_threads(THREADS)
    if 'PYTEST_XDIST_WORKER' in os.environ:
        import preloaded  # noqa: F401  which a part of the whole suite would hardly need
    if hasattr(os, 'fork'):
        _start_server()


def _start_server():
    """Forks off, while it has done nothing yet, the process that the tests' processes are
    forks of."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['pytest', 'preloaded', 'broken_runs'])
    multiprocessing.resource_tracker.ensure_running()  # which the server would start
    with mock.patch('multiprocessing.util.spawnv_passfds', fork_server):
        ensure_running()


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items):
    """In several workers the files that take longest go first, lest one be left with them
    when the others are done. (``--no-loadscope-reorder`` keeps this order.)"""
    if 'PYTEST_XDIST_WORKER' in os.environ:
        share = Counter()
        for item in items:
            share[item.path] += 15 if item.get_closest_marker('slow') else 1
        items.sort(key=lambda item: -share[item.path])


@pytest.fixture(scope='session')
def test_data() -> Path:
    """The folder that FCN_TEST_DATA names, with ``data`` and ``weights`` in it."""
    folder = os.environ.get('FCN_TEST_DATA')
    if not folder:
        pytest.skip('FCN_TEST_DATA names no folder with test data')
    if not Path(folder).is_dir():
        pytest.fail(f'FCN_TEST_DATA={folder} is not a folder')
    return Path(folder)


@pytest.fixture(scope='session')
def unfrozen_at_the_end():
    yield
    gc.unfreeze()


@pytest.fixture(scope='module', autouse=True)
def what_is_there_is_no_garbage(unfrozen_at_the_end):
    """mmengine collects garbage for each data set: half of a tiny training's time, which
    would grow with all that the files before have imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded():
    import torch
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def mmseg_scope():
    """Also after a test whose Runner left another scope behind."""
    from mmengine.registry import init_default_scope
    init_default_scope('mmseg')


@pytest.fixture(scope='session')
def trained(tmp_path_factory) -> Path:
    """A folder with config.py, best.pth (as mmengine writes it) and bare.pth."""
    from tiny_trained import write_trained
    folder = tmp_path_factory.mktemp('trained')
    write_trained(folder)
    return folder


@pytest.fixture(scope='session')
def timed_once():
    """Exports time a network once and not five times: no test looks at how long it takes."""
    with mock.patch('fcn_plugin.deployment.export._TIMED', 1):
        yield


@pytest.fixture(scope='session')
def processes():
    """Forks of a process that has imported everything, and done nothing yet."""
    return multiprocessing.get_context('forkserver')


@pytest.fixture(scope='session')
def forked_python(processes):
    """A program in place of ``python`` that does not import for seconds; itself elsewhere."""
    if not hasattr(os, 'pidfd_open'):
        yield Path(sys.executable)
        return
    with tempfile.TemporaryDirectory(prefix='fcn') as name:  # a socket's name must be short
        folder = Path(name)
        server = processes.Process(target=forked_server, args=(folder / 'socket', os.getpid()))
        server.start()
        while not (folder / 'socket').exists():
            assert server.is_alive()
            server.join(0.02)
        yield write_stub(folder / 'python', folder / 'socket')
        server.kill()
        server.join()


@pytest.fixture
def soon_trained(forked_python, monkeypatch):
    """Trainings that a command starts begin at once."""
    monkeypatch.setattr(sys, 'executable', str(forked_python))


@pytest.fixture
def photos(tmp_path):
    """b.png, A.JPG and notes.txt in a folder."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for name, size in (('b.png', (40, 30)), ('A.JPG', (50, 70))):
        pixels = np.random.randint(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / 'notes.txt').write_text('no image')
    return folder
