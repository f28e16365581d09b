"""Plans of runs that differ in one thing each."""
import json
import shutil
import sys
from unittest import mock

import numpy as np
import pytest
import torch
from experimenting import Plan, finished_runs, loss_curve, run_plan
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from tiny_runs import CONFIGS, run_tool, succeed, write_config

from fcn_plugin.checkpoints.work_dir import keep_settings

TOOL = 'analysis_tools/run_experiments.py'
PLAN = """
config = 'tiny.py'
changes = dict(
    base=dict(),
    summed={'model.decode_head.loss_decode.type': 'CrossEntropyLoss',
            'optim_wrapper.optimizer.lr': 0.5})
"""
# A train.py that does nothing, or fails: its exit code is all there is to it.
NOTHING, FAILS = 'raise SystemExit(0)', 'raise SystemExit(3)'


@pytest.fixture
def plan(tmp_path):
    write_config(tmp_path)
    return write_config(tmp_path, PLAN, 'plan.py')


@pytest.fixture
def work(tmp_path):
    return tmp_path / 'work'


TWO_STEPS = '--cfg-options', 'train_cfg.max_iters=2'


@pytest.fixture(scope='module')
def folder(forked_python, tmp_path_factory):
    """The folder of a plan whose runs the tool has trained, and what it said."""
    folder = tmp_path_factory.mktemp('runs')
    write_config(folder)
    path = write_config(folder, PLAN, 'plan.py')
    with mock.patch.object(sys, 'executable', str(forked_python)):
        return folder, succeed(TOOL, path, '--work-dir', folder / 'work', *TWO_STEPS)


@pytest.fixture
def trained_runs(folder, plan, work, soon_trained):
    """Those runs in the work dir of this test; what the tool said."""
    shutil.copytree(folder[0] / 'work', work)
    for path in work.glob('*/*/last_checkpoint'):
        path.write_text(str(path.with_name('iter_2.pth')))
    return folder[1]


def finish(run, step=4, **figures):
    """Writes what a finished training of a run leaves in its work dir."""
    keep_settings(run.work_dir, run.settings)
    name = f'best_mIoU_iter_{step}.pth'
    for file in (name, f'iter_{step}.pth'):
        torch.save(dict(meta=dict(iter=step), state_dict={}), run.work_dir / file)
    (run.work_dir / 'last_checkpoint').write_text(f'/elsewhere/iter_{step}.pth')
    scalars = run.work_dir / '20260101_000000/vis_data/scalars.json'
    scalars.parent.mkdir(parents=True)
    lines = [dict(loss=1., time=0.5, step=1), dict(figures, step=step)]
    scalars.write_text('\n'.join(map(json.dumps, lines if figures else lines[:1])))


def rows(work):
    """The cells of runs.md by the name of the change, and the lines below."""
    lines = (work / 'runs.md').read_text().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip('|').split('|')]
             for line in lines if line.startswith('|') and ':--' not in line]
    return ({row[0]: dict(zip(cells[0][1:], row[1:])) for row in cells[1:]},
            [line for line in lines if line and not line.startswith('|')])


def compared(plan, work, tmp_path, **given):
    """The table where nothing is left to train."""
    run_plan(plan, work, write_config(tmp_path, FAILS, 'train.py'), **given)
    return rows(work)


def figures(value):
    return dict(aAcc=value, mAcc=value, mIoU=value, fwIoU=value)


def test_runs_are_trained_compared_and_not_repeated(plan, work, trained_runs):
    table, notes = rows(work)
    assert list(table) == ['base', 'summed'] and table['base']['difference'] == '+0.00'
    assert float(table['base']['minutes']) >= 0 and not notes
    trained = Config.fromfile(work / 'summed/seed0/summed.py')  # what train.py wrote
    assert trained.optim_wrapper.optimizer.lr == 0.5 and trained.train_cfg.max_iters == 2
    assert (work / 'runs.md').read_text().partition('\n\n')[2].strip() in trained_runs
    assert all((work / name).stat().st_size > 1000 for name in ('runs.png', 'losses.png'))
    again = succeed(TOOL, plan, '--work-dir', work, *TWO_STEPS)
    assert again.count('finished already') == 2 and rows(work)[0] == table
    # of four iterations, as the config says, these are not; nothing is trained or lost
    before = (work / 'runs.md').read_text()
    done = run_tool(TOOL, plan, '--work-dir', work)
    assert done.code == 2 and 'train_cfg.max_iters was 2 and is 4 now' in done.err
    assert str(work / 'base/seed0') in done.err and '--work-dir' in done.err
    assert (work / 'base/seed0/iter_2.pth').is_file()
    assert (work / 'runs.md').read_text() == before


def test_a_run_that_was_cut_off_in_its_last_validation_goes_on(plan, work, trained_runs):
    """The last checkpoint is there before the last figures are."""
    expected = rows(work)[0]['base']['mIoU']
    scalars, = work.glob('base/seed0/*/vis_data/scalars.json')
    lines = [line for line in scalars.read_text().splitlines() if 'mIoU' not in line]
    scalars.write_text('\n'.join(lines) + '\n')
    checkpoint = work / 'base/seed0/iter_2.pth'
    found = torch.load(checkpoint, weights_only=True)
    for key in ('validated_iter', 'best_score', 'best_ckpt'):
        del found['message_hub']['runtime_info'][key]
    torch.save(found, checkpoint)
    out = succeed(TOOL, plan, '--work-dir', work, '--only', 'base', *TWO_STEPS)
    assert 'finished already' not in out and rows(work)[0]['base']['mIoU'] == expected


def test_a_run_that_starts_from_another(plan, work, trained_runs):
    """From the best weights of the same seed, and not before they are there."""
    plan.write_text(PLAN + "after = dict(summed='base')\n")
    args = TOOL, plan, '--work-dir', work, *TWO_STEPS
    base = Plan(plan, work, ['--launcher', 'none'], ['train_cfg.max_iters=2']).run('base', 3)
    finish(base, 1, **figures(50.))  # cut off
    done = run_tool(*args, '--only', 'summed', '--seeds', 3)
    assert done.code == 2 and 'base/seed3, where no run is finished' in done.err
    shutil.rmtree(work / 'summed')  # it started from nothing
    assert succeed(*args).count('finished already') == 1
    trained = Config.fromfile(work / 'summed/seed0/summed.py')
    assert trained.load_from == str(next(work.glob('base/seed0/best_*.pth')))
    # what it starts from is a part of what it is
    plan.write_text(plan.read_text().replace('base=dict()', "base={'custom_hooks.0.a': 1}")
                    .replace('config =', 'custom = 1\nconfig ='))
    write_config(plan.parent, (plan.parent / 'tiny.py').read_text()
                 + "custom_hooks = [dict(type='FiniteLossHook')]\n")
    done = run_tool(*args, '--only', 'summed')
    assert done.code == 2 and 'summed/seed0' in done.err


def test_a_loss_is_averaged_where_it_stands_and_time_is_the_usual_one():
    lines = [dict(loss=float(step), step=step, time=100. if step == 7 else 3.)
             for step in range(1, 41)]
    steps, minutes, losses = loss_curve([*lines, dict(mIoU=50., step=40)])
    assert len(steps) == 36 and steps[0] == 3
    np.testing.assert_allclose(losses, steps)
    np.testing.assert_allclose(minutes, steps * 3 / 60)


# --- what is compared with what ---------------------------------------------------------


def test_minutes_are_of_the_usual_step_and_figures_of_the_last_validation(plan, work):
    """Of which the log may lack the end, where a disk was full."""
    run = Plan(plan, work, options=['randomness.deterministic=True']).run('base', 3)
    assert run.config.randomness == dict(seed=3, deterministic=True)
    finish(run, **figures(7.))
    scalars, = run.work_dir.glob('*/vis_data/scalars.json')
    lines = [dict(loss=1., time=time, step=i) for i, time in enumerate((0.5, 9., 0.5), 1)]
    for end, found in ((4, figures(7.)), (2, {})):
        judged = dict(figures(7.), step=end)
        scalars.write_text('\n'.join(map(json.dumps, [*lines, judged])))
        (done, ), = (runs.values() for runs in finished_runs([run])[0].values())
        assert done.pop('minutes') == pytest.approx(0.5 * 4 / 60)
        assert {key: done.get(key) for key in found} == found and bool(done) == bool(found)
        torch.save(dict(meta=dict(iter=4), state_dict={}, message_hub=dict(
            runtime_info=dict(validated_iter=4))), run.work_dir / 'iter_4.pth')


def test_the_table_holds_every_finished_run_of_the_plan(plan, work, tmp_path):
    read = Plan(plan, work)
    for name, seed, value in (('base', 0, 50.), ('base', 1, 60.), ('summed', 1, 63.)):
        finish(read.run(name, seed), **figures(value))
    finish(read.run('summed', 5), step=3, **figures(1.))  # cut off
    (work / 'base/seed07').mkdir()  # no name that this gives
    table, notes = compared(plan, work, tmp_path, seeds=[1], only=['summed'])
    assert table['base'] == {
        **dict.fromkeys(('aAcc', 'mAcc', 'mIoU', 'fwIoU'), '55.00 ± 5.00'),
        'difference': '+0.00 ± 0.00', 'minutes': '0.0', 'seeds': '0 1'}
    # of the same seed, not of the mean over both
    assert table['summed']['difference'] == '+3.00' and table['summed']['seeds'] == '1'
    assert not notes


def test_differences_are_from_the_plan_s_first_change_alone(plan, work, tmp_path):
    """Whichever runs are finished first."""
    read = Plan(plan, work)
    finish(read.run('summed', 0), **figures(63.))
    table, notes = compared(plan, work, tmp_path, only=['summed'])
    assert table['summed']['mIoU'] == '63.00' and table['summed']['difference'] == ''
    assert notes == ['No differences: no run of base, which the others are compared with, is '
                     'finished.']
    finish(read.run('base', 1), **figures(50.))
    table, notes = compared(plan, work, tmp_path, only=['summed'])
    assert table['summed']['difference'] == ''
    assert notes == ['No difference of summed: no seed with a mean IoU of it and of base.']


def test_a_run_of_another_plan_is_none_of_this_one(plan, work, tmp_path):
    """A plan that was changed since is not finished by what it ran before."""
    read = Plan(plan, work)
    for run in read.runs([0, 1]):
        finish(run, **figures(50.))
    kept = {path: path.read_bytes() for path in work.rglob('*') if path.is_file()}
    plan.write_text(PLAN.replace('0.5', '0.25'))
    tool = write_config(tmp_path, FAILS, 'train.py')
    with pytest.raises(ValueError, match=r'optimizer.lr was 0.5 and is 0.25 now.*Move or '
                       r'delete those folders.*--work-dir'):
        run_plan(plan, work, tool, [0, 1])
    assert kept == {path: path.read_bytes() for path in work.rglob('*') if path.is_file()}
    table, notes = compared(plan, work, tmp_path, only=['base'])
    assert list(table) == ['base'] and len(notes) == 2
    assert notes[0].startswith('Left out, made with other settings: summed, seed 0 (')
    with pytest.raises(ValueError, match="arguments was .* and is '?--amp"):
        run_plan(plan, work, tool, only=['base'], arguments=['--amp'])
    (work / 'base/seed0/settings.json').unlink()
    with pytest.raises(ValueError, match='has no settings.json'):
        run_plan(plan, work, tool, only=['base'])


def test_a_run_without_a_checkpoint_is_begun_with_the_settings_of_now(plan, work, tmp_path):
    """One that diverged at once leaves its bad step alone."""
    run = Plan(plan, work).run('summed', 0)
    keep_settings(run.work_dir, run.settings)
    for name in ('bad_step.pth', 'iter_4.part.pth'):
        (run.work_dir / name).write_bytes(b'')
    plan.write_text(PLAN.replace('0.5', '0.25'))
    with pytest.raises(RuntimeError, match='training ended with exit code 3'):
        run_plan(plan, work, write_config(tmp_path, FAILS, 'train.py'), only=['summed'])
    assert json.loads((run.work_dir / 'settings.json').read_text())[
        'optim_wrapper.optimizer.lr'] == '0.25'


def test_what_does_not_change_a_run_may_change(plan, work, tmp_path):
    finish(Plan(plan, work).run('base', 0), **figures(50.))
    table, _ = compared(plan, work, tmp_path, only=['base'], options=[
        'train_dataloader.num_workers=1', 'default_hooks.logger.interval=9',
        'test_dataloader.batch_size=1', 'log_level=WARNING'])
    assert table['base']['mIoU'] == '50.00'


def test_figures_that_are_no_number_or_not_there(plan, work, tmp_path):
    read = Plan(plan, work)
    finish(read.run('base', 0), **figures(float('nan')))
    finish(read.run('base', 1), **figures(50.))
    finish(read.run('summed', 0), mIoU=60.)
    finish(read.run('summed', 1), **figures(70.))
    log, = (work / 'summed/seed1').glob('*/vis_data/scalars.json')
    log.unlink()  # a checkpoint and no log
    table, notes = compared(plan, work, tmp_path, seeds=[0, 1])
    assert table['base']['mIoU'] == table['base']['difference'] == 'nan'
    assert (table['summed']['mIoU'], table['summed']['aAcc']) == ('60.00', '')
    assert table['summed']['seeds'] == '0 1'
    assert notes == ['No figure in the log of summed, seed 1.']
    done, left_out = finished_runs(read.runs([0, 1]))
    assert 'minutes' not in done['summed'][1] and not left_out


def test_every_change_and_seed_is_a_run_of_its_own(plan, work):
    found = Plan(plan, work).runs([0, 7, 0])
    assert [(each.name, each.seed) for each in found] == [
        ('base', 0), ('base', 7), ('summed', 0), ('summed', 7)]
    assert len({each.work_dir for each in found}) == 4
    assert [each.config.optim_wrapper.optimizer.lr == 0.5 for each in found] == [
        False, False, True, True]
    assert found[3].config.randomness.seed == 7
    assert [each.name for each in Plan(plan, work).runs(only=['summed'])] == ['summed']


def test_every_seed_of_a_change_is_trained_alike(plan, work):
    """What replaces a part of the config does so for each of them."""
    plan.write_text(PLAN.replace("lr': 0.5", "lr': 0.5, 'optim_wrapper.optimizer': dict("
                                 "_delete_=True, type='SGD', lr=0.5)"))
    first, second = (run.settings for run in Plan(plan, work).runs([0, 1], ['summed']))
    assert {key for key in {**first, **second} if first.get(key) != second.get(key)} == {
        'randomness.seed'}
    assert 'optim_wrapper.optimizer.weight_decay' not in {**first, **second}


@pytest.mark.parametrize('text, words', [
    (FAILS, 'run 1 of 2, base: training ended with exit code 3'),
    (NOTHING, 'base/seed0 holds no checkpoint of iteration 4'),
])
def test_a_run_that_fails_leaves_the_others(plan, work, tmp_path, text, words):
    finish(Plan(plan, work).run('summed', 0), **figures(50.))
    with pytest.raises(RuntimeError, match=words):
        run_plan(plan, work, write_config(tmp_path, text, 'train.py'))
    assert (work / 'summed/seed0/iter_4.pth').is_file()


@pytest.mark.parametrize('text, args, words', [
    (None, [], "there is no plan '"),
    ("config = 'tiny.py'", [], 'has no changes'),
    ("config = 'tiny.py'\nchanges = dict()", [], 'has no changes'),
    ('changes = dict(base=dict())', [], 'has no config'),
    ("config = 'tiny.py'\nchanges = {'../base': {}}", [], "'../base' = {}: expected the name"),
    ("config = 'tiny.py'\nchanges = dict(base=None)", [], "'base' = None: expected the name"),
    (PLAN.replace('optim_wrapper.optimizer.lr', 'train_pipeline.9.prob'), [],
     "the change 'summed' does not fit the config"),
    (PLAN + "after = dict(base='summed')", [], "'base' after 'summed': expected a change"),
    (PLAN + "after = dict(bsae='base')", [], "'bsae' after 'base': expected a change"),
    (PLAN, ['--only', 'bsae'], "has no change 'bsae', but base, summed"),
    (PLAN, ['--seeds', '-1'], '--seeds: -1, expected 0 to'),
    (PLAN, ['--cfg-options', 'val_cfg=None', 'val_dataloader=None', 'val_evaluator=None'],
     "'base': the run does not end with a validation"),
    (PLAN, ['--cfg-options', 'train_cfg.val_begin=9'], 'does not end with a validation'),
    (PLAN, ['--cfg-options', 'train_cfg.max_iters=None'], 'train_cfg.max_iters is None'),
    (PLAN.replace('base=dict()', "base=dict(train_cfg=dict(_delete_=True, by_epoch=True, "
                  "max_epochs=2))"), ['--only', 'summed'], 'train_cfg.max_iters is None'),
])
def test_bad_plans(plan, work, tmp_path, text, args, words):
    path = tmp_path / 'none.py' if text is None else write_config(tmp_path, text, 'bad.py')
    done = run_tool(TOOL, path, '--work-dir', work, *args)
    assert done.code == 2 and done.err.startswith('error: ') and words in done.err
    assert not work.exists()


# --- the plans of the project -----------------------------------------------------------


@pytest.mark.parametrize('path', sorted((CONFIGS / 'experiments').glob('*.py')),
                         ids=lambda path: path.stem)
def test_every_change_of_the_plans_changes_something(path, tmp_path):
    found = {each.name: each for each in Plan(path, tmp_path).runs()}
    # not laid out by yapf, which takes a second for each
    texts = {name: Config(each.config.to_dict(), format_python_code=False).pretty_text
             for name, each in found.items()}
    assert len({tuple(each.settings.items()) for each in found.values()}) == len(texts) >= 3
    if 'no_averaging' in found:
        assert not found['no_averaging'].config.custom_hooks
    # read back as it is trained
    for name, text in texts.items():
        assert Config.fromstring(text, '.py').model == found[name].config.model


@pytest.mark.parametrize('plan', ['camvid_300', 'camvid_vgg16_300', 'voc12_vgg16'])
def test_every_network_of_the_plans_is_built_and_learns(plan, tmp_path):
    for each in Plan(CONFIGS / f'experiments/{plan}.py', tmp_path).runs():
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
