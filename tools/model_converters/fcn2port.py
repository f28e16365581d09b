"""Writes a checkpoint of FCN on VGG16 as a plain state dict with Caffe's layer names.

    python tools/model_converters/fcn2port.py best.pth fcn8s.pth

The state dict is that of pytorch-fcn's FCN32s, FCN16s, FCN8s or FCN8sAtOnce.
"""
from fcn_plugin.apis.convert import fcn_to_port
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('source', metavar='CHECKPOINT', help='the checkpoint')
    parser.add_argument('out', metavar='OUT.pth', help='the state dict to write')
    parser.add_shared('--overwrite')
    return parser.parse()


def main() -> None:
    fcn_to_port(**parse_args())


if __name__ == '__main__':
    run(main)
