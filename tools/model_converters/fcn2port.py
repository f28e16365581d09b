"""Writes a checkpoint of FCN on VGG16 as a plain state dict with Caffe's layer names.

    python tools/model_converters/fcn2port.py best.pth fcn8s.pth

The state dict is that of pytorch-fcn's FCN32s, FCN16s, FCN8s or FCN8sAtOnce.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('convert fcn2port', __doc__)
