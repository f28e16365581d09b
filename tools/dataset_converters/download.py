"""Downloads and unpacks VOC 2012, VOC 2011 or SBD, and goes on where it was cut off.

    python tools/dataset_converters/download.py voc2012 data   # data/VOCdevkit/VOC2012
    python tools/dataset_converters/download.py voc2011 data   # data/VOCdevkit/VOC2011
    python tools/dataset_converters/download.py sbd data       # data/benchmark_RELEASE

The archives, 1 to 2 GB each, are checked and stay in the folder. Their publishers'
terms apply.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('download', __doc__)
