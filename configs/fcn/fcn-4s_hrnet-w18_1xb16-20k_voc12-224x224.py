# HRNet keeps a branch at every stride, so its finest, 4, is scored too.
_base_ = './fcn-8s_r50_1xb16-20k_voc12-224x224.py'
weights = ('https://download.openmmlab.com/mmclassification/v0/hrnet/'
           'hrnet-w18_3rdparty_8xb32_in1k_20220120-0c10b180.pth')
model = dict(
    backbone=dict(
        _delete_=True, type='mmpretrain.HRNet', arch='w18',
        init_cfg=dict(type='Pretrained', checkpoint=weights, prefix='backbone.')),
    decode_head=dict(
        in_index=(0, 1, 2, 3), in_channels=(18, 36, 72, 144), in_strides=(4, 8, 16, 32)))
