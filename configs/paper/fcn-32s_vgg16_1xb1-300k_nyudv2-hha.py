# FCN-32s on NYUDv2, HHA alone: depth as disparity, height and angle.
_base_ = './fcn-32s_vgg16_1xb1-300k_nyudv2-colour.py'
inputs = ('hha', )
pipeline = [
    dict(type='LoadRGBD', inputs=inputs),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='PackSegInputs')
]
train_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = dict(dataset=dict(pipeline=pipeline))
test_dataloader = val_dataloader
model = dict(data_preprocessor=dict(mean=[132.431, 94.076, 118.477]))
