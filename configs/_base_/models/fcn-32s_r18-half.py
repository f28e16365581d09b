# FCN-32s on a ResNet-18 of half the width, 2.8 M parameters, from scratch: for a CPU.
_base_ = './fcn-32s_r50.py'
model = dict(
    backbone=dict(depth=18, stem_channels=32, base_channels=32, init_cfg=None),
    decode_head=dict(in_channels=(256, ), dropout_ratio=0.))
