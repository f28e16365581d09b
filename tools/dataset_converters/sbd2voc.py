"""Adds the masks and lists of SBD to PASCAL VOC 2012, for 10,582 training images.

    python tools/dataset_converters/sbd2voc.py \\
        data/benchmark_RELEASE data/VOCdevkit/VOC2012

Writes SegmentationClassAug and, in ImageSets/Segmentation, aug.txt (what SBD adds to
train.txt) and sbd_train.txt (the paper's training set). Where VOC 2011 lies beside VOC
2012, or is named, it gets seg11valid.txt: the 736 images that the paper validates on.
"""
from fcn_plugin.cli import main

if __name__ == '__main__':
    main('sbd2voc', __doc__)
