"""Checks a folder of images and masks, and writes a config that trains on it.

    python tools/misc/check_dataset.py data/mine                       # looks only
    python tools/misc/check_dataset.py data/mine --out data/mine-fcn   # writes there
    python tools/train.py data/mine-fcn/config.py

The exit code is 0 if nothing is wrong with the data, 1 if something is, 2 after an error.
"""
import re
import sys
from typing import Union

from fcn_plugin.apis.check_dataset import check_and_write
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def value(text: str) -> Union[int, str]:
    """A label, or a colour as #rrggbb."""
    return text.lower() if re.fullmatch('#[0-9a-fA-F]{6}', text) else int(text)


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('root', metavar='DIR', help='the folder')
    parser.add_argument('--images', metavar='SUBDIR',
                        help='folder of the images in it, where its name does not say')
    parser.add_argument('--masks', metavar='SUBDIR', help='folder of the masks in it')
    parser.add_argument('--classes', nargs='+', metavar='NAME',
                        help='names of the classes, in the order of their values')
    parser.add_argument('--ignore', nargs='+', type=value, default=(), metavar='VALUE',
                        help='values of pixels that do not count and are no classes, '
                        "colours as '#rrggbb'")
    parser.add_argument('--blurred', action='store_true',
                        help='each pixel takes the nearest of the frequent values, also '
                        'where it is not proven that JPEG or a resize made the others')
    parser.add_argument('--unturned-masks', action='store_true',
                        help='masks lie on images as they are stored, where EXIF data turn '
                        'these and the sizes leave it open')
    parser.add_argument('--val-share', type=float, default=0.2, metavar='SHARE',
                        help='of validation, where there is no split (default: '
                        '%(default)s)')
    parser.add_argument('--seed', type=int, default=0,
                        help='of that split (default: %(default)s)')
    parser.add_argument('--out', metavar='DIR',
                        help='writes config.py, lists and, where needed, converted masks '
                        'there')
    parser.add_argument('--base', metavar='NAME',
                        help='which of configs/fcn the config inherits (default: FCN-8s on '
                        'EfficientNet-Lite0)')
    parser.add_argument('--class-weights', action='store_true',
                        help='weigh classes in the loss by the weights of the report')
    parser.add_shared('--overwrite', help='replace what an earlier call has written')
    return parser.parse()


def main() -> None:
    if not check_and_write(**parse_args()):
        sys.exit(1)


if __name__ == '__main__':
    run(main)
