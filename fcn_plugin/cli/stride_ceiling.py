"""The mean IoU that is left when the truth itself is down- and up-sampled.

A bound on what an output stride allows, as the paper tabulates it. Every cell of
FACTOR by FACTOR pixels takes the label of its middle; ignored pixels do not count.

    fcn stride-ceiling CONFIG
    fcn stride-ceiling data/camvid/valannot --ignore-index 11
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_argument('source', metavar='CONFIG_OR_MASK_FOLDER',
                        help="a config, whose val_dataloader's masks are taken, or a "
                        'folder of masks')
    parser.add_argument('--factors', type=int, nargs='+', metavar='PX',
                        default=[128, 64, 32, 16, 8, 4],
                        help='default: 128 64 32 16 8 4')
    parser.add_argument('--num-classes', type=int, metavar='N',
                        help="default: the data set's; for a folder, whatever occurs")
    parser.add_argument('--ignore-index', type=int, metavar='LABEL', help='of pixels that do '
                        "not count (default: what the config's evaluator ignores, or 255)")
    parser.add_shared('--cfg-options')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..reports.stride_ceiling import print_stride_ceiling
    print_stride_ceiling(**arguments)
