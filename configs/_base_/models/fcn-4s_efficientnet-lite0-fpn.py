# Between backbone and score layers stands a feature pyramid network (Lin et al., CVPR
# 2017), so that the fine maps are scored knowing what the coarse ones saw. 3.6 M parameters.
_base_ = './fcn-4s_efficientnet-lite0.py'
model = dict(
    neck=dict(
        type='FPN',
        in_channels=[24, 40, 112, 320],
        out_channels=128,
        num_outs=4,
        norm_cfg=dict(type='BN', requires_grad=True),
        act_cfg=dict(type='ReLU')),
    decode_head=dict(in_channels=(128, 128, 128, 128)))
