"""One group for all parameters of equal settings, and checkpoints that have one for each."""
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import RUNNERS
from tiny_runs import SHAPES, write_config
from torch import nn

from fcn_plugin.optim import regroup

FEW, EACH = 'FewGroupsOptimWrapperConstructor', 'DefaultOptimWrapperConstructor'
# norms and biases of the backbone lie between what has other settings
PARAMWISE = dict(norm_decay_mult=0., bias_lr_mult=2.,
                 custom_keys=dict(decode_head=dict(lr_mult=10)))
RUN = SHAPES.replace('val_interval=2', 'val_interval=4') + (
    'randomness = dict(seed=0)\n'
    f'optim_wrapper = dict(paramwise_cfg={PARAMWISE})\n'
    'param_scheduler = [dict(type="LinearLR", start_factor=0.1, begin=0, end=3, '
    'by_epoch=False), dict(type="PolyLR", begin=1, end=4, by_epoch=False)]\n')


def small():
    torch.manual_seed(0)
    return nn.ModuleDict(dict(
        backbone=nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)),
        decode_head=nn.Conv2d(4, 2, 1)))


def wrapper(network, constructor, **optimizer):
    return build_optim_wrapper(network, dict(
        constructor=constructor, paramwise_cfg=PARAMWISE,
        optimizer=dict(dict(type='AdamW', lr=0.1, weight_decay=0.5), **optimizer)))


def test_settings_are_those_of_mmengine():
    network = small()
    network.backbone[0].weight.requires_grad = False
    few, each = (wrapper(network, kind).optimizer.param_groups for kind in (FEW, EACH))
    assert (len(few), len(each)) == (4, 7)
    settings = [{parameter: {key: value for key, value in group.items() if key != 'params'}
                 for group in groups for parameter in group['params']}
                for groups in (few, each)]
    assert settings[0] == settings[1] and len(settings[0]) == 7


@pytest.mark.parametrize('optimizer', [
    dict(fused=True), dict(foreach=True), dict(type='SGD', momentum=0.9),
    dict(type='SGD', momentum=0.9, fused=True)])
def test_steps_are_the_same_to_the_bit(optimizer):
    after = []
    for kind in (FEW, EACH):
        network = small()
        optim = wrapper(network, kind, **optimizer)
        for _ in range(3):
            loss = network.decode_head(network.backbone(torch.ones(2, 3, 5, 5))).square().sum()
            optim.update_params(loss)
        after.append(network.state_dict())
    for name, value in after[0].items():
        assert torch.equal(value, after[1][name]), name


def from_file(path, work, **options):
    config = Config.fromfile(path)
    config.merge_from_dict(dict(work_dir=str(work), launcher='none') | options)
    return RUNNERS.build(config)


def test_a_run_of_before_goes_on_with_few_groups(tmp_path):
    """To the weights of an unbroken one, with what the optimiser and the schedules kept."""
    config = write_config(tmp_path, RUN)
    whole = from_file(config, tmp_path / 'whole')
    whole.train()
    log, = (tmp_path / 'whole').glob('*/*.log')
    # a line a group, none a parameter
    assert 'paramwise_options' not in log.read_text()
    said = re.findall(r'(\d+) parameters of (\S+) numbers learn with',
                      log.read_text())
    trained = list(whole.model.parameters())
    assert sum(int(count) for count, _ in said) == len(trained)
    assert sum(int(numbers.replace(',', '')) for _, numbers in said) == sum(
        each.numel() for each in trained)
    from_file(config, tmp_path / 'cut', **{
        'train_cfg.max_iters': 2, 'optim_wrapper.constructor': EACH}).train()
    old = torch.load(tmp_path / 'cut/iter_2.pth', weights_only=False)
    again = from_file(config, tmp_path / 'cut', resume=True)
    again.train()
    groups = again.optim_wrapper.optimizer.param_groups
    assert len(groups) < 6 < len(old['optimizer']['param_groups'])
    kept = [torch.load(tmp_path / work / 'iter_4.pth', weights_only=False)
            for work in ('whole', 'cut')]
    for name, value in kept[0]['state_dict'].items():
        assert torch.equal(value, kept[1]['state_dict'][name]), name
    states = [checkpoint['optimizer']['state'] for checkpoint in kept]
    for place, state in states[0].items():
        assert all(torch.equal(torch.as_tensor(value), torch.as_tensor(states[1][place][name]))
                   for name, value in state.items()), place
    schedules = [checkpoint['param_schedulers'] for checkpoint in kept]
    assert [(each['base_values'], each['_last_value']) for each in schedules[0]] == [
        (each['base_values'], each['_last_value']) for each in schedules[1]]


def test_frozen_parameters_have_no_part_in_it():
    network = small()
    network.backbone[0].weight.requires_grad = False
    before, after = (wrapper(network, kind) for kind in (EACH, FEW))
    network.decode_head(network.backbone(torch.ones(2, 3, 5, 5))).square().sum().backward()
    before.step()
    checkpoint = dict(optimizer=before.state_dict())
    regroup(checkpoint, after.optimizer, network)
    after.load_state_dict(checkpoint['optimizer'])
    states = [each.optimizer.state for each in (before, after)]
    assert len(states[0]) == 7 and states[0].keys() == states[1].keys()
    for parameter, state in states[0].items():
        assert torch.equal(state['exp_avg'], states[1][parameter]['exp_avg'])


@pytest.mark.parametrize('kind', [FEW, EACH])
def test_what_fits_or_never_will_is_left(kind):
    network = small()
    optimizer = wrapper(network, kind).optimizer
    for groups in (optimizer.param_groups, [dict(params=[0]), dict(params=[1])]):
        checkpoint = dict(optimizer=dict(state={}, param_groups=list(groups)))
        regroup(checkpoint, optimizer, network)
        assert checkpoint == dict(optimizer=dict(state={}, param_groups=list(groups)))
