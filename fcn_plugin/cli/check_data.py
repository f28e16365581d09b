"""Checks a folder of images and masks, or of a labelling tool's export, and writes a
config that trains on it.

    fcn check-data data/mine                       # looks only
    fcn check-data data/mine --out data/mine-fcn   # writes there
    fcn train data/mine-fcn/config.py

The exit code is 0 if nothing is wrong with the data, 1 if something is, 2 after an error.
"""
import re
import sys
from typing import Any

from ..utils.arguments import ToolParser


def value(text: str) -> int | str:
    """A label, a colour as #rrggbb, or a name."""
    if re.fullmatch('#[0-9a-fA-F]{6}', text):
        return text.lower()
    return int(text) if re.fullmatch('-?(0|[1-9][0-9]*)', text) else text  # '007' is a name


def parse(parser: ToolParser) -> dict[str, Any]:
    add = parser.add_argument
    add('root', metavar='DIR', help='the folder; or a file of regions in it')
    add('--images', metavar='SUBDIR', help='folder of the images in it, or in each split')
    add('--masks', metavar='SUBDIR', help='the same of the masks; no regions are read')
    add('--classes', nargs='+', metavar='NAME',
        help='names of the classes, in the order of their values')
    add('--ignore', nargs='+', type=value, default=(), metavar='VALUE',
        help="values of pixels that do not count, colours as '#rrggbb'; or names of regions")
    add('--outside', choices=['background', 'ignore'],
        help='what pixels in no region are (default: background, unless nearly all are)')
    add('--class-folders', action='store_true',
        help='masks have two values, one a class: masks/cat/a.png, or masks/a_cat.png')
    add('--instances', action='store_true',
        help='masks number the objects of one class, or hold one object each')
    add('--blurred', action='store_true',
        help='each pixel takes the nearest of the frequent values, blur proven or not')
    add('--unturned-masks', action='store_true',
        help='masks lie on images as they are stored, where EXIF data turn these')
    add('--val-share', type=float, default=0.2, metavar='SHARE',
        help='of validation, where there is no split (default: %(default)s)')
    add('--seed', type=int, default=0, help='of that split (default: %(default)s)')
    add('--group', metavar='PATTERN', help='keeps images on one side of that split whose '
        "paths in DIR match the same by this regular expression: '.*/' those of a folder")
    add('--out', metavar='DIR',
        help='writes config.py, lists and, where needed, converted masks there')
    add('--base', metavar='NAME', help='which of configs/fcn the config inherits, or the '
        'model it goes on from, objects or street (default: FCN-8s on EfficientNet-Lite0)')
    add('--class-weights', action='store_true', help='weigh classes in the loss, as reported')
    parser.add_shared('--overwrite', help='replace what an earlier call has written')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..own_data.write_config import check_and_write
    if not check_and_write(**arguments):
        sys.exit(1)
