"""Draws a config's network: strides, score layers, upsampling and fusion.

    python tools/misc/draw_network.py configs/fcn/CONFIG.py --out network.png
"""
from fcn_plugin.apis.draw_network import write_network
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--out', required=True, help='the picture: .png, .svg or .pdf')
    parser.add_shared('--cfg-options', dest='options')
    return parser.parse()


def main() -> None:
    write_network(**parse_args())


if __name__ == '__main__':
    run(main)
