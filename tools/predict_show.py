"""Pictures that compare images with predictions, and with the truth.

    python tools/predict_show.py --img-path 'photos/*.jpg' --weight-path best.pth
    python tools/predict_show.py --weight-path best.pth  # its validation set
"""
from fcn_plugin.apis.predict import show
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('--img-path', metavar='PATH|DIR|GLOB',
                        help='an image, a folder of images, or a quoted glob; without '
                        "it, the config's validation set is shown")
    parser.add_shared('--weight-path', '--config', '--backbone')
    parser.add_argument('--out-dir', default='work_dirs/predict_show', metavar='DIR',
                        help='default: %(default)s')
    parser.add_argument('--max-images', type=int, default=6, metavar='N',
                        help='evenly spread over all (default: %(default)s)')
    parser.add_argument('--heatmap', metavar='CLASS',
                        help='also show the probability of this class, given by name '
                        'or index')
    parser.add_shared('--crf', '--opacity', '--device', '--overwrite')
    parser.add_argument('--show', dest='window', action='store_true',
                        help='also open a window')
    parser.add_shared('--cfg-options', '--allow-imports')
    return parser.parse()


def main() -> None:
    show(**parse_args())


if __name__ == '__main__':
    run(main)
