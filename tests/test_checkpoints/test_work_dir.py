"""What a run was made with, compared with what is asked for; and what it has logged."""
import json
import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from fcn_plugin.checkpoints.work_dir import (
    is_finished,
    keep_settings,
    latest_readable,
    of_last_run,
    other_settings,
    read_log,
    settings_of,
    validates_at_its_end,
)

BEFORE = dict(train_cfg=dict(type='IterBasedTrainLoop', max_iters=4))
NOW = dict(runner_type='FCNRunner', train_cfg=dict(type='ExactResumeTrainLoop', max_iters=4))


def staged(config):
    """The settings of a stage that has one before it, of the same config."""
    own = settings_of(Config(config))
    return own | {f'before: {key}': value for key, value in own.items()}


@pytest.fixture
def work(tmp_path):
    (tmp_path / 'iter_2.pth').touch()
    return tmp_path


@pytest.mark.parametrize('kept, wanted', [(BEFORE, NOW), (NOW, BEFORE), (NOW, NOW)])
def test_a_run_that_was_begun_before_the_runner_had_a_name_goes_on(work, kept, wanted):
    keep_settings(work, staged(kept))
    assert other_settings(work, staged(wanted)) is None


@pytest.mark.parametrize('change, said', [
    (dict(runner_type='Mine'), "runner_type was not set and is 'Mine' now"),
    (dict(train_cfg=dict(type='Mine', max_iters=4)),
     "train_cfg.type was 'IterBasedTrainLoop' and is 'Mine' now"),
    (dict(train_cfg=dict(BEFORE['train_cfg'], max_iters=5)),
     'train_cfg.max_iters was 4 and is 5 now')])
def test_another_runner_loop_or_length_is_another_run(work, change, said):
    keep_settings(work, staged(BEFORE))
    assert said in other_settings(work, staged(NOW | change))


def test_arguments_count_what_loads_does_not_and_nothing_is_missed(work):
    loader = dict(batch_size=2, num_workers=0, pin_memory=True)
    before = Config(dict(BEFORE, train_dataloader=loader, resize=None))
    keep_settings(work, settings_of(before, ['--amp']))
    now = Config(dict(BEFORE, train_dataloader=dict(loader, num_workers=4, pin_memory=False),
                      resize=None))
    assert other_settings(work, settings_of(now, ['--amp'])) is None
    assert other_settings(work, settings_of(now)) == 'arguments was --amp and is  now'
    now.pop('resize')
    assert other_settings(work, settings_of(now, ['--amp'])) == (
        'resize was None and is not set now')


def test_lists_are_tuples_and_a_name_is_meant_as_a_whole():
    settings = settings_of(Config(dict(size=(4, 5), resume=True, resume_mine=2)))
    assert settings == settings_of(Config(dict(size=[4, 5], resume_mine=2)))
    assert settings['resume_mine'] == '2'


@pytest.mark.parametrize('begin, judged', [(1, True), (4, True), (5, False)])
def test_whether_a_run_ends_with_a_validation(begin, judged):
    config = Config(dict(train_cfg=dict(max_iters=4, val_begin=begin),
                         val_cfg=dict(type='ValLoop')))
    assert validates_at_its_end(config) is judged


@pytest.mark.parametrize('done, validated, logged, finished', [
    (3, 3, [], False),  # cut off before its last step
    (4, 4, [dict(loss=1., step=4)], True),  # the checkpoint says so, whatever was logged
    (4, 2, [dict(loss=1., step=4), dict(mIoU=1., step=2)], False),  # cut off in validation
    (4, None, [dict(loss=1., step=4), dict(mIoU=1., step=4)], True),
    (4, None, [dict(loss=1., step=4)], False),
    (4, None, [], True)])  # nothing was logged
def test_a_run_is_finished_with_its_last_validation(tmp_path, done, validated, logged,
                                                    finished):
    known = {} if validated is None else dict(validated_iter=validated)
    torch.save(dict(meta=dict(iter=done), message_hub=dict(runtime_info=known)),
               tmp_path / f'iter_{done}.pth')
    (tmp_path / 'last_checkpoint').write_text(f'iter_{done}.pth')
    start = tmp_path / '20260101_000000' / 'vis_data'
    start.mkdir(parents=True)
    (start / 'scalars.json').write_text(''.join(json.dumps(line) + '\n' for line in logged))
    config = Config(dict(train_cfg=dict(max_iters=4), val_cfg=dict(type='ValLoop')))
    assert is_finished(tmp_path, config) is finished
    config.val_cfg = None
    assert is_finished(tmp_path, config) is (done == 4)


def test_a_checkpoint_of_the_run_before(tmp_path):
    """It was written before the run that was begun last; one without a time may be any."""
    for name, resume in (('20260101_000000', False), ('20260103_000000', False),
                         ('20260105_000000', True)):
        start = tmp_path / name / 'vis_data'
        start.mkdir(parents=True)
        (start / 'config.py').write_text(f'resume = {resume}\n')
        (start / 'scalars.json').write_text('{"loss": 1, "step": 1}\n')
    for time, own in (('20260102_000000', False), ('20260103_000000', True),
                      ('20260104_000000', True), ('20260106_000000', True), (None, True)):
        path = tmp_path / 'iter_4.pth'
        torch.save(dict(meta=dict(iter=4) | ({} if time is None else dict(time=time))), path)
        assert of_last_run(path) is own


def test_a_run_goes_on_from_its_last_checkpoint_that_is_whole(tmp_path):
    """By number, not by name; of those behind the one that it noted last, those written since:
    others are of the run before."""
    def latest():
        return Path(latest_readable(str(tmp_path))).name
    for number in (9, 10, 100):
        torch.save(dict(meta={}, state_dict={}), tmp_path / f'iter_{number}.pth')
    assert latest() == 'iter_100.pth'
    (tmp_path / 'iter_100.pth').write_bytes(b'cut')
    assert latest() == 'iter_10.pth'
    noted = tmp_path / 'last_checkpoint'
    noted.write_text(str(tmp_path / 'iter_9.pth'))
    for age, expected in ((60, 'iter_9.pth'), (-60, 'iter_10.pth')):
        time = (tmp_path / 'iter_9.pth').stat().st_mtime - age
        os.utime(tmp_path / 'iter_10.pth', (time, time))
        assert latest() == expected
    # in a copy of another work dir, whose checkpoints are not its own
    other = tmp_path / 'other'
    other.mkdir()
    torch.save(dict(meta={}, state_dict={}), other / 'iter_9.pth')
    os.utime(other / 'iter_9.pth', (time + 60, time + 60))
    noted.write_text(str(other / 'iter_9.pth'))
    assert latest_readable(str(tmp_path)) == str(tmp_path / 'iter_10.pth')
    # copied with others' times: of those before the noted one none is meant
    noted.write_text(str(tmp_path / 'iter_10.pth'))
    os.utime(tmp_path / 'iter_9.pth', (time + 60, time + 60))
    assert latest() == 'iter_10.pth'


@pytest.mark.parametrize('first', [[1, 2, 3, 4], [1, 2, 3, 4, (4, 50.)], [1, 2, 3, 4, 5]])
def test_what_a_resumed_run_did_again_counts_once(tmp_path, first):
    """It was killed in the validation of step 4, behind it, or a step later, and begins by
    validating step 4."""
    for number, (lines, resume) in enumerate([(first, False), ([(4, 60.), 5, 6, (6, 70.)],
                                                               True)]):
        start = tmp_path / f'2026010{number}_000000' / 'vis_data'
        start.mkdir(parents=True)
        (start / 'config.py').write_text(f'resume = {resume}\n')
        (start / 'scalars.json').write_text(''.join(json.dumps(
            dict(step=line[0], mIoU=line[1]) if isinstance(line, tuple)
            else dict(step=line, loss=10. * number)) + '\n' for line in lines))
    train, val = read_log(tmp_path)
    assert [(each['step'], each['loss']) for each in train] == [
        (1, 0), (2, 0), (3, 0), (4, 0), (5, 10), (6, 10)]
    assert [(each['step'], each['mIoU']) for each in val] == [(4, 60), (6, 70)]


def test_a_start_that_was_cut_off_behind_its_first_validation(tmp_path):
    """What was logged beyond the step that it judged is not of its weights."""
    for number, lines in enumerate([[1, 2, 3, 4, 5], [(4, 60.)]]):
        start = tmp_path / f'2026010{number}_000000' / 'vis_data'
        start.mkdir(parents=True)
        (start / 'config.py').write_text(f'resume = {number == 1}\n')
        (start / 'scalars.json').write_text(''.join(json.dumps(
            dict(step=line[0], mIoU=line[1]) if isinstance(line, tuple)
            else dict(step=line, loss=1.)) + '\n' for line in lines) + '{"loss": 1., "st')
    train, val = read_log(tmp_path)
    assert [each['step'] for each in train] == [1, 2, 3, 4]
    assert [each['step'] for each in val] == [4]
