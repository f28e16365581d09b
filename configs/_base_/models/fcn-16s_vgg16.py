# FCN-16s: and a second one, on pool4.
_base_ = './fcn-32s_vgg16.py'
model = dict(
    backbone=dict(out_indices=(3, 5)),
    decode_head=dict(
        in_index=(0, 1),
        in_channels=(512, 4096),
        in_strides=(16, 32),
        skip_scales=(0.1, 1)))
