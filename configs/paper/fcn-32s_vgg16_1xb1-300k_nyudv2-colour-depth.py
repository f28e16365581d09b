# FCN-32s on NYUDv2, early fusion: colour and log depth are the four channels of one image.
# The depth filters of conv1_1 start as the mean of its three colour filters.
_base_ = './fcn-32s_vgg16_1xb1-300k_nyudv2-colour.py'
inputs = ('colour', 'depth')
pipeline = [
    dict(type='LoadRGBD', inputs=inputs),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs')
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
model = dict(
    data_preprocessor=dict(
        mean=[116.190, 97.203, 92.318, 7.844], std=[1., 1., 1., 1.]),
    backbone=dict(in_channels=4))
