# VOC at 224x224 on two CPU cores: narrow conv6 and conv7, bfloat16. The two finest stages stay
# as they come from ImageNet: half of a step's time goes into them.
#   python tools/train.py configs/fcn/fcn-8s_vgg16-lean_1xb16-1500_voc12-224x224.py --amp
_base_ = [
    '../_base_/models/fcn-8s_vgg16-caffe-lean.py', '../_base_/datasets/voc12_224x224.py',
    '../_base_/schedules/schedule_20k.py', '../_base_/default_runtime.py'
]
batch_size = 16
lr = 1e-4
max_iters = 1500

model = dict(
    backbone=dict(frozen_stages=2),
    decode_head=dict(
        num_classes=21, loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
    test_cfg=dict(rescale=False))
train_dataloader = dict(batch_size=batch_size)
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
train_cfg = dict(max_iters=max_iters, val_interval=500)
default_hooks = dict(logger=dict(interval=25), checkpoint=dict(interval=100))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.005, update_buffers=True)
]
