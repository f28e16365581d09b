"""Trains a config's network, and says how good it is.

    python tools/train.py configs/fcn/CONFIG.py
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('train', __doc__)
