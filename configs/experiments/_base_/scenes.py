# Drawn scenes in colour at 128x128, five kinds of surfaces of which depth tells three, on the
# small network: a minute or two on a CPU core.
_base_ = [
    '../../_base_/models/fcn-8s_r18-half.py', '../../_base_/schedules/schedule_shapes.py',
    '../../_base_/default_runtime.py'
]
inputs = ('colour', )
max_iters = 240
pipeline = [dict(type='RandomFlip', prob=0.5), dict(type='PackTasks')]
test_pipeline = [dict(type='PackTasks')]
model = dict(decode_head=dict(num_classes=5))
train_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='ScenesDataset', split='train', length=20000, image_size=128, inputs=inputs,
        pipeline=pipeline))
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ScenesDataset', split='val', length=60, image_size=128, inputs=inputs,
        pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ScenesDataset', split='test', length=200, image_size=128, inputs=inputs,
        pipeline=test_pipeline))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=30, by_epoch=False),
    dict(type='CosineAnnealingLR', eta_min=0, begin=30, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=max_iters))
