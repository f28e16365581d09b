"""Converts the authors' released nets to checkpoints. Needs no Caffe.

    python tools/model_converters/caffe2fcn.py fcn8s-heavy-pascal.caffemodel fcn-8s.pth
"""
from fcn_plugin.apis.convert import caffe_to_fcn
from fcn_plugin.models.converters import VARIANTS
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('source', metavar='NET.caffemodel',
                        help="the net; a PyTorch port's .pth with Caffe's layer names "
                        'is taken too')
    parser.add_argument('out', metavar='OUT.pth', help='the checkpoint to write')
    parser.add_argument('--variant', choices=VARIANTS,
                        help='what the net must be (default: what its layers say)')
    parser.add_shared('--overwrite')
    return parser.parse()


def main() -> None:
    caffe_to_fcn(**parse_args())


if __name__ == '__main__':
    run(main)
