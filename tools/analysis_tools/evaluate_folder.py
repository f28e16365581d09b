"""Judges any model on a folder of images and one of masks, in other light too.

    python tools/analysis_tools/evaluate_folder.py best.pth data/camvid/val \\
        data/camvid/valannot --ignore 11 --conditions all --out-dir judged
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('evaluate', __doc__)
