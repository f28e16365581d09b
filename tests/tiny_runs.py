"""A run of a few seconds, and the tools called as a fresh process would."""
import io
import os
import runpy
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from mmengine.logging import MessageHub, MMLogger
from mmengine.visualization import Visualizer
from mmseg.visualization import SegLocalVisualizer

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
BUILT_IN, = CONFIGS.glob('fcn/fcn-8s_r18-half_*_shapes-*.py')  # whatever its schedule

# For model, whatever the config: ResNet-18 of an eighth of its width, from scratch.
TINY_BACKBONE = """
    backbone=dict(depth=18, stem_channels=8, base_channels=8, init_cfg=None),
    decode_head=dict(in_channels=(16, 32, 64), num_classes=9)"""
HERE = 'num_workers=0, persistent_workers=False'
SHAPES = f"""
_base_ = '{BUILT_IN}'
model = dict({TINY_BACKBONE})
train_dataloader = dict(
    batch_size=2, {HERE}, dataset=dict(length=8, image_size=32))
val_dataloader = dict(
    batch_size=2, {HERE}, dataset=dict(length=3, image_size=(32, 40)))
test_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(length=5, image_size=(32, 40)))
param_scheduler = []
train_cfg = dict(max_iters=4, val_interval=2)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=1))
"""


class Done(NamedTuple):
    """How a tool ended.

    Attributes:
        code (int): The exit code.
        out (str): What it printed.
        err (str): What it printed to stderr.
    """
    code: int
    out: str
    err: str


def forget_runs():
    """Clears what mmengine keeps of the runs that this process has seen."""
    for kind in (MessageHub, MMLogger, Visualizer, SegLocalVisualizer):
        kind._instance_dict.clear()


def run_tool(tool, *args):
    """Calls a tool of ``tools/`` in this process, and forgets the one before."""
    forget_runs()
    argv, code = [str(ROOT / 'tools' / tool), *map(str, args)], 0
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.object(sys, 'argv', argv), mock.patch.dict(os.environ), \
            redirect_stdout(out), redirect_stderr(err):
        try:
            runpy.run_path(argv[0], run_name='__main__')
        except SystemExit as end:
            code = end.code or 0
    return Done(code, out.getvalue(), err.getvalue())


def succeed(tool, *args):
    """What a tool printed that must not fail."""
    done = run_tool(tool, *args)
    assert done.code == 0, done.err
    return done.out


def write_config(folder, text=SHAPES, name='tiny.py'):
    """Writes a config file.

    Returns:
        Path: The file.
    """
    path = folder / name
    path.write_text(text)
    return path
