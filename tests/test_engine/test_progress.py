"""Ending early, also after a resume, and the line that says how far a run is."""
import io
import os
import re
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from tiny_runs import SHAPES, forget_runs, write_config

from fcn_plugin.engine import ProgressHook
from fcn_plugin.engine.train import build_runner


def runner_of(folder, more='', **options):
    forget_runs()
    config = Config.fromfile(write_config(folder, SHAPES + more))
    config.merge_from_dict(dict(work_dir=str(folder / 'work'), launcher='none') | options)
    return build_runner(config)


# No gain is of 1000 percent: every validation after the first one counts.
STOPS = """
train_cfg = dict(max_iters=9, val_interval=1)
custom_hooks = [dict(type='ExactEarlyStoppingHook', monitor='mIoU', min_delta=1000,
                     patience=3)]
"""


@pytest.mark.parametrize('cut', [None, 2, 3])
def test_a_run_that_is_cut_ends_early_where_a_whole_one_does(tmp_path, cut):
    if cut:
        runner_of(tmp_path, STOPS, **{'train_cfg.max_iters': cut}).train()
    runner = runner_of(tmp_path, STOPS, resume=bool(cut))
    runner.train()
    assert runner.iter == 4


def test_a_run_that_has_ended_early_stays_ended(tmp_path):
    runner_of(tmp_path, STOPS).train()
    again = runner_of(tmp_path, STOPS, resume=True)
    again.train()
    assert again.iter == 4 and not (tmp_path / 'work/iter_5.pth').exists()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_line_of_progress(tmp_path):
    runner, terminal = runner_of(tmp_path), Terminal()
    runner.register_hook(ProgressHook(interval=25, file=terminal))
    runner.train()
    *lines, rest = terminal.getvalue().split('\r')
    first, gone, second, gone_again = lines
    assert re.fullmatch(r'#{5}-{15} 1/4, at most \d:\d\d:\d\d left', first)
    assert re.fullmatch(r'#{15}-{5} 3/4, at most \d:\d\d:\d\d left, best mean IoU \d+\.\d\d',
                        second)
    assert (gone, gone_again, rest) == (' ' * len(first), ' ' * len(second), '')


def test_time_left_is_that_of_the_steps_since_this_start(monkeypatch):
    """Of a run that was gone on with: two steps of ten seconds, and eight to go."""
    clock, terminal = iter([0., 20.]), Terminal()
    monkeypatch.setattr('fcn_plugin.engine.hooks.time.monotonic', lambda: next(clock))
    runner = SimpleNamespace(iter=90, max_iters=100, train_loop=SimpleNamespace(
        val_interval=50), message_hub=SimpleNamespace(runtime_info=dict(best_score=0.)))
    hook = ProgressHook(file=terminal)
    hook.before_train(runner)
    runner.iter = 91
    hook.after_train_iter(runner, 1)
    assert '92/100, at most 0:01:20 left, best mean IoU 0.00' in terminal.getvalue()


def test_a_terminal_that_is_too_narrow_gets_the_line_s_beginning(monkeypatch):
    """Whose last column stays free: some terminals begin a new line behind it."""
    terminal = Terminal()
    monkeypatch.setattr('shutil.get_terminal_size', lambda: os.terminal_size((30, 20)))
    runner = SimpleNamespace(iter=0, max_iters=100, train_loop=SimpleNamespace(
        val_interval=50), message_hub=SimpleNamespace(runtime_info={}))
    hook = ProgressHook(file=terminal)
    hook.before_train(runner)
    hook.after_train_iter(runner, 0)
    assert terminal.getvalue() == f'{"-" * 20} 1/100, a\r'


def test_no_line_where_steps_are_logged_or_nobody_looks(tmp_path):
    runner, terminal, file = runner_of(tmp_path), Terminal(), io.StringIO()
    runner.register_hook(ProgressHook(interval=1, file=terminal))
    runner.register_hook(ProgressHook(file=file))
    runner.train()
    assert terminal.getvalue() == file.getvalue() == ''
