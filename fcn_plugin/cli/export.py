"""Writes a network as one ONNX file that takes batches of any size.

    fcn export best.pth --out best.onnx --preprocess
    fcn export work_dirs/NAME --web page  # a page that labels pictures in a browser

It is checked against PyTorch, and both are timed.
"""
from typing import Any

from ..utils.arguments import ToolParser
from ..utils.errors import InputError


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_first('checkpoint', '--weight-path', dest='weight_path', nargs='?',
                     help='the checkpoint, a work dir, whose best one it is, or a model of '
                     'the package: objects or street (default: objects)')
    written = parser.add_mutually_exclusive_group(required=True)
    written.add_argument('--out', metavar='FILE', help='a name that ends in .onnx')
    written.add_argument('--web', metavar='DIR|FILE',
                         help='a folder for a page that labels pictures in a browser, with '
                         'all it needs; or a name that ends in .html: one file, without a '
                         'server')
    parser.add_argument('--onnxruntime-web', metavar='DIR',
                        help="for --web: npm's package of that name, unpacked (default: npm "
                        'fetches it)')
    parser.add_shared('--config', '--backbone')
    add = parser.add_argument
    add('--scores', action='store_true', help='also return the probabilities of all classes')
    add('--preprocess', action='store_true', help='take images as they are read, uint8 RGB: '
        'resizing and normalisation become part of the graph')
    add('--img-path', metavar='PATH|DIR|GLOB',
        help='images to check and time with (default: drawn ones)')
    add('--opset', type=int, default=17, metavar='N', help="ONNX's operator set (default: 17)")
    add('--int8', action='store_true', help='convolutions in 8 bits; needs --calibrate')
    add('--calibrate', metavar='PATH|DIR|GLOB', help='images like those to be segmented, '
        '20 or more: ranges are measured on three quarters, labels compared on the rest')
    add('--labels', metavar='DIR', help='masks of --calibrate, as for evaluate: mean IoU '
        'before and after is told')
    add('--ignore', type=int, nargs='+', metavar='LABEL',
        help='of --labels: pixels that do not count (default: as for evaluate)')
    add('--max-loss', type=float, metavar='SHARE',
        help='of the labels that --int8 may change, 0 to 1 (default: 0.01); with --labels of '
        'mean IoU that it may lose (default: 0.005)')
    parser.add_shared('--overwrite', '--cfg-options', '--allow-imports')
    return parser.parse()


def run(web: str | None, onnxruntime_web: str | None, **arguments: Any) -> None:
    if web is None and onnxruntime_web is not None:
        raise InputError('--onnxruntime-web is of use with --web alone')
    if web is None:
        from ..deployment.export import export
        export(**arguments)
    else:
        from ..deployment.web import export_page
        for always in ('out', 'scores', 'preprocess'):
            del arguments[always]
        export_page(out=web, onnxruntime_web=onnxruntime_web, **arguments)
