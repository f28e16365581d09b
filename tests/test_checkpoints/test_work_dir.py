"""What a run was made with, compared with what is asked for."""
import pytest
from mmengine.config import Config

from fcn_plugin.checkpoints.work_dir import keep_settings, other_settings, settings_of

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
