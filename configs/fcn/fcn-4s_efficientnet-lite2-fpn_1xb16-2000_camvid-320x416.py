# Teachers of the street model: at once, from ImageNet's weights, what its recipe does in three
# stages, with the seeds 1 and 2:
#   python tools/train.py \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn_1xb16-2000_camvid-320x416.py --amp \
#       --work-dir work_dirs/street_teacher_1 --cfg-options randomness.seed=1
_base_ = './fcn-4s_efficientnet-lite2-fpn_1xb8-1700_camvid-320x416.py'
batch_size = 16
lr = 1e-3
max_iters = 2000
load_from = None
train_dataloader = dict(batch_size=batch_size)
optim_wrapper = dict(optimizer=dict(lr=lr))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=1000)
