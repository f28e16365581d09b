"""Draws a config's network: strides, score layers, upsampling and fusion.

    python tools/misc/draw_network.py configs/fcn/CONFIG.py --out network.png
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('draw', __doc__)
