"""Writes a checkpoint of FCN on VGG16 as a plain state dict with Caffe's layer names.

    python tools/model_converters/fcn2port.py best.pth fcn8s.pth

The state dict is that of pytorch-fcn's FCN32s, FCN16s, FCN8s or FCN8sAtOnce.
"""
import argparse

from fcn_plugin.apis.convert import fcn_to_port
from fcn_plugin.utils.cli import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='CHECKPOINT', help='the checkpoint')
    parser.add_argument('out', metavar='OUT.pth', help='the state dict to write')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a file that exists')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    del args['debug']  # read by run()
    fcn_to_port(**args)


if __name__ == '__main__':
    run(main)
