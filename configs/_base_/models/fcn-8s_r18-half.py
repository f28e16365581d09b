_base_ = './fcn-32s_r18-half.py'
model = dict(
    backbone=dict(out_indices=(1, 2, 3)),
    decode_head=dict(
        in_index=(0, 1, 2), in_channels=(64, 128, 256), in_strides=(8, 16, 32)))
