_base_ = './fcn-8s_r50_1xb16-20k_voc12-224x224.py'
lr = 1e-4  # AdamW, as it was pretrained
weights = ('https://download.openmmlab.com/mmclassification/v0/convnext/'
           'convnext-tiny_32xb128_in1k_20221207-998cf3e9.pth')
model = dict(
    backbone=dict(
        _delete_=True, type='mmpretrain.ConvNeXt', arch='tiny', out_indices=(1, 2, 3),
        gap_before_final_norm=False,  # maps, not one vector an image
        drop_path_rate=0.1,
        init_cfg=dict(type='Pretrained', checkpoint=weights, prefix='backbone.')),
    decode_head=dict(in_channels=(192, 384, 768)))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=lr, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., custom_keys=dict(decode_head=dict(lr_mult=10))))
