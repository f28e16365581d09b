"""Makes a file to give away of a checkpoint: no optimiser, half the bytes.

    python tools/model_converters/publish_model.py work_dirs/NAME/best_mIoU_iter_2400.pth \\
        street.pth --notes data=CamVid terms='CC BY-NC' mIoU=71.2
"""
from functools import partial
from typing import Union

from fcn_plugin.apis.publish import DTYPES, publish
from fcn_plugin.utils.arguments import ToolParser, key_and_value
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('checkpoint', help='of tools/train.py')
    parser.add_argument('out', help='the file to write')
    parser.add_argument('--dtype', default='float16', choices=DTYPES,
                        help='of kernels (default: %(default)s)')
    parser.add_argument('--notes', nargs='+', default=[], metavar='KEY=VALUE',
                        type=partial(key_and_value, example='data=CamVid'),
                        help='kept in the file as they are: figures, data, terms')
    parser.add_shared('--overwrite')
    found = parser.parse()
    # sentences: mmengine's DictAction would drop their spaces and cut them at commas
    found['notes'] = {key: _number_or_text(value) for key, _, value in
                      (note.partition('=') for note in found['notes'])}
    return found


def _number_or_text(value: str) -> Union[float, str]:
    try:
        return float(value)
    except ValueError:
        return value


def main() -> None:
    publish(**parse_args())


if __name__ == '__main__':
    run(main)
