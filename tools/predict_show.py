"""Pictures that compare images with predictions, and with the truth.

    python tools/predict_show.py --img-path 'photos/*.jpg' --weight-path best.pth
    python tools/predict_show.py --weight-path best.pth  # its validation set
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.predict import show
from fcn_plugin.utils.cli import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Writes a grid of image and prediction, or, without --img-path, of '
        "image, truth, prediction and errors over the config's validation set.")
    parser.add_argument('--img-path', metavar='PATH|DIR|GLOB',
                        help='an image, a folder of images, or a quoted glob; without '
                        "it, the config's validation set is shown")
    parser.add_argument('--weight-path', metavar='FILE',
                        help='the checkpoint; without it, the model that comes with the '
                        'package, for streets')
    parser.add_argument('--config', metavar='FILE',
                        help='the config it was trained with; without it, the one kept '
                        'in the checkpoint')
    parser.add_argument('--backbone', help='vgg16, vgg19, resnet50 or resnet101: takes '
                        "this project's FCN-8s where the checkpoint keeps no config "
                        '(resnet50 where none is named)')
    parser.add_argument('--out-dir', default='work_dirs/predict_show', metavar='DIR',
                        help='default: %(default)s')
    parser.add_argument('--max-images', type=int, default=6, metavar='N',
                        help='evenly spread over all; default: %(default)s')
    parser.add_argument('--heatmap', metavar='CLASS',
                        help='also show the probability of this class, given by name '
                        'or index')
    parser.add_argument('--crf', action='store_true', help='refine the predictions by a '
                        'dense CRF; its settings are model.post_processor.*')
    parser.add_argument('--opacity', type=float, default=0.6,
                        help='of the colours, 0 to 1; default: %(default)s')
    parser.add_argument('--device', default='auto',
                        help='auto (a GPU where there is one), cpu, cuda:0, ...')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')
    parser.add_argument('--show', dest='window', action='store_true',
                        help='also open a window')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        metavar='KEY=VALUE', help='override settings of the config')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    del args['debug']  # read by run()
    show(**args)


if __name__ == '__main__':
    run(main)
