"""The mean IoU that is left when the truth itself is down- and up-sampled.

A bound on what an output stride allows, as the paper tabulates it. Every cell of
FACTOR by FACTOR pixels takes the label of its middle; ignored pixels do not count.

    python tools/analysis_tools/stride_ceiling.py configs/fcn/CONFIG.py
    python tools/analysis_tools/stride_ceiling.py data/camvid/valannot --ignore-index 11
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.stride_ceiling import print_stride_ceiling
from fcn_plugin.utils.cli import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        metavar='KEY=VALUE', help='override settings of the config')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    del args['debug']  # read by run()
    print_stride_ceiling(**args)


if __name__ == '__main__':
    run(main)
