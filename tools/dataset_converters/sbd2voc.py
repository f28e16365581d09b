"""Adds the masks and lists of SBD to PASCAL VOC 2012, for 10,582 training images.

    python tools/dataset_converters/sbd2voc.py \\
        data/benchmark_RELEASE data/VOCdevkit/VOC2012

Writes SegmentationClassAug and, in ImageSets/Segmentation, aug.txt (what SBD adds to
train.txt) and sbd_train.txt (the paper's training set). Where VOC 2011 lies beside VOC
2012, or is named, it gets seg11valid.txt: the 736 images that the paper validates on.
"""
from fcn_plugin.datasets.sbd import sbd_to_voc
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('sbd_root', help="SBD's folder benchmark_RELEASE")
    parser.add_argument('voc_root', help='folder of VOC 2012')
    parser.add_argument('--voc2011', dest='voc2011_root', metavar='DIR',
                        help='folder of VOC 2011 (default: VOC2011 beside voc_root, '
                        'where there is one)')
    parser.add_shared('--overwrite')
    return parser.parse()


def main() -> None:
    for path, count in sbd_to_voc(**parse_args()).items():
        print(f'{path}: {count} images')


if __name__ == '__main__':
    run(main)
