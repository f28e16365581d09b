"""Adds the masks and lists of SBD to PASCAL VOC 2012, for 10,582 training images.

    python tools/dataset_converters/sbd2voc.py \\
        data/benchmark_RELEASE data/VOCdevkit/VOC2012

Writes SegmentationClassAug and, in ImageSets/Segmentation, aug.txt (what SBD adds to
train.txt) and sbd_train.txt (the paper's training set). Where VOC 2011 lies beside VOC
2012, or is named, it gets seg11valid.txt: the 736 images that the paper validates on.
"""
import argparse

from fcn_plugin.datasets.sbd import sbd_to_voc
from fcn_plugin.utils.cli import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('sbd_root', help="SBD's folder benchmark_RELEASE")
    parser.add_argument('voc_root', help='folder of VOC 2012')
    parser.add_argument('--voc2011', metavar='DIR', help='folder of VOC 2011 (default: '
                        'VOC2011 beside voc_root, where there is one)')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')
    parser.add_argument('--debug', action='store_true',
                        help='show the traceback of an error')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    written = sbd_to_voc(args.sbd_root, args.voc_root, args.voc2011, args.overwrite)
    for path, count in written.items():
        print(f'{path}: {count} images')


if __name__ == '__main__':
    run(main)
