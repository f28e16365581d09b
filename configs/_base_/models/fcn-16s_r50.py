_base_ = './fcn-32s_r50.py'
model = dict(
    backbone=dict(out_indices=(2, 3)),
    decode_head=dict(in_index=(0, 1), in_channels=(1024, 2048), in_strides=(16, 32)))
