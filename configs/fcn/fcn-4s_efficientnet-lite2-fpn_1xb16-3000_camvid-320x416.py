# The street model trained longer: batches twice as large, and the mean of the weights of about
# the last 300 iterations. It starts from the mean of what its base has trained with two seeds
# (fcn publish SEED_1 --average SEED_0 --out work_dirs/street_1700.safetensors):
#   python tools/train.py \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn_1xb16-3000_camvid-320x416.py --amp
_base_ = './fcn-4s_efficientnet-lite2-fpn_1xb8-1700_camvid-320x416.py'
batch_size = 16
max_iters = 3000
load_from = 'work_dirs/street_1700.safetensors'
train_dataloader = dict(batch_size=batch_size)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=1000)
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.003, update_buffers=True)
]
