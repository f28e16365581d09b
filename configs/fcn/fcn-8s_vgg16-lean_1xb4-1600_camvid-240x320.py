# CamVid within an hour on two CPU cores: narrow conv6 and conv7, crops of half the size,
# bfloat16; evaluated at the full 360x480.
#   python tools/train.py configs/fcn/fcn-8s_vgg16-lean_1xb4-1600_camvid-240x320.py --amp
_base_ = [
    '../_base_/models/fcn-8s_vgg16-caffe-lean.py', '../_base_/datasets/camvid_360x480.py',
    '../_base_/schedules/schedule_20k.py', '../_base_/default_runtime.py'
]
batch_size = 4
lr = 1e-4
max_iters = 1600
crop_size = (240, 320)

model = dict(
    # Half of a step's time goes into the two finest stages, whose ImageNet filters serve
    # as they are.
    backbone=dict(frozen_stages=2),
    decode_head=dict(num_classes=11))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.6, 1.6), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
train_dataloader = dict(batch_size=batch_size, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=lr, weight_decay=0.01),
    # what starts anew may learn faster than what comes from ImageNet
    paramwise_cfg=dict(custom_keys={
        'backbone.conv6': dict(lr_mult=5),
        'backbone.conv7': dict(lr_mult=5),
        'decode_head': dict(lr_mult=10),
    }))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=50, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=50, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=400)
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=400))
