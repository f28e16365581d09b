# A new backbone is this much: its type, where its maps are, how many channels they have.
_base_ = './fcn-8s_r50_1xb16-20k_voc12-224x224.py'
weights = ('https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/'
           'mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth')
model = dict(
    backbone=dict(
        _delete_=True, type='mmpretrain.MobileNetV2', out_indices=(2, 4, 7),
        init_cfg=dict(type='Pretrained', checkpoint=weights, prefix='backbone.')),
    decode_head=dict(in_channels=(32, 96, 1280)))
