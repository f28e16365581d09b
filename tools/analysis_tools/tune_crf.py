"""Fits the settings of a dense CRF to a network, and prints them as a config block.

    python tools/analysis_tools/tune_crf.py configs/fcn/CONFIG.py best.pth --images 20

The images are of the training split unless --split says otherwise: never fit on the
images that judge the result.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('tune-crf', __doc__)
