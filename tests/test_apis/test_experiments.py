"""Plans of runs that differ in one thing each."""
import re

import pytest
from mmengine.config import Config
from tiny_runs import CONFIGS, run_tool, succeed, write_config

from fcn_plugin.apis import experiments
from fcn_plugin.apis.experiments import read_plan

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


def test_every_change_and_seed_is_a_run_of_its_own(plan, tmp_path):
    found = read_plan(plan, tmp_path / 'work', [0, 7])
    assert [(each.name, each.seed) for each in found] == [
        ('base', 0), ('base', 7), ('summed', 0), ('summed', 7)]
    assert len({each.work_dir for each in found}) == 4
    assert [each.config.optim_wrapper.optimizer.lr == 0.5 for each in found] == [
        False, False, True, True]
    assert found[3].config.randomness.seed == 7
    assert [each.name for each in read_plan(plan, tmp_path, only=['summed'])] == ['summed']


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
    found = {each.name: each.config for each in read_plan(path, tmp_path)}
    texts = {name: config.pretty_text for name, config in found.items()}
    assert len(set(texts.values())) == len(texts) >= 12
    assert not found['no_averaging'].custom_hooks
    # read back as it is trained
    for name, text in texts.items():
        assert Config.fromstring(text, '.py').model == found[name].model
