# A teacher of the street model: by its recipe, but on VGG16, which errs at other places than
# networks on EfficientNet do. 15.5 M parameters.
#   python tools/train.py configs/fcn/fcn-4s_vgg16-fpn_1xb16-1800_camvid-320x416.py --amp
_base_ = './fcn-4s_efficientnet-lite2-fpn_1xb8-1700_camvid-320x416.py'
batch_size = 16
lr = 1e-3
max_iters = 1800
load_from = None
randomness = dict(seed=3)

model = dict(
    data_preprocessor=dict(
        mean=[103.939, 116.779, 123.68], std=[1., 1., 1.], bgr_to_rgb=False),
    backbone=dict(
        _delete_=True,
        type='FullyConvVGG',
        depth=16,
        out_indices=(1, 2, 3, 4),
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe')),
    neck=dict(in_channels=[128, 256, 512, 512]))
train_dataloader = dict(batch_size=batch_size)
# ImageNet's filters have no norms behind them: a tenth of the rate, where others have half.
optim_wrapper = dict(
    optimizer=dict(lr=lr), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=900)
