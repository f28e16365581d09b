"""Lists the maps that a backbone gives, and prints the config that puts an FCN on it; or
says what a config costs.

    fcn describe mmpretrain.ConvNeXt arch=tiny
    fcn describe mmpretrain.HRNet arch=w18 --stride 4
    fcn describe mmpretrain.TIMMBackbone model_name=resnet18
    fcn describe CONFIG
    fcn describe CONFIG --shape 512 512
"""
from functools import partial
from typing import Any

from ..utils.arguments import KeyValueAction, ToolParser, key_and_value
from ..utils.errors import InputError


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_argument('source', metavar='TYPE_OR_CONFIG',
                        help='a type, with its package before the dot where it is not '
                        "mmsegmentation's; or a config, or a checkpoint that keeps one")
    parser.add_argument('options', nargs='*', action=KeyValueAction, metavar='KEY=VALUE',
                        type=partial(key_and_value, example='arch=tiny'),
                        help="the type's arguments, or overrides of the config")
    parser.add_argument('--stride', dest='finest', type=int, default=8, metavar='S',
                        help='of the finest skip: 8 for FCN-8s (default: %(default)s)')
    parser.add_argument('--shape', nargs=2, type=int, metavar=('H', 'W'),
                        help="print what the config's network costs on an image of that "
                        'height and width: parameters, FLOPs, memory, time')
    parser.add_shared('--device', help='where to measure that: auto, cpu, cuda:0, ... '
                      '(default: %(default)s)')
    return parser.parse(intermixed=True)  # options may follow flags


def run(source: str, options: dict[str, Any] | None, finest: int,
        shape: list[int] | None, device: str) -> None:
    if shape is None:
        if device != 'auto':
            raise InputError(f'--device {device} is where --shape H W is measured: give that')
        from ..diagnosis.describe import print_backbone
        print_backbone(source, options, finest)
    else:
        if finest != 8:
            raise InputError(f'--stride {finest} is of the skips that are printed without '
                             '--shape: leave one of both out')
        from ..diagnosis.cost import print_cost
        print_cost(source, tuple(shape), options, device)
