# A small network for streets, in 82 minutes on two CPU cores: crops of half the size,
# bfloat16; evaluated at the full 360x480.
#   python tools/train.py \
#       configs/fcn/fcn-4s_efficientnet-lite0-fpn_1xb8-2400_camvid-240x320.py --amp
_base_ = [
    '../_base_/models/fcn-4s_efficientnet-lite0-fpn.py',
    '../_base_/datasets/camvid_360x480.py', '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py'
]
batch_size = 8
lr = 1e-3
max_iters = 2400
crop_size = (240, 320)

model = dict(
    decode_head=dict(
        num_classes=11,
        loss_decode=dict(
            type='CrossEntropyLoss',
            avg_non_ignore=True,
            # the root of median frequency balancing: all of it finds poles everywhere
            class_weight=[
                0.53, 0.45, 2.19, 0.39, 1.00, 0.65, 1.96, 1.40, 0.89, 2.52, 2.98
            ])))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.6, 1.6), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    # wide, for light that the training images lack; then, now and then, a poor focus and a
    # dark sensor: on half of the images each, they cost 1.5 mIoU on images as taken
    dict(type='PhotoMetricDistortion', brightness_delta=48, contrast_range=(0.4, 1.6),
         saturation_range=(0.4, 1.6), hue_delta=18),
    dict(type='mmpretrain.GaussianBlur', magnitude_range=(0.2, 2.), magnitude_std='inf',
         prob=0.25),
    dict(type='RandomLowLight', prob=0.25, max_stops=3., max_noise=8.),
    dict(type='PackSegInputs')
]
train_dataloader = dict(batch_size=batch_size, dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=lr, weight_decay=0.02),
    # what starts anew may learn faster than what comes from ImageNet
    paramwise_cfg=dict(norm_decay_mult=0, custom_keys=dict(backbone=dict(lr_mult=0.5))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=400)
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=200))
# weights averaged over about the last 200 iterations are what is judged and kept
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.005, update_buffers=True)
]
