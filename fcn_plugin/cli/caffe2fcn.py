"""Converts the authors' released nets to checkpoints. Needs no Caffe.

    fcn convert caffe2fcn fcn8s-heavy-pascal.caffemodel --out fcn-8s.pth
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_argument('source', metavar='NET.caffemodel',
                        help="the net; a PyTorch port's .pth with Caffe's layer names "
                        'is taken too')
    parser.add_output('out', metavar='OUT.pth', help='the checkpoint to write')
    parser.add_argument(
        '--variant', help='what the net must be (default: what its layers say)',
        choices=['32s', '16s', '8s', 'at-once', 'alexnet', 'pascalcontext', 'imagenet',
                 'colour-depth', 'colour-hha', 'siftflow'])
    parser.add_shared('--overwrite')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..checkpoints.convert import caffe_to_fcn
    caffe_to_fcn(**arguments)
