"""Plans of runs that differ in one thing each."""
import re

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny_runs import CONFIGS, run_tool, succeed, write_config

from fcn_plugin.apis import experiments
from fcn_plugin.apis.experiments import finished_runs, read_plan

TOOL = 'analysis_tools/run_experiments.py'
PLAN = """
config = 'tiny.py'
changes = dict(
    base=dict(),
    summed={'model.decode_head.loss_decode.type': 'CrossEntropyLoss',
            'optim_wrapper.optimizer.lr': 0.5})
"""


@pytest.fixture
def plan(tmp_path):
    write_config(tmp_path)
    return write_config(tmp_path, PLAN, 'plan.py')


def test_runs_are_trained_compared_and_not_repeated(plan, tmp_path, capfd):
    work = tmp_path / 'work'
    out = succeed(TOOL, plan, '--work-dir', work, '--cfg-options', 'train_cfg.max_iters=4')
    rows = re.findall(r'^\| (\w+) +\|(.+)\|$', (work / 'runs.md').read_text(), re.M)
    assert [name for name, _ in rows] == ['base', 'summed'] and '+0.00' in rows[0][1]
    trained = Config.fromfile(work / 'summed/seed0/summed.py')  # what train.py wrote
    assert trained.optim_wrapper.optimizer.lr == 0.5
    assert all(row in out for _, row in rows)
    assert (work / 'runs.png').stat().st_size > 1000
    again = succeed(TOOL, plan, '--work-dir', work)
    assert again.count('finished already') == 2 and rows[1][1] in again


def test_the_table_holds_what_earlier_calls_trained(plan, tmp_path):
    work = tmp_path / 'work'
    options = '--cfg-options', 'train_cfg.max_iters=2', 'train_cfg.val_interval=2'
    succeed(TOOL, plan, '--work-dir', work, '--seeds', 0, 1, '--only', 'base', *options)
    cut_off = work / 'summed/seed5'
    cut_off.mkdir(parents=True)
    out = succeed(TOOL, plan, '--work-dir', work, '--seeds', 1, '--only', 'summed', *options)
    rows = {row[0]: row for row in (
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in (work / 'runs.md').read_text().splitlines() if line.startswith('| '))}
    assert rows['base'][-1] == '0 1' and rows['summed'][-1] == '1'
    assert rows['base'][5] == '+0.00 ± 0.00'
    figures = finished_runs(work, ['base', 'summed'])
    # of the same seed, not of the mean over both
    apart = figures['summed'][1]['mIoU'] - figures['base'][1]['mIoU']
    assert rows['summed'][5] == f'{apart:+.2f}' and rows['summed'][3] in out
    assert set(figures['base']) == {0, 1} and figures['base'][0]['minutes'] > 0


def test_every_change_and_seed_is_a_run_of_its_own(plan, tmp_path):
    found = read_plan(plan, tmp_path / 'work', [0, 7])
    assert [(each.name, each.seed) for each in found] == [
        ('base', 0), ('base', 7), ('summed', 0), ('summed', 7)]
    assert len({each.work_dir for each in found}) == 4
    assert [each.config.optim_wrapper.optimizer.lr == 0.5 for each in found] == [
        False, False, True, True]
    assert found[3].config.randomness.seed == 7
    assert [each.name for each in read_plan(plan, tmp_path, only=['summed'])] == ['summed']


def test_a_run_that_starts_from_another(plan, tmp_path):
    """From the best weights of the same seed, and not before they are there."""
    plan.write_text(PLAN + "after = dict(summed='base')\n")
    args = TOOL, plan, '--work-dir', tmp_path / 'work', '--seeds', 3, '--cfg-options', (
        'train_cfg.max_iters=2'), 'train_cfg.val_interval=2'
    done = run_tool(*args, '--only', 'summed')
    assert done.code == 2 and 'base/seed3, where there is no checkpoint' in done.err
    succeed(*args)
    trained = Config.fromfile(tmp_path / 'work/summed/seed3/summed.py')
    assert trained.load_from == str(next(tmp_path.glob('work/base/seed3/best_*.pth')))


def test_a_run_that_fails_leaves_the_others(plan, tmp_path, monkeypatch):
    def fail(title, *args):
        raise RuntimeError(f'{title}: training ended with exit code 1')

    monkeypatch.setattr(experiments, 'run_to_its_end', fail)
    done = run_tool(TOOL, plan, '--work-dir', tmp_path / 'work')
    assert done.code == 2 and 'run 1 of 2, base: training ended' in done.err


@pytest.mark.parametrize('text, args, words', [
    (None, [], "there is no plan '"),
    ("config = 'tiny.py'", [], 'has no changes'),
    ('changes = dict()', [], 'has no config'),
    (PLAN + "after = dict(base='summed')", [], "'base' after 'summed': expected a change"),
    (PLAN + "after = dict(bsae='base')", [], "'bsae' after 'base': expected a change"),
    (PLAN, ['--only', 'bsae'], "has no change 'bsae', but base, summed"),
])
def test_bad_plans(plan, tmp_path, text, args, words):
    path = tmp_path / 'none.py' if text is None else write_config(tmp_path, text, 'bad.py')
    done = run_tool(TOOL, path, '--work-dir', tmp_path / 'work', *args)
    assert done.code == 2 and done.err.startswith('error: ') and words in done.err
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize('path', sorted((CONFIGS / 'experiments').glob('*.py')),
                         ids=lambda path: path.stem)
def test_every_change_of_the_plans_changes_something(path, tmp_path):
    found = {each.name: each for each in read_plan(path, tmp_path)}
    texts = {name: each.config.pretty_text for name, each in found.items()}
    assert len({(texts[name], each.after) for name, each in found.items()}) == len(texts) >= 8
    if 'no_averaging' in found:
        assert not found['no_averaging'].config.custom_hooks
    # read back as it is trained
    for name, text in texts.items():
        assert Config.fromstring(text, '.py').model == found[name].config.model


@pytest.mark.parametrize('plan', ['camvid_300', 'camvid_vgg16_300'])
def test_every_network_of_the_plans_is_built_and_learns(plan, tmp_path):
    for each in read_plan(CONFIGS / f'experiments/{plan}.py', tmp_path):
        model = each.config.model
        model.backbone.init_cfg = None
        if model.backbone.get('fc_channels') == 4096:
            model.backbone.fc_channels = 32
            model.decode_head.in_channels = (256, 512, 32)
        init_default_scope('mmseg')
        network = MODELS.build(model)
        sample = SegDataSample(metainfo=dict(img_shape=(64, 96)))
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, 64, 96, dtype=torch.int64))
        data = network.data_preprocessor(dict(
            inputs=[torch.zeros(3, 64, 96, dtype=torch.uint8)] * 2, data_samples=[sample] * 2),
            True)
        losses = network(**data, mode='loss')
        assert torch.isfinite(sum(value for name, value in losses.items() if 'loss' in name))
        Compose(each.config.train_dataloader.dataset.pipeline)
