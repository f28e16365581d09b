# FCN-32s as its authors have it: geometry, input, zero scores, fixed bilinear kernels,
# summed loss, from the ILSVRC VGG16 of BGR input with its fully connected layers.
_base_ = './fcn-32s_vgg16.py'
model = dict(
    data_preprocessor=dict(
        mean=[104.00699, 116.66877, 122.67892], std=[1., 1., 1.], bgr_to_rgb=False),
    backbone=dict(
        alignment='caffe', init_cfg=dict(checkpoint='data/vgg16_ilsvrc_caffe.pth')),
    decode_head=dict(
        alignment='caffe',
        zero_init_scores=True,
        upsampler=dict(type='BilinearDeconv'),
        final_upsampler=dict(type='BilinearDeconv'),
        loss_decode=dict(_delete_=True, type='CrossEntropyLoss', reduction='sum')))
