# FCN-8s on the original VGG16, whose input is BGR, 0 to 255, minus a mean. As distributed
# it has convolutions only: conv6 and conv7 start anew.
_base_ = './fcn-8s_vgg16.py'
model = dict(
    data_preprocessor=dict(
        mean=[103.939, 116.779, 123.68], std=[1., 1., 1.], bgr_to_rgb=False),
    backbone=dict(init_cfg=dict(checkpoint='open-mmlab://vgg16_caffe')))
