# FCN-32s on ResNet-50: one score layer, on the last stage.
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
        type='mmpretrain.ResNet',
        depth=50,
        out_indices=(3, ),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/resnet/'
            'resnet50_8xb32_in1k_20210831-ea4938fc.pth',
            prefix='backbone.')),
    decode_head=dict(
        type='FCNSkipHead',
        in_index=(0, ),
        in_channels=(2048, ),
        in_strides=(32, ),
        num_classes=21,
        dropout_ratio=0.1,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True)),
    test_cfg=dict(mode='whole'))
