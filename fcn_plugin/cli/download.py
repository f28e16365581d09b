"""Downloads and unpacks VOC 2012, VOC 2011 or SBD, and goes on where it was cut off.

    fcn download voc2012 --out data   # data/VOCdevkit/VOC2012
    fcn download voc2011 --out data   # data/VOCdevkit/VOC2011
    fcn download sbd --out data       # data/benchmark_RELEASE

The archives, 1 to 2 GB each, are checked and stay in the folder. Their publishers'
terms apply.
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_argument('name', choices=['voc2012', 'voc2011', 'sbd'], help='the data set')
    parser.add_output('dest', metavar=None if parser.is_tool else 'DIR',
                      help='folder to write to')
    parser.add_argument('--url', help='a mirror, for when the publisher cannot be '
                        'reached; the checksum stays')
    parser.add_shared('--overwrite', help="replace files in the data set's folder")
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..downloads.archives import fetch
    print(f'{arguments["name"]} is in {fetch(**arguments)}')
