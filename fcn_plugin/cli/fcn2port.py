"""Writes a checkpoint of FCN on VGG16 as a plain state dict with Caffe's layer names.

    fcn convert fcn2port best.pth --out fcn8s.pth

The state dict is that of pytorch-fcn's FCN32s, FCN16s, FCN8s or FCN8sAtOnce.
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_argument('source', metavar='CHECKPOINT', help='the checkpoint')
    parser.add_output('out', metavar='OUT.pth', help='the state dict to write')
    parser.add_shared('--overwrite')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..checkpoints.convert import fcn_to_port
    fcn_to_port(**arguments)
