# FCN-4s: one skip more than the paper's finest, from stride 4.
_base_ = './fcn-8s_efficientnet-lite0.py'
model = dict(
    backbone=dict(out_indices=(2, 3, 4, 5)),
    decode_head=dict(
        in_index=(0, 1, 2, 3), in_channels=(24, 40, 112, 320), in_strides=(4, 8, 16, 32)))
