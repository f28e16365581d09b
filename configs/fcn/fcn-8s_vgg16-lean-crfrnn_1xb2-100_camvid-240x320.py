# CRF-RNN: mean-field steps behind a trained FCN-8s, fine-tuned with it end to end. It
# starts from what its base has trained:
#   python tools/train.py THIS_CONFIG --amp --cfg-options load_from=CHECKPOINT
_base_ = './fcn-8s_vgg16-lean_1xb4-1600_camvid-240x320.py'
batch_size = 2
lr = 1e-5
max_iters = 100
load_from = ('work_dirs/fcn-8s_vgg16-lean_1xb4-1600_camvid-240x320/'
             'best_mIoU_iter_1600.pth')

model = dict(
    post_processor=dict(
        type='CRFRNN', num_classes=11, smoothness_weight=1, smoothness_sigma=3,
        appearance_weight=1, sigma_xy=25, sigma_rgb=3))
train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(
    optimizer=dict(lr=lr),
    # Weights of kernels are numbers about 1, and few.
    paramwise_cfg=dict(custom_keys={
        'post_processor': dict(lr_mult=1000, decay_mult=0),
    }))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=10, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=10, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=100)
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(interval=100))
