"""Training with the network sharded over two processes."""
import itertools
import os
import subprocess
from shutil import copytree

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from process_runs import environment
from tiny_runs import ROOT, SHAPES, succeed, write_config

from fcn_plugin.apis.config import load_config
from fcn_plugin.apis.distributed import use_fsdp
from fcn_plugin.engine import ShardedStrategy

ports = itertools.count(28600 + os.getpid() % 1000)


def train(config, work_dir, *args, port):
    done = subprocess.run(
        ['bash', ROOT / 'tools' / 'dist_train.sh', config, '2', '--work-dir', work_dir, *args],
        env=environment(PORT=str(port)), text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@pytest.mark.slow
def test_sharded_training_is_that_of_whole_networks(tmp_path):
    """The weights of two processes that hold all; resumed, and read by test.py."""
    config = write_config(tmp_path, SHAPES.replace('max_iters=4', 'max_iters=2') + f"""
load_from = '{tmp_path}/start.pth'  # the two kinds draw their weights in another order
randomness = dict(seed=0)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={{'backbone.conv1': dict(lr_mult=9)}}))
train_dataloader['dataset']['pipeline'] = [dict(type='PackSegInputs')]  # nothing random
""")
    torch.manual_seed(0)
    model = MODELS.build(load_config(str(config)).model)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'start.pth')
    train(config, tmp_path / 'whole', port=next(ports))
    printed = train(config, tmp_path / 'sharded', '--fsdp', port=next(ports))
    assert printed.count('mean IoU  ') == 1
    whole, sharded = (torch.load(tmp_path / run / 'iter_2.pth', weights_only=True)
                      for run in ('whole', 'sharded'))
    assert list(whole['state_dict']) == list(sharded['state_dict'])
    for name, value in whole['state_dict'].items():
        torch.testing.assert_close(sharded['state_dict'][name], value, rtol=1e-4, atol=1e-5,
                                   msg=name)
    go_on = '--resume', '--cfg-options', 'train_cfg.max_iters=3'
    copytree(tmp_path / 'sharded', tmp_path / 'sharded_no_more')
    ended = []
    for run, options in (('whole', go_on), ('sharded', ['--fsdp', *go_on]),
                         ('sharded_no_more', go_on)):
        train(config, tmp_path / run, *options, port=next(ports))
        ended.append(torch.load(tmp_path / run / 'iter_3.pth',
                                weights_only=True)['state_dict'])
    for name, value in ended[0].items():
        for other in ended[1:]:
            torch.testing.assert_close(other[name], value, rtol=1e-4, atol=1e-5, msg=name)
    printed = succeed('test.py', tmp_path / 'sharded' / config.name,
                      tmp_path / 'sharded' / 'iter_3.pth', '--work-dir', tmp_path / 'test')
    assert 'mIoU' in printed


@pytest.mark.parametrize('entries, said', [
    (dict(launcher='none'), 'there is one: tools/dist_train.sh CONFIG PROCESSES --fsdp'),
    (dict(runner_type='Mine'), 'has a runner_type or strategy of its own'),
    (dict(optim_wrapper=dict(clip_grad=dict(max_norm=1))), 'clip_grad would clip by')])
def test_what_does_not_go_with_shards(entries, said):
    config = Config(dict(launcher='pytorch', optim_wrapper=dict()) | entries)
    before = config.to_dict()
    with pytest.raises(ValueError, match=f'^--fsdp: .*{said}'):
        use_fsdp(config)
    assert config.to_dict() == before


def test_the_optimiser_of_a_run_without_shards():
    with pytest.raises(ValueError, match='^--fsdp: .* of a run without it; resume without'):
        ShardedStrategy.load_optim_state_dict(None, dict(state={0: {}}, param_groups=[]))
