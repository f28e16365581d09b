"""The mean IoU that is left when the truth itself is down- and up-sampled.

A bound on what an output stride allows, as the paper tabulates it. Every cell of
FACTOR by FACTOR pixels takes the label of its middle; ignored pixels do not count.

    python tools/analysis_tools/stride_ceiling.py configs/fcn/CONFIG.py
    python tools/analysis_tools/stride_ceiling.py data/camvid/valannot --ignore-index 11
"""
from fcn_plugin.apis.stride_ceiling import print_stride_ceiling
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('source', metavar='CONFIG_OR_MASK_FOLDER',
                        help="a config, whose val_dataloader's masks are taken, or a "
                        'folder of PNG masks')
    parser.add_argument('--factors', type=int, nargs='+', metavar='PX',
                        default=[128, 64, 32, 16, 8, 4],
                        help='default: 128 64 32 16 8 4')
    parser.add_argument('--num-classes', type=int, metavar='N',
                        help="default: the data set's; for a folder, whatever occurs")
    parser.add_argument('--ignore-index', type=int, default=255, metavar='LABEL',
                        help='of pixels that do not count (default: %(default)s)')
    parser.add_shared('--cfg-options')
    return parser.parse()


def main() -> None:
    print_stride_ceiling(**parse_args())


if __name__ == '__main__':
    run(main)
