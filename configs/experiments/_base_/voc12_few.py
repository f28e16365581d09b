# A small network on few images of VOC, by the recipe that fcn train FOLDER writes, at half the
# size and in few iterations. See tools/analysis_tools/suggest_curve.py.
_base_ = [
    '../../_base_/models/fcn-8s_efficientnet-lite0.py',
    '../../_base_/datasets/voc12_224x224.py', '../../_base_/schedules/schedule_20k.py',
    '../../_base_/default_runtime.py'
]
batch_size = 8
lr = 7e-4
max_iters = 150
scale = (256, 256)  # the longer side: VOC's own is 500
crop_size = (192, 192)

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=scale, ratio_range=(0.6, 1.4), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='PackSegInputs')
]
train_dataloader = dict(batch_size=batch_size, num_workers=1,
                        dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(num_workers=1, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
# cuDNN's search takes half a minute or more in this layout (NVIDIA H100), and gains nothing.
env_cfg = dict(cudnn_benchmark=False)
model = dict(
    channels_last=True,
    decode_head=dict(num_classes=21),
    test_cfg=dict(rescale=False))  # judged at the size that the network sees
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=lr, weight_decay=0.01),
    paramwise_cfg=dict(_delete_=True, custom_keys=dict(decode_head=dict(lr_mult=10))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=20, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=20, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(logger=dict(interval=20),
                     checkpoint=dict(interval=max_iters, max_keep_ckpts=1))
