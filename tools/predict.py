"""Segments images and videos: overlays with a legend, label maps and heat maps.

    python tools/predict.py --img-path photo.jpg --weight-path best.pth
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.predict import predict_to_files
from fcn_plugin.utils.cli import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Segments images and videos and writes, for each, an overlay with a '
        'legend, and of images the labels as a palette PNG.')
    parser.add_argument('--img-path', required=True, metavar='PATH|DIR|GLOB',
                        help='an image or a video, a folder of them, or a quoted glob')
    parser.add_argument('--weight-path', metavar='FILE',
                        help='the checkpoint; without it, the model that comes with the '
                        'package, for streets')
    parser.add_argument('--config', metavar='FILE',
                        help='the config it was trained with; without it, the one kept '
                        'in the checkpoint')
    parser.add_argument('--backbone', help='vgg16, vgg19, resnet50 or resnet101: takes '
                        "this project's FCN-8s where the checkpoint keeps no config "
                        '(resnet50 where none is named)')
    parser.add_argument('--out-dir', default='work_dirs/predict', metavar='DIR',
                        help='default: %(default)s')
    parser.add_argument('--heatmap', metavar='CLASS',
                        help='also write the probability of this class, given by name '
                        'or index')
    parser.add_argument('--crf', action='store_true', help='refine the predictions by a '
                        'dense CRF; its settings are model.post_processor.*')
    parser.add_argument('--opacity', type=float, default=0.5,
                        help='of the colours, 0 to 1; default: %(default)s')
    parser.add_argument('--device', default='auto',
                        help='auto (a GPU where there is one), cpu, cuda:0, ...')
    parser.add_argument('--batch-size', type=int, default=1, metavar='N',
                        help='images or frames at once; default: %(default)s')
    parser.add_argument('--video-suffix', default='.mp4', metavar='SUFFIX',
                        help='.mp4, .webm (for browsers), .avi, .mkv or .mov; default: '
                        '%(default)s')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')
    parser.add_argument('--fast', action='store_true',
                        help='fold batch norms and compute in 16 bits where the machine '
                        'does so natively')
    parser.add_argument('--tile', type=int, metavar='N',
                        help='label images in tiles of N pixels a side, so that memory '
                        'does not grow with the image')
    parser.add_argument('--overlap', type=int, default=128, metavar='N',
                        help='pixels that a tile sees beyond what it labels; default: '
                        '%(default)s')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        metavar='KEY=VALUE', help='override settings of the config')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    del args['debug']  # read by run()
    predict_to_files(**args)


if __name__ == '__main__':
    run(main)
