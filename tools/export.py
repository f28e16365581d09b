"""Writes a network as one file that takes batches of any size, ONNX.

    python tools/export.py --weight-path best.pth --out best.onnx --preprocess

It is checked against PyTorch, and both are timed.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('export', __doc__)
