# FCN-16s on PASCAL-Context, from the weights of FCN-32s: tools/train_staged.py trains both.
_base_ = './fcn-32s_vgg16_1xb1-300k_pascal-context-59.py'
coarser = 'fcn-32s_vgg16_1xb1-300k_pascal-context-59.py'
model = dict(
    backbone=dict(out_indices=(3, 5), init_cfg=None),
    decode_head=dict(in_index=(0, 1), in_channels=(512, 4096), in_strides=(16, 32)))
optim_wrapper = dict(optimizer=dict(lr=1e-12))
