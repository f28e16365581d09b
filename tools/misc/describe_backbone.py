"""Lists the maps that a backbone gives, and prints the config that puts an FCN on it.

    python tools/misc/describe_backbone.py mmpretrain.ConvNeXt arch=tiny
    python tools/misc/describe_backbone.py mmpretrain.HRNet arch=w18 --stride 4
    python tools/misc/describe_backbone.py mmpretrain.TIMMBackbone model_name=resnet18
    python tools/misc/describe_backbone.py configs/fcn/CONFIG.py
    python tools/misc/describe_backbone.py configs/fcn/CONFIG.py --shape 512 512
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('describe', __doc__)
