"""Chooses images to label next: those that stand for most that no labelled one stands for.

    python tools/analysis_tools/suggest.py best.pth photos -n 50

Labelled are those with a mask, and those with regions in a labelling tool's files.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('suggest', __doc__)
