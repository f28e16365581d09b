"""Lists the maps that a backbone gives, and prints the config that puts an FCN on it.

    fcn describe mmpretrain.ConvNeXt arch=tiny
    fcn describe mmpretrain.HRNet arch=w18 --stride 4
    fcn describe mmpretrain.TIMMBackbone model_name=resnet18
    fcn describe CONFIG
"""
from functools import partial
from typing import Any

from ..utils.arguments import KeyValueAction, ToolParser, key_and_value


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_argument('source', metavar='TYPE_OR_CONFIG',
                        help='a type, with its package before the dot where it is not '
                        "mmsegmentation's, or a config")
    parser.add_argument('options', nargs='*', action=KeyValueAction, metavar='KEY=VALUE',
                        type=partial(key_and_value, example='arch=tiny'),
                        help="the type's arguments, or overrides of the config")
    parser.add_argument('--stride', dest='finest', type=int, default=8, metavar='S',
                        help='of the finest skip: 8 for FCN-8s (default: %(default)s)')
    return parser.parse(intermixed=True)  # options may follow flags


def run(**arguments: Any) -> None:
    from ..diagnosis.describe import print_backbone
    print_backbone(**arguments)
