# The street model trained further: at the size at which it is judged, larger crops, a lower
# rate. It starts from what its base has trained:
#   python tools/train.py \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn_1xb8-1700_camvid-320x416.py --amp
_base_ = './fcn-4s_efficientnet-lite2-fpn_1xb8-3800_camvid-240x320.py'
lr = 5e-4
max_iters = 1700
crop_size = (320, 416)
grey = (110, 110, 110)
load_from = ('work_dirs/fcn-4s_efficientnet-lite2-fpn_1xb8-3800_camvid-240x320/'
             'best_mIoU_iter_3800.pth')
model = dict(backbone=dict(drop_path_rate=0.1))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(720, 540), ratio_range=(0.5, 1.5), keep_ratio=True),
    dict(type='RandomRotate', prob=0.3, degree=6., pad_val=grey, seg_pad_val=255),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion', brightness_delta=64, contrast_range=(0.4, 1.7),
         saturation_range=(0.2, 1.8), hue_delta=24),
    dict(type='mmpretrain.Equalize', prob=0.1),
    dict(type='mmpretrain.AutoContrast', prob=0.1),
    dict(type='mmpretrain.GaussianBlur', magnitude_range=(0.2, 2.), magnitude_std='inf',
         prob=0.25),
    dict(type='RandomLowLight', prob=0.25, max_stops=3., max_noise=8.),
    dict(type='RandomCutOut', prob=0.3, n_holes=(1, 4), fill_in=grey, seg_fill_in=255,
         cutout_shape=[(36, 36), (60, 60), (90, 60), (60, 120)]),
    dict(type='PackSegInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=0.05))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=850)
