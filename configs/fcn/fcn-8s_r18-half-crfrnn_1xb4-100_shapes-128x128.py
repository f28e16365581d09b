# CRF-RNN: mean-field steps behind the FCN-8s that the first command of the README trains,
# fine-tuned with it end to end, in some minutes on two CPU cores:
#   python tools/train.py configs/fcn/fcn-8s_r18-half-crfrnn_1xb4-100_shapes-128x128.py
_base_ = './fcn-8s_r18-half_1xb16-850_shapes-128x128.py'
batch_size = 4
lr = 2e-4
max_iters = 100
load_from = 'work_dirs/fcn-8s_r18-half_1xb16-850_shapes-128x128/best_mIoU_iter_850.pth'

model = dict(
    post_processor=dict(
        type='CRFRNN', num_classes=9, smoothness_weight=1, smoothness_sigma=3,
        appearance_weight=4, sigma_xy=75, sigma_rgb=7))
train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(
    optimizer=dict(lr=lr),
    # Weights of kernels are numbers about 1, and few.
    paramwise_cfg=dict(custom_keys={
        'post_processor': dict(lr_mult=100, decay_mult=0),
    }))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=10, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=10, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=100)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100))
