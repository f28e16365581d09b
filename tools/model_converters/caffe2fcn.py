"""Converts the authors' released nets to checkpoints. Needs no Caffe.

    python tools/model_converters/caffe2fcn.py fcn8s-heavy-pascal.caffemodel fcn-8s.pth
"""
import argparse

from fcn_plugin.apis.convert import caffe_to_fcn
from fcn_plugin.models.converters import VARIANTS
from fcn_plugin.utils.cli import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='NET.caffemodel',
                        help="the net; a PyTorch port's .pth with Caffe's layer names "
                        'is taken too')
    parser.add_argument('out', metavar='OUT.pth', help='the checkpoint to write')
    parser.add_argument('--variant', choices=VARIANTS,
                        help='what the net must be (default: what its layers say)')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a checkpoint that exists')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    del args['debug']  # read by run()
    caffe_to_fcn(**args)


if __name__ == '__main__':
    run(main)
