"""A run that draws all its random numbers, and what it leaves behind however it went."""
import json
from pathlib import Path

import torch
from tiny_runs import SHAPES

STEPS, SAVED, JUDGED = 13, 3, 4
# Whatever draws random numbers: order, crops, flips, colours, dropout.
RANDOM = SHAPES.replace('param_scheduler = []', """
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=4, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=4, end=13, by_epoch=False)]
optim_wrapper = dict(optimizer=dict(_delete_=True, type='SGD', lr=0.02, momentum=0.9))
train_dataloader['dataset']['pipeline'] = [
    dict(type='RandomResize', scale=(40, 40), ratio_range=(0.9, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(32, 32), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5), dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')]
model['decode_head']['dropout_ratio'] = 0.5
test_dataloader = test_cfg = test_evaluator = None""").replace(
    'max_iters=4, val_interval=2', f'max_iters={STEPS}, val_interval={JUDGED}').replace(
        'checkpoint=dict(interval=1)', f'checkpoint=dict(interval={SAVED})')


def whole(work):
    """The numbers of the checkpoints that can be read."""
    found = []
    for path in work.glob('iter_*.pth'):
        if '.part' not in path.name:
            torch.load(path, weights_only=True)
            found.append(int(path.stem[5:]))
    return sorted(found)


def plain(value):
    """Without what a clock, a folder or git says; tensors as what equality compares."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()
                if not any(word in str(key)
                           for word in ('time', 'cfg', 'memory', 'experiment', 'version'))}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.numpy().tobytes()
    if hasattr(value, '_log_history'):  # HistoryBuffer
        return value._log_history.tolist()
    return Path(value).name if isinstance(value, str) else value


def outcome(work):
    """Everything that a run leaves behind: checkpoints, the best one, the log."""
    found = {path.name: plain(torch.load(path, weights_only=True))
             for path in work.glob('*.pth')}
    log = {}
    for path in sorted(work.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # the process was killed while it wrote the line
                continue
            key = entry['step'], 'mIoU' in entry
            log[key] = {name: entry[name] for name in ('loss', 'lr', 'mIoU', 'aAcc')
                        if name in entry}
    return found, log


def same(found, expected):
    assert found[0].keys() == expected[0].keys()
    for name, content in expected[0].items():
        for part, value in content.items():
            assert found[0][name][part] == value, (name, part)
    assert found[1] == expected[1]
