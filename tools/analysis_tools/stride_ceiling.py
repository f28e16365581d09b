"""The mean IoU that is left when the truth itself is down- and up-sampled.

A bound on what an output stride allows, as the paper tabulates it. Every cell of
FACTOR by FACTOR pixels takes the label of its middle; ignored pixels do not count.

    python tools/analysis_tools/stride_ceiling.py configs/fcn/CONFIG.py
    python tools/analysis_tools/stride_ceiling.py data/camvid/valannot --ignore-index 11
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('stride-ceiling', __doc__)
