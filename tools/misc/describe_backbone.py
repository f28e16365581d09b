"""Lists the maps that a backbone gives, and prints the config that puts an FCN on it.

    python tools/misc/describe_backbone.py mmpretrain.ConvNeXt arch=tiny
    python tools/misc/describe_backbone.py mmpretrain.HRNet arch=w18 --stride 4
    python tools/misc/describe_backbone.py mmpretrain.TIMMBackbone model_name=resnet18
    python tools/misc/describe_backbone.py configs/fcn/CONFIG.py
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.describe import print_backbone
from fcn_plugin.utils.cli import run


def key_and_value(text: str) -> str:
    if '=' not in text:
        raise argparse.ArgumentTypeError(
            f"expected KEY=VALUE such as arch=tiny, not '{text}'")
    return text


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', metavar='TYPE_OR_CONFIG',
                        help='a type, with its package before the dot where it is not '
                        "mmsegmentation's, or a config")
    parser.add_argument('options', nargs='*', action=DictAction, type=key_and_value,
                        metavar='KEY=VALUE',
                        help="the type's arguments, or overrides of the config")
    parser.add_argument('--stride', dest='finest', type=int, default=8, metavar='S',
                        help='of the finest skip: 8 for FCN-8s (default: %(default)s)')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser.parse_intermixed_args()  # options may follow flags


def main() -> None:
    args = vars(parse_args())
    del args['debug']  # read by run()
    print_backbone(**args)


if __name__ == '__main__':
    run(main)
