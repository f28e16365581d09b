# The street model's recipe at a quarter of its length.
_base_ = '../../fcn/fcn-4s_efficientnet-lite2-fpn_1xb8-3800_camvid-240x320.py'
max_iters = 950
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
