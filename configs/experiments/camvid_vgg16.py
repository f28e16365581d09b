# FCN on VGG16 and ResNet-50 at CamVid's full size, the paper's questions, one change each:
#   python tools/analysis_tools/run_experiments.py configs/experiments/camvid_vgg16.py --amp
# For a GPU; camvid_vgg16_300.py beside it makes most of the changes to short runs on CPUs.
_base_ = './_base_/vgg16_stages.py'
config = './_base_/camvid_vgg16.py'

_backbone, _head = 'model.backbone', 'model.decode_head'
_sgd = {
    'optim_wrapper.optimizer': dict(
        _delete_=True, type='SGD', lr=0.002, momentum=0.9, weight_decay=5e-4),
}
_full = {
    f'{_backbone}.fc_channels': 4096,
    f'{_backbone}.fc_kernel_size': 7,
    f'{_head}.in_channels': (256, 512, 4096),
}
_resnet50 = {
    'model.data_preprocessor.mean': [123.675, 116.28, 103.53],
    'model.data_preprocessor.std': [58.395, 57.12, 57.375],
    'model.data_preprocessor.bgr_to_rgb': True,
    _backbone: dict(
        _delete_=True, type='mmpretrain.ResNet', depth=50, out_indices=(1, 2, 3),
        init_cfg=dict(
            type='Pretrained', prefix='backbone.',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/resnet/'
            'resnet50_8xb32_in1k_20210831-ea4938fc.pth')),
    f'{_head}.in_channels': (512, 1024, 2048),
    f'{_head}.skip_scales': None,
    'optim_wrapper.paramwise_cfg.custom_keys': dict(
        _delete_=True, decode_head=dict(lr_mult=10)),
}
changes = {
    'learned_upsampling': {
        f'{_head}.upsampler': dict(type='BilinearDeconv', learnable=True),
    },
    'unpool': {
        f'{_backbone}.with_switches': True,
        f'{_head}.upsampler': dict(type='MaxUnpool'),
        f'{_head}.switch_index': (3, 4),
        f'{_head}.switch_channels': (512, 512),
    },
    'sgd': _sgd,
    'full': _full,
    'full_sgd': {**_full, **_sgd},
    'resnet50': _resnet50,
}
