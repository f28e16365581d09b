"""Lists the maps that a backbone gives, and prints the config that puts an FCN on it.

    python tools/misc/describe_backbone.py mmpretrain.ConvNeXt arch=tiny
    python tools/misc/describe_backbone.py mmpretrain.HRNet arch=w18 --stride 4
    python tools/misc/describe_backbone.py mmpretrain.TIMMBackbone model_name=resnet18
    python tools/misc/describe_backbone.py configs/fcn/CONFIG.py
"""
from functools import partial

from mmengine.config import DictAction

from fcn_plugin.apis.describe import print_backbone
from fcn_plugin.utils.arguments import ToolParser, key_and_value
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('source', metavar='TYPE_OR_CONFIG',
                        help='a type, with its package before the dot where it is not '
                        "mmsegmentation's, or a config")
    parser.add_argument('options', nargs='*', action=DictAction, metavar='KEY=VALUE',
                        type=partial(key_and_value, example='arch=tiny'),
                        help="the type's arguments, or overrides of the config")
    parser.add_argument('--stride', dest='finest', type=int, default=8, metavar='S',
                        help='of the finest skip: 8 for FCN-8s (default: %(default)s)')
    return parser.parse(intermixed=True)  # options may follow flags


def main() -> None:
    print_backbone(**parse_args())


if __name__ == '__main__':
    run(main)
