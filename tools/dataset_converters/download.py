"""Downloads and unpacks VOC 2012, VOC 2011 or SBD, and goes on where it was cut off.

    python tools/dataset_converters/download.py voc2012 data   # data/VOCdevkit/VOC2012
    python tools/dataset_converters/download.py voc2011 data   # data/VOCdevkit/VOC2011
    python tools/dataset_converters/download.py sbd data       # data/benchmark_RELEASE

The archives, 1 to 2 GB each, are checked and stay in the folder. Their publishers'
terms apply.
"""
from fcn_plugin.datasets.archives import ARCHIVES, fetch
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('name', choices=list(ARCHIVES), help='the data set')
    parser.add_argument('dest', help='folder to write to')
    parser.add_argument('--url', help='a mirror, for when the publisher cannot be '
                        'reached; the checksum stays')
    parser.add_shared('--overwrite', help="replace files in the data set's folder")
    return parser.parse()


def main() -> None:
    args = parse_args()
    print(f'{args["name"]} is in {fetch(**args)}')


if __name__ == '__main__':
    run(main)
