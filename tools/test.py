"""Evaluates a checkpoint on its config's test set.

    python tools/test.py configs/fcn/CONFIG.py best.pth
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('test', __doc__)
