"""Checks a folder of images and masks, or of a labelling tool's export, and writes a
config that trains on it.

    python tools/misc/check_dataset.py data/mine                       # looks only
    python tools/misc/check_dataset.py data/mine --out data/mine-fcn   # writes there
    python tools/train.py data/mine-fcn/config.py

The exit code is 0 if nothing is wrong with the data, 1 if something is, 2 after an error.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('check-data', __doc__)
