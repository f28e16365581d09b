"""Writes a network as one file that takes batches of any size, ONNX.

    python tools/export.py --weight-path best.pth --out best.onnx --preprocess

It is checked against PyTorch, and both are timed.
"""
from fcn_plugin.apis.export import export
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_shared('--weight-path')
    parser.add_argument('--out', required=True, metavar='FILE',
                        help='a name that ends in .onnx')
    parser.add_shared('--config', '--backbone')
    parser.add_argument('--scores', action='store_true',
                        help='also return the probabilities of all classes')
    parser.add_argument('--preprocess', action='store_true',
                        help='take images as they are read, uint8 RGB: resizing and '
                        'normalisation become part of the graph')
    parser.add_argument('--img-path', metavar='PATH|DIR|GLOB',
                        help='images to check and time with (default: drawn ones)')
    parser.add_argument('--opset', type=int, default=17, metavar='N',
                        help="ONNX's operator set (default: %(default)s)")
    parser.add_shared('--overwrite', '--cfg-options', '--allow-imports')
    return parser.parse()


def main() -> None:
    export(**parse_args())


if __name__ == '__main__':
    run(main)
