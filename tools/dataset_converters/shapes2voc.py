"""Writes the built-in shapes to disk in the layout of PASCAL VOC.

An example of what data of your own must look like:

    python tools/dataset_converters/shapes2voc.py data/shapes --train 200 --val 50
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('shapes2voc', __doc__)
