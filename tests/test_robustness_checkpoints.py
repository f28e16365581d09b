"""Checkpoints that were cut, and disks that are full."""
import errno
import os
from unittest import mock

import pytest
import torch
from mmengine.fileio import LocalBackend
from noise_runs import noise_run
from tiny_runs import succeed, write_config

from fcn_plugin.checkpoints.work_dir import latest_readable


def test_the_last_whole_checkpoint_is_taken(tmp_path):
    for number in (8, 9, 10):
        torch.save(dict(state_dict={}, iter=number), tmp_path / f'iter_{number}.pth')
    torch.save({}, tmp_path / 'best_mIoU_iter_11.pth')
    assert latest_readable(tmp_path).endswith('iter_10.pth')
    (tmp_path / 'last_checkpoint').write_text('')  # killed while it was written
    assert latest_readable(tmp_path).endswith('iter_10.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_10.pth'))
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_9.pth'))
    os.utime(tmp_path / 'iter_10.pth', (0, 0))  # of an earlier run
    assert latest_readable(tmp_path).endswith('iter_9.pth')
    os.utime(tmp_path / 'iter_10.pth')  # killed before it was noted
    assert latest_readable(tmp_path).endswith('iter_10.pth')
    for name in ('iter_10.pth', 'iter_9.pth'):
        os.truncate(tmp_path / name, 300)
    assert latest_readable(tmp_path).endswith('iter_8.pth')
    os.truncate(tmp_path / 'iter_8.pth', 0)
    with pytest.raises(ValueError, match='none of the checkpoints.*without --resume'):
        latest_readable(tmp_path)
    assert latest_readable(tmp_path / 'empty') is None


def test_resume_past_a_cut_checkpoint(tmp_path):
    config, work = write_config(tmp_path), tmp_path / 'work'
    succeed('train.py', config, '--work-dir', work)
    whole = torch.load(work / 'iter_4.pth', weights_only=True)['state_dict']
    os.truncate(work / 'iter_4.pth', 9999)
    succeed('train.py', config, '--work-dir', work, '--resume')
    again = torch.load(work / 'iter_4.pth', weights_only=True)['state_dict']
    assert whole.keys() == again.keys()


def test_full_disk_keeps_what_was_there(tmp_path):
    path = tmp_path / 'iter_1.pth'
    LocalBackend().put(b'good', path)
    full = OSError(errno.ENOSPC, 'No space left on device')
    with mock.patch('os.fsync', side_effect=full), pytest.raises(
            OSError, match='No space left on device; .* as it was: .*iter_1.pth'):
        LocalBackend().put(b'new', path)
    assert path.read_bytes() == b'good' and len(list(tmp_path.iterdir())) == 1


def test_a_disk_that_fails_leaves_the_best_checkpoint(tmp_path):
    """mmengine removes it before it writes a better one."""
    runner = noise_run(tmp_path, default_hooks=dict(logger=None, checkpoint=dict(
        type='mmseg.FCNCheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=1,
        save_best='score', rule='greater')))
    runner.train()

    def judged(score):
        runner.call_hook('after_val_epoch', metrics=dict(score=score))
        return [path.name for path in tmp_path.glob('best_*')]

    assert judged(1.) == ['best_score_iter_3.pth']
    runner.train_loop._iter = 4
    assert judged(2.) == ['best_score_iter_4.pth']
    assert judged(3.) == ['best_score_iter_4.pth'], 'not removed for another of its name'
    runner.train_loop._iter = 5
    full = OSError(errno.ENOSPC, 'No space left on device')
    with mock.patch('os.fsync', side_effect=full), pytest.raises(OSError, match='best_'):
        judged(4.)
    assert [path.name for path in tmp_path.glob('best_*')] == ['best_score_iter_4.pth']
