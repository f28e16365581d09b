"""What every test shares: the data beside the clone, seeds, scope, threads."""
import os

# Before torch and matplotlib, and for the processes that tests start.
os.environ.setdefault('OMP_NUM_THREADS', '2')
os.environ.setdefault('MPLBACKEND', 'Agg')

import random  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from mmengine.registry import init_default_scope  # noqa: E402

import fcn_plugin  # noqa: E402,F401  before any test imports mmseg

torch.set_num_threads(2)


@pytest.fixture(scope='session')
def test_data() -> Path:
    """The folder that FCN_TEST_DATA names, with ``data`` and ``weights`` in it."""
    folder = os.environ.get('FCN_TEST_DATA')
    if not folder:
        pytest.skip('FCN_TEST_DATA names no folder with test data')
    if not Path(folder).is_dir():
        pytest.fail(f'FCN_TEST_DATA={folder} is not a folder')
    return Path(folder)


@pytest.fixture(autouse=True)
def seeded():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def mmseg_scope():
    """Also after a test whose Runner left another scope behind."""
    init_default_scope('mmseg')
