"""Draws a config's network: strides, score layers, upsampling and fusion.

    fcn draw CONFIG --out network.png
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_first('config', help='config, by file or by name; or a checkpoint '
                     'that keeps one')
    parser.add_argument('--out', required=True, metavar='FILE',
                        help='the picture: .png, .svg or .pdf')
    parser.add_shared('--overwrite')
    parser.add_shared('--cfg-options', dest='options')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..diagnosis.draw_network import write_network
    write_network(**arguments)
