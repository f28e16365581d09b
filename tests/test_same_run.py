"""The same run in one, two and three processes, and gone on with in another number."""
import itertools
import json
import os
import sys
from hashlib import sha256

import pytest
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmseg.registry import HOOKS
from tiny_runs import SHAPES, run_tool, write_config

STEPS, BATCH = 6, 6
BOUND = 5e-6  # of the largest weight of a tensor; 7e-7 was measured
# Everything random but dropout, which draws for a batch; no batch norm; and a loss that weighs
# pixels alike, some of which do not count.
CONFIG = SHAPES.replace('param_scheduler = []', """
param_scheduler = [dict(type='PolyLR', eta_min=0, power=0.9, begin=0, end=6, by_epoch=False)]
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.05, momentum=0.9))
train_dataloader['dataset']['pipeline'] = [
    dict(type='RandomResize', scale=(40, 40), ratio_range=(0.6, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(32, 32)), dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'), dict(type='PackSegInputs')]
model['data_preprocessor'] = dict(size=(32, 32))
model['backbone']['norm_cfg'] = dict(type='GN', num_groups=4, requires_grad=True)
model['decode_head'].update(dropout_ratio=0, loss_decode=dict(
    _delete_=True, type='CrossEntropyLoss', avg_non_ignore=False))
val_dataloader = val_cfg = val_evaluator = None
test_dataloader = test_cfg = test_evaluator = None
custom_hooks = [dict(type='SeenHook')]
""").replace('max_iters=4, val_interval=2', f'max_iters={STEPS}').replace(
    'checkpoint=dict(interval=1)', 'checkpoint=dict(interval=1, max_keep_ckpts=99)')
ports = itertools.count(28600 + os.getpid() % 900)


class SeenHook(Hook):
    """Writes, for each step, what each image and its mask were as the network sees them."""

    def before_train(self, runner):
        self.seen = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.seen[runner.iter] = [
            sha256(image.numpy().tobytes() + sample.gt_sem_seg.data.numpy().tobytes()
                   ).hexdigest()[:16]
            for image, sample in zip(data_batch['inputs'], data_batch['data_samples'])]

    def after_train(self, runner):
        name = f'seen_{os.environ.get("PART", "")}_{get_rank()}.json'
        with open(os.path.join(runner.work_dir, name), 'w') as file:
            json.dump(self.seen, file)


def train(part, rank, count, port, config, work, *options):
    """One of the processes of a run."""
    torch.set_num_threads(1)
    HOOKS.register_module(module=SeenHook, force=True)
    os.environ.update(PART=part, RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(count),
                      MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    launcher = ['--launcher', 'pytorch'] if count > 1 else []
    done = run_tool('train.py', config, '--work-dir', work, *launcher, *options)
    print(done.err, file=sys.stderr)
    sys.stderr.flush()
    os._exit(done.code)


def run(processes, part, count, folder, config, batch, *options):
    """Trains in so many processes; what each step saw, in all of them."""
    port = next(ports)
    started = [processes.Process(target=train, args=(
        part, rank, count, port, config, folder / 'work', *options, '--cfg-options',
        f'train_dataloader.batch_size={batch}')) for rank in range(count)]
    for process in started:
        process.start()
    for process in started:
        process.join(300)
    assert [process.exitcode for process in started] == [0] * count
    seen = [json.loads((folder / 'work' / f'seen_{part}_{rank}.json').read_text())
            for rank in range(count)]
    # Processes take turns: the first image of each, then the second of each.
    return {int(step): [one for turn in zip(*(each[step] for each in seen)) for one in turn]
            for step in seen[0]}


@pytest.fixture(scope='module')
def runs(processes, tmp_path_factory):
    """Folder and what each step saw, by the number of processes."""
    found = {}
    for count in (1, 2, 3):
        folder = tmp_path_factory.mktemp(f'in_{count}')
        config = write_config(folder, CONFIG)
        found[count] = folder, run(processes, 'whole', count, folder, config, BATCH // count)
    return found


def weights(folder, step=STEPS):
    return torch.load(folder / 'work' / f'iter_{step}.pth', weights_only=True)


def furthest(one, other):
    """The largest difference of weights, against the largest weight of their tensor."""
    one, other = one['state_dict'], other['state_dict']
    assert one.keys() == other.keys()
    return max(float((value - other[key]).abs().max() / value.abs().max().clamp(min=1e-3))
               for key, value in one.items())


def test_each_step_sees_the_same_images_with_the_same_augmentation(runs):
    expected = runs[1][1]
    assert list(expected) == list(range(STEPS))
    assert len({one for step in expected.values() for one in step}) == STEPS * BATCH
    for _, seen in runs.values():
        assert seen == expected


def test_weights_agree_to_rounding(runs):
    alone = weights(runs[1][0])
    assert furthest(weights(runs[1][0], 1), alone) > 1e-2, 'nothing was learnt'
    for count in (2, 3):
        assert furthest(alone, weights(runs[count][0])) < BOUND


@pytest.mark.parametrize('before, after, batch', [(2, 3, 2), (3, 1, 6), (2, 1, 3)])
def test_another_number_of_processes_goes_on_with_the_images_that_are_left(
        processes, runs, tmp_path, before, after, batch):
    """The same steps where the batch is the same in all; else the same order in others."""
    folder, seen = runs[before]
    work = tmp_path / 'work'
    work.mkdir()
    (work / 'iter_3.pth').write_bytes((folder / 'work' / 'iter_3.pth').read_bytes())
    (work / 'last_checkpoint').write_text(str(work / 'iter_3.pth'))
    config = write_config(tmp_path, CONFIG)
    rest = run(processes, 'rest', after, tmp_path, config, batch, '--resume')
    order = [one for step in range(3, STEPS) for one in seen[step]]
    found = [one for step in rest.values() for one in step]
    assert list(rest) == list(range(3, STEPS))
    assert found == order[:len(found)] and len(found) == 3 * batch * after
    end = torch.load(work / f'iter_{STEPS}.pth', weights_only=True)
    assert end['meta']['images'] == 3 * BATCH + len(found)
    if batch * after == BATCH:
        assert furthest(weights(folder), end) < BOUND
