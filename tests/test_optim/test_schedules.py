"""A run is as long as the schedule of its rate, or a warning says that it is not."""
import pytest
from mmengine.config import Config

from fcn_plugin.optim import schedules
from fcn_plugin.optim.schedules import check_length

WARM_UP = dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False)


def poly(end=1000, **more):
    return dict(type='PolyLR', eta_min=0, begin=100, end=end, **more)


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(schedules, 'print_log', lambda text, *_: lines.append(text))
    return lines


def check(schedules, lengths):
    check_length(Config(dict(train_cfg=lengths, param_scheduler=schedules)))


@pytest.mark.parametrize('schedules, lengths, words', [
    ([WARM_UP, poly(by_epoch=False)], dict(max_iters=400),
     'train_cfg.max_iters=400, but PolyLR takes 1000 iterations: the learning rate has not '
     'fallen to its lowest value at the end of training. Have both end at once by '
     '--cfg-options param_scheduler.1.end=400'),
    ([WARM_UP, poly(by_epoch=False)], dict(max_iters=2000),
     'is at its lowest value from iteration 1000 on. Have both end at once by --cfg-options '
     'param_scheduler.1.end=2000'),
    ([poly()], dict(max_epochs=150), 'param_scheduler.0.end=150'),
    ([dict(type='CosineAnnealingLR', begin=10, T_max=90)], dict(max_epochs=50),
     'train_cfg.max_epochs=50, but CosineAnnealingLR takes 100 epochs: the learning rate has '
     'not fallen to its lowest value at the end of training. Have both end at once by '
     '--cfg-options param_scheduler.0.T_max=40'),
    ([dict(type='CosineAnnealingLR', begin=10, end=90)], dict(max_epochs=50),
     'param_scheduler.0.end=50')])
def test_another_length(said, schedules, lengths, words):
    check(schedules, lengths)
    assert len(said) == 1 and words in said[0]


@pytest.mark.parametrize('schedules, lengths', [
    ([WARM_UP, poly(by_epoch=False)], dict(max_iters=1000)), ([], dict(max_iters=5)),
    (None, dict(max_iters=5)), ([WARM_UP], dict(max_iters=5)),
    ([dict(type='MultiStepLR', milestones=[3])], dict(max_epochs=2)),
    ([poly(convert_to_iter_based=True)], dict(max_epochs=5)), ([poly()], dict(max_iters=5)),
    ([dict(type='PolyLR')], dict(max_epochs=5)), (dict(lr=[poly()]), dict(max_epochs=5)),
    ([WARM_UP, poly(by_epoch=False)], dict(max_iters=100))])
def test_the_same_length_or_none(said, schedules, lengths):
    check(schedules, lengths)
    assert not said


def test_no_training(said):
    check([poly()], None)
    assert not said
