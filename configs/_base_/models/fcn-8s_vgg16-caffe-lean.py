# FCN-8s with narrow conv6 and conv7: 17.4 M parameters instead of 134.4 M. They start anew.
_base_ = './fcn-8s_vgg16-caffe.py'
model = dict(
    backbone=dict(fc_channels=512, fc_kernel_size=3),
    decode_head=dict(in_channels=(256, 512, 512)))
