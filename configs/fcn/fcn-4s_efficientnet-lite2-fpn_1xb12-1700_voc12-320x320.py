# The objects model trained further: larger crops, and images changed more, by objects of other
# images pasted over them, too. It starts from what its base has trained:
#   python tools/train.py \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn_1xb12-1700_voc12-320x320.py --amp
_base_ = './fcn-4s_efficientnet-lite2-fpn_1xb16-3200_voc12-256x256.py'
batch_size = 12
lr = 5e-4
max_iters = 1700
crop_size = (320, 320)
grey = (124, 116, 104)
load_from = ('work_dirs/fcn-4s_efficientnet-lite2-fpn_1xb16-3200_voc12-256x256/'
             'best_mIoU_iter_3200.pth')
model = dict(backbone=dict(drop_path_rate=0.1))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(500, 500), ratio_range=(0.4, 1.5), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
]
mix_pipeline = [
    dict(type='RandomCopyPaste', prob=0.5),
    dict(type='RandomRotate', prob=0.3, degree=10., pad_val=grey, seg_pad_val=255),
    dict(type='PhotoMetricDistortion'),
    dict(type='mmpretrain.GaussianBlur', magnitude_range=(0.2, 1.5), magnitude_std='inf',
         prob=0.15),
    dict(type='RandomLowLight', prob=0.15, max_stops=3., max_noise=8.),
    dict(type='RandomCutOut', prob=0.2, n_holes=(1, 3), fill_in=grey, seg_fill_in=255,
         cutout_shape=[(32, 32), (48, 48), (64, 48), (48, 80)]),
    dict(type='PackSegInputs')
]
train_dataloader = dict(
    batch_size=batch_size,
    dataset=dict(
        _delete_=True,
        type='MultiImageMixDataset',
        dataset=dict(
            type='PascalVOCDataset',
            data_root='data/VOCdevkit/VOC2012',
            data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClass'),
            ann_file='ImageSets/Segmentation/train.txt',
            pipeline=train_pipeline),
        pipeline=mix_pipeline))
optim_wrapper = dict(optimizer=dict(lr=lr, weight_decay=0.05))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=850)
