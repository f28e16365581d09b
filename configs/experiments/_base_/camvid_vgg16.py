# FCN-8s on VGG16 with narrow conv6 and conv7: all of it trained, on crops of full size, with
# the small network's augmentation, class weights and averaging. For a GPU.
_base_ = '../../fcn/fcn-8s_vgg16-lean_1xb4-1600_camvid-240x320.py'
batch_size = 8
max_iters = 8000
crop_size = (360, 480)

model = dict(
    backbone=dict(frozen_stages=-1),
    decode_head=dict(
        loss_decode=dict(
            class_weight=[
                0.53, 0.45, 2.19, 0.39, 1.00, 0.65, 1.96, 1.40, 0.89, 2.52, 2.98
            ])))
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
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=1000)
default_hooks = dict(checkpoint=dict(interval=1000))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.005, update_buffers=True)
]
