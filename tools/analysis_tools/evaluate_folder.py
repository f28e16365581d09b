"""Judges any model on a folder of images and one of masks, in other light too.

    python tools/analysis_tools/evaluate_folder.py best.pth data/camvid/val \\
        data/camvid/valannot --ignore 11 --conditions all --out-dir judged
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.evaluate_folder import evaluate_folder
from fcn_plugin.evaluation.conditions import CONDITIONS
from fcn_plugin.utils.cli import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('checkpoint', help='a .pth file, or a network exported to .onnx '
                        'or .pt2')
    parser.add_argument('images', help='folder or glob')
    parser.add_argument('labels', help='folder of PNG masks named as the images, whose '
                        'pixels are class numbers')
    parser.add_argument('--config', help='for a checkpoint that keeps none')
    parser.add_argument('--out-dir', metavar='DIR',
                        help='writes the tables, and the best, median and worst images')
    parser.add_argument('--ignore', type=int, nargs='+', default=[255], metavar='LABEL',
                        help='of pixels that do not count; default: 255')
    parser.add_argument('--conditions', nargs='+', default=['as taken'], metavar='NAME',
                        help=f'all, or some of {", ".join(CONDITIONS)}; default: as taken')
    parser.add_argument('--pictures', type=int, default=6, metavar='N',
                        help='how many images --out-dir shows; default: %(default)s')
    parser.add_argument('--max-images', type=int, metavar='N',
                        help='judge so many, evenly spread; default: all')
    parser.add_argument('--batch-size', type=int, default=1, metavar='N')
    parser.add_argument('--device', default='auto',
                        help='auto (a GPU where there is one), cpu, cuda:0, ...')
    parser.add_argument('--fast', action='store_true',
                        help='folded batch norms, and 16 bits where the machine has them')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        metavar='KEY=VALUE', help='override settings of the config')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    del args['debug']  # read by run()
    evaluate_folder(**args)


if __name__ == '__main__':
    run(main)
