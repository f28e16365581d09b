# FCN-32s: one score layer, on conv7.
model = dict(
    type='FCNSegmentor',
    data_preprocessor=dict(
        type='FCNDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_val=0,
        seg_pad_val=255),
    backbone=dict(
        type='FullyConvVGG',
        depth=16,
        out_indices=(5, ),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/vgg/'
            'vgg16_batch256_imagenet_20210208-db26f1a5.pth')),
    decode_head=dict(
        type='FCNSkipHead',
        in_index=(0, ),
        in_channels=(4096, ),
        in_strides=(32, ),
        num_classes=21,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
    test_cfg=dict(mode='whole'))
