"""Adds the masks and lists of SBD to PASCAL VOC 2012, for 10,582 training images.

    fcn sbd2voc data/benchmark_RELEASE data/VOCdevkit/VOC2012

Writes SegmentationClassAug and, in ImageSets/Segmentation, aug.txt (what SBD adds to
train.txt) and sbd_train.txt (the paper's training set). Where VOC 2011 lies beside VOC
2012, or is named, it gets seg11valid.txt: the 736 images that the paper validates on.
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_argument('sbd_root', help="SBD's folder benchmark_RELEASE")
    parser.add_argument('voc_root', help='folder of VOC 2012')
    parser.add_argument('--voc2011', dest='voc2011_root', metavar='DIR',
                        help='folder of VOC 2011 (default: VOC2011 beside voc_root, '
                        'where there is one)')
    parser.add_shared('--overwrite')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..datasets.sbd import sbd_to_voc
    for path, count in sbd_to_voc(**arguments).items():
        print(f'{path}: {count} images')
