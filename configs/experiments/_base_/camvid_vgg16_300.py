# The same cut to what two CPU cores do in about ten minutes.
_base_ = './camvid_vgg16.py'
batch_size = 4
max_iters = 300
crop_size = (240, 320)

model = dict(backbone=dict(frozen_stages=2))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.6, 1.6), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion', brightness_delta=48, contrast_range=(0.4, 1.6),
         saturation_range=(0.4, 1.6), hue_delta=18),
    dict(type='PackSegInputs')
]
train_dataloader = dict(batch_size=batch_size, dataset=dict(pipeline=train_pipeline))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=30, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=30, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=150))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.02, update_buffers=True)
]
