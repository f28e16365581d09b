"""Trains FCN-32s, then 16s, then 8s: every stage that a config names as coarser.

    python tools/train_staged.py configs/paper/FINEST_CONFIG.py
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('stages', __doc__)
