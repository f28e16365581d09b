"""Makes a file to give away of a checkpoint: no optimiser, half the bytes.

    fcn publish work_dirs/NAME/best_mIoU_iter_2400.pth --out street.safetensors \\
        --notes data=CamVid license=cc-by-nc-4.0 figures='mIoU 71.2'
"""
import math
from contextlib import suppress
from functools import partial
from typing import Any

from ..utils.arguments import ToolParser, key_and_value


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_first('checkpoint', help='of a training, its work dir, or a model of the '
                     'package: objects or street')
    parser.add_output('out', metavar=None if parser.is_tool else 'FILE',
                      help='the file to write: .pth, or .safetensors with a model card '
                      'beside it')
    parser.add_argument('--dtype', default='float16',
                        choices=['float32', 'float16', 'bfloat16'],
                        help='of kernels (default: %(default)s)')
    parser.add_argument('--notes', nargs='+', default=[], metavar='KEY=VALUE',
                        type=partial(key_and_value, example='data=CamVid'),
                        help='kept in the file as they are: figures, data, terms')
    parser.add_argument('--push', dest='push_to', metavar='USER/NAME',
                        help='put file and card on the Hugging Face hub, too')
    parser.add_argument('--average', nargs='+', default=[], metavar='FILE',
                        help='checkpoints from which that one was trained further: the mean '
                        'of all is published')
    parser.add_shared('--overwrite')
    found = parser.parse()
    # sentences: mmengine's DictAction would drop their spaces and cut them at commas
    found['notes'] = {key: _number_or_text(value) for key, _, value in
                      (note.partition('=') for note in found['notes'])}
    return found


def _number_or_text(value: str) -> int | float | str:
    for kind in (int, float):  # a year is no 2012.0
        with suppress(ValueError):
            number = kind(value)
            if math.isfinite(number) and str(number) == value:
                return number  # not so version 1.10, nor the commit 44e1234
    return value


def run(**arguments: Any) -> None:
    from ..checkpoints.publish import publish
    publish(**arguments)
