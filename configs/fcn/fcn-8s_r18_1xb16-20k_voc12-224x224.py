_base_ = './fcn-8s_r50_1xb16-20k_voc12-224x224.py'
weights = ('https://download.openmmlab.com/mmclassification/v0/resnet/'
           'resnet18_8xb32_in1k_20210831-fbbb1da6.pth')
model = dict(
    backbone=dict(depth=18, init_cfg=dict(checkpoint=weights)),
    decode_head=dict(in_channels=(128, 256, 512)))
