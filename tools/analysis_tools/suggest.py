"""Chooses images to label next: those that a network is unsure of, unlike one another.

    python tools/analysis_tools/suggest.py best.pth photos -n 50

Images that a labelling tool's files beside them say are labelled are left out.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('suggest', __doc__)
