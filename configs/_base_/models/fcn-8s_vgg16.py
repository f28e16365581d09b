# FCN-8s: and a third one, on pool3. The factors keep VGG's large activations, which
# no normalisation tames, from drowning conv7's scores; the paper's are smaller still.
_base_ = './fcn-16s_vgg16.py'
model = dict(
    backbone=dict(out_indices=(2, 3, 5)),
    decode_head=dict(
        in_index=(0, 1, 2),
        in_channels=(256, 512, 4096),
        in_strides=(8, 16, 32),
        skip_scales=(0.01, 0.1, 1)))
