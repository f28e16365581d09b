# FCN-8s on PASCAL-Context, from the weights of FCN-16s: tools/train_staged.py trains all.
_base_ = './fcn-16s_vgg16_1xb1-300k_pascal-context-59.py'
coarser = 'fcn-16s_vgg16_1xb1-300k_pascal-context-59.py'
model = dict(
    backbone=dict(out_indices=(2, 3, 5)),
    decode_head=dict(
        in_index=(0, 1, 2), in_channels=(256, 512, 4096), in_strides=(8, 16, 32)))
optim_wrapper = dict(optimizer=dict(lr=1e-14))
