# FCN-32s on GoogLeNet, of which the paper tells (table 1: 42.5 mIoU on its validation images,
# published, not run here) and whose net was never released. The trunk is torchvision's, so the
# net is the paper's in kind alone. The solver is the paper's: the mean loss at a rate of 5e-5,
# the gradients of 20 images to a step; how many steps it does not say.
_base_ = './fcn-32s_vgg16_1xb1-100k_voc11.py'
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True),
    backbone=dict(
        _delete_=True,
        type='FullyConvGoogLeNet',
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://googlenet')),
    decode_head=dict(
        alignment='same',
        in_channels=(1024, ),
        loss_decode=dict(
            _delete_=True, type='CrossEntropyLoss', avg_non_ignore=True)))
optim_wrapper = dict(
    accumulative_counts=20,
    optimizer=dict(lr=5e-5, momentum=0.9))
train_cfg = dict(max_iters=2000000, val_interval=80000)
default_hooks = dict(checkpoint=dict(interval=80000))
