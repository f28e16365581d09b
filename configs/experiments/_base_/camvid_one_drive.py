# A quarter of a street teacher's recipe, trained on one drive and judged on the other two.
_base_ = '../../fcn/fcn-4s_efficientnet-lite2-fpn_1xb16-2000_camvid-320x416.py'
max_iters = 500
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
default_hooks = dict(checkpoint=dict(interval=100))
custom_hooks = [
    dict(type='EMAHook', ema_type='ForeachEMA', momentum=0.01, update_buffers=True)
]
judged = dict(drives=('0001TP', '0006R0'),
              data_prefix=dict(img_path='train', seg_map_path='trainannot'))
train_dataloader = dict(dataset=dict(drives=('0016E5', )))
val_dataloader = dict(dataset=judged)
test_dataloader = val_dataloader
