"""Chooses images to label next: those that stand for most that no labelled one stands for.

    fcn suggest best.pth photos -n 50

Labelled are those with a mask, and those with regions in a labelling tool's files.
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_first('checkpoint', help='the checkpoint, a work dir, or a model of the '
                     'package: objects or street')
    parser.add_argument('folder', metavar='DIR', help='images, in folders of it too')
    parser.add_argument('-n', '--number', type=int, default=50, metavar='N',
                        help='how many (default: %(default)s)')
    parser.add_shared('--config')
    parser.add_shared('--out', default='work_dirs/suggest')
    parser.add_shared('--device', '--overwrite', '--cfg-options', '--allow-imports')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..reports.suggest import suggest
    suggest(**arguments)
