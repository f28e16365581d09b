_base_ = './fcn-8s_r50_1xb16-20k_voc12-224x224.py'
lr = 1e-4  # AdamW, as it was pretrained
weights = ('https://download.openmmlab.com/mmclassification/v0/swin-transformer/'
           'swin_tiny_224_b16x64_300e_imagenet_20210616_090925-66df6be6.pth')
model = dict(
    backbone=dict(
        _delete_=True, type='mmpretrain.SwinTransformer', arch='tiny', out_indices=(1, 2, 3),
        pad_small_map=True,  # where a map is smaller than a window
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint=weights, prefix='backbone.')),
    decode_head=dict(in_channels=(192, 384, 768)))
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=lr, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0., custom_keys={
        'relative_position_bias_table': dict(decay_mult=0.),
        'decode_head': dict(lr_mult=10),
    }))
