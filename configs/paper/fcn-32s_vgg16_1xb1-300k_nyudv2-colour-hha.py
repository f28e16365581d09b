# FCN-32s on NYUDv2, late fusion: a whole VGG16 each for colour and for HHA, whose scores are
# averaged. Each starts from its own trained net, the two configs of these names:
colour = 'work_dirs/fcn-32s_vgg16_1xb1-300k_nyudv2-colour/iter_300000.pth'
hha = 'work_dirs/fcn-32s_vgg16_1xb1-300k_nyudv2-hha/iter_300000.pth'
_base_ = './fcn-32s_vgg16_1xb1-300k_nyudv2-colour.py'
inputs = ('colour', 'hha')
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
        mean=[116.190, 97.203, 92.318, 132.431, 94.076, 118.477], std=[1.] * 6),
    backbone=dict(
        _delete_=True,
        type='LateFusion',
        streams=[
            dict(type='FullyConvVGG', depth=16, out_indices=(5, ), alignment='caffe',
                 init_cfg=dict(type='Pretrained', prefix='backbone.', checkpoint=colour)),
            dict(type='FullyConvVGG', depth=16, out_indices=(5, ), alignment='caffe',
                 init_cfg=dict(type='Pretrained', prefix='backbone.', checkpoint=hha)),
        ]),
    decode_head=dict(
        in_channels=(8192, ),
        skip_scales=(0.5, ),
        init_cfg=dict(type='JoinedScores', checkpoints=(colour, hha))))
# One bias stands for the mean of the authors' two, of which each gets half the gradient.
optim_wrapper = dict(
    optimizer=dict(lr=1e-12),
    paramwise_cfg=dict(custom_keys={
        'decode_head.score.stride32.bias': dict(lr_mult=1., decay_mult=0.)}))
