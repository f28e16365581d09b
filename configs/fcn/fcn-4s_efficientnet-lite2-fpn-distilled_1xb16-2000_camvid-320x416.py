# The same once more, with a fourth teacher on another backbone, and teachers that see images
# in other sizes and mirrored. It starts from what its base has become:
#   D=work_dirs/fcn-4s_efficientnet-lite2-fpn-distilled_1xb16-1150_camvid-320x416
#   fcn publish $D/iter_1150.pth --average work_dirs/street_3000.safetensors \
#       --out work_dirs/street_1150.safetensors
# The fourth teacher comes from fcn-4s_vgg16-fpn_1xb16-1800_camvid-320x416.py. The street model
# is the mean of the weights of two such runs and of those from which they start:
#   python tools/train.py --amp \
#       configs/fcn/fcn-4s_efficientnet-lite2-fpn-distilled_1xb16-2000_camvid-320x416.py \
#       --work-dir work_dirs/street_taught_1 --cfg-options randomness.seed=1
_base_ = './fcn-4s_efficientnet-lite2-fpn-distilled_1xb16-1150_camvid-320x416.py'
max_iters = 2000
load_from = 'work_dirs/street_1150.safetensors'
teachers = [
    load_from, *(f'work_dirs/street_teacher_{seed}/iter_2000.pth' for seed in (1, 2)),
    'work_dirs/fcn-4s_vgg16-fpn_1xb16-1800_camvid-320x416/iter_1800.pth'
]
vgg16 = dict(
    data_preprocessor=dict(
        type='FCNDataPreProcessor', mean=[103.939, 116.779, 123.68], std=[1., 1., 1.],
        bgr_to_rgb=False, pad_val=0, seg_pad_val=255),
    backbone=dict(type='FullyConvVGG', depth=16, out_indices=(1, 2, 3, 4)),
    neck=dict(
        type='FPN', in_channels=[128, 256, 512, 512], out_channels=128, num_outs=4,
        norm_cfg=dict(type='BN', requires_grad=True), act_cfg=dict(type='ReLU')))
model = dict(
    teachers=teachers,
    teacher=[None, None, None, vgg16],
    teacher_scales=(5 / 6, 1, 7 / 6),
    teacher_flip=True)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=100, by_epoch=False),
    dict(type='PolyLR', eta_min=0, power=0.9, begin=100, end=max_iters, by_epoch=False)
]
train_cfg = dict(max_iters=max_iters, val_interval=1000)
