"""Long runs hold no more files, threads and processes at their end than at their start."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from PIL import Image
from tiny_runs import SHAPES, succeed, write_config

from fcn_plugin.apis import FCNInferencer

pytestmark = pytest.mark.skipif(not Path('/proc/self/fd').is_dir(),
                                reason='open files are counted in /proc')
counts = []


def count():
    """Open files, threads and child processes of this process."""
    here = Path('/proc/self')
    children = (here / f'task/{os.getpid()}/children').read_text().split()
    return [len(os.listdir(here / 'fd')), len(os.listdir(here / 'task')), len(children)]


@pytest.fixture(autouse=True)
def one_thread():
    """Small maps are faster so."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class CountHook(Hook):
    """Counts after every 30th iteration, between validations and checkpoints."""

    def after_train_iter(self, runner, **kwargs):
        if (runner.iter + 1) % 30 == 0:
            counts.append(count())


def test_training(tmp_path):
    HOOKS.register_module(module=CountHook, force=True)
    config = write_config(tmp_path, SHAPES + """
train_cfg = dict(max_iters=150, val_interval=40)
val_dataloader = dict(num_workers=1)
default_hooks = dict(checkpoint=dict(interval=40), logger=dict(interval=30))
custom_hooks = [dict(type='CountHook')]
test_dataloader = test_cfg = test_evaluator = None
""")
    counts.clear()
    succeed('train.py', config, '--work-dir', tmp_path / 'work')
    # the first validation, behind the first count, starts the worker process that stays
    assert len(counts) == 5 and all(found == counts[1] for found in counts[2:])


def test_prediction(trained, tmp_path):
    """Of images into files, one by one and in batches."""
    segment = FCNInferencer(trained / 'best.pth', device='cpu')
    pixels = np.random.randint(0, 256, (20, 30, 3), dtype=np.uint8)
    (tmp_path / 'in').mkdir()
    for i in range(20):
        Image.fromarray(pixels).save(tmp_path / 'in' / f'{i}.png')
    found = []
    for batch_size in (1, 1, 4):
        segment.save(tmp_path / 'in', tmp_path / 'out', batch_size, overwrite=True,
                     progress=False)
        found.append(count())
    assert found[0] == found[1] == found[2]
