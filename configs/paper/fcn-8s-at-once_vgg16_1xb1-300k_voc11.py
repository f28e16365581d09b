# FCN-8s at once: factors before the score layers of pool4 and pool3 take the place of the
# stages, and one rate serves all.
_base_ = './fcn-32s_vgg16_1xb1-100k_voc11.py'
model = dict(
    backbone=dict(out_indices=(2, 3, 5)),
    decode_head=dict(
        in_index=(0, 1, 2),
        in_channels=(256, 512, 4096),
        in_strides=(8, 16, 32),
        skip_scales=(0.0001, 0.01, 1)))
train_cfg = dict(max_iters=300000)
