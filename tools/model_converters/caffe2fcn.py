"""Converts the authors' released nets to checkpoints. Needs no Caffe.

    python tools/model_converters/caffe2fcn.py fcn8s-heavy-pascal.caffemodel fcn-8s.pth
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('convert caffe2fcn', __doc__)
