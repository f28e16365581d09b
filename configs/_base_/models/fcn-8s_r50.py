_base_ = './fcn-16s_r50.py'
model = dict(
    backbone=dict(out_indices=(1, 2, 3)),
    decode_head=dict(
        in_index=(0, 1, 2), in_channels=(512, 1024, 2048), in_strides=(8, 16, 32)))
