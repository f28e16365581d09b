"""Makes a file to give away of a checkpoint: no optimiser, half the bytes.

    python tools/model_converters/publish_model.py work_dirs/NAME/best_mIoU_iter_2400.pth \\
        street.pth --notes data=CamVid terms='CC BY-NC' mIoU=71.2
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.publish import DTYPES, publish
from fcn_plugin.utils.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='of tools/train.py')
    parser.add_argument('out', help='the file to write')
    parser.add_argument('--dtype', default='float16', choices=DTYPES,
                        help='of kernels; default: %(default)s')
    parser.add_argument('--notes', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='kept in the file: figures, data, terms')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a file that exists')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    args = vars(parser.parse_args())
    del args['debug']  # read by run()
    publish(**args)


if __name__ == '__main__':
    run(main)
