# Objects in everyday photographs with 5.0 M parameters: crops of 256x256 out of images whose
# longer side is 200 to 650 pixels; evaluated at 425, the mean of these, so that photographs of
# any size show objects as large as those it was trained on.
#   python tools/train.py \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn_1xb16-3200_voc12-256x256.py --amp
_base_ = [
    '../_base_/models/fcn-4s_efficientnet-lite2-fpn.py',
    '../_base_/datasets/voc12_512x512.py', '../_base_/schedules/schedule_20k.py',
    '../_base_/default_runtime.py'
]
batch_size = 16
lr = 1e-3
max_iters = 3200
crop_size = (256, 256)

# cuDNN's search takes half a minute or more in this layout (NVIDIA H100), and gains nothing.
env_cfg = dict(cudnn_benchmark=False)
model = dict(
    channels_last=True,  # 0.68 of the time of a step in float32 on two CPU cores
    decode_head=dict(
        num_classes=21,
        dropout_ratio=0.1,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True)))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(500, 500), ratio_range=(0.4, 1.3), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(425, 425), keep_ratio=True),
    # after Resize: the truth keeps its own size
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')
]
train_dataloader = dict(batch_size=batch_size, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=lr, weight_decay=0.02),
    # what starts anew may learn faster than what comes from ImageNet
    paramwise_cfg=dict(norm_decay_mult=0, custom_keys=dict(backbone=dict(lr_mult=0.3))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=800)
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=100))
# weights averaged over about the last 200 iterations are what is judged and kept
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.005, update_buffers=True)
]
