"""Draws a config's network: strides, score layers, upsampling and fusion.

    python tools/misc/draw_network.py configs/fcn/CONFIG.py --out network.png
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.draw_network import write_network
from fcn_plugin.utils.cli import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--out', required=True, help='the picture: .png, .svg or .pdf')
    parser.add_argument('--cfg-options', dest='options', nargs='+', action=DictAction,
                        metavar='KEY=VALUE', help='overrides of the config')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    del args['debug']  # read by run()
    write_network(**args)


if __name__ == '__main__':
    run(main)
