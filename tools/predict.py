"""Segments images and videos: overlays with a legend, label maps and heat maps.

    python tools/predict.py --img-path photo.jpg --weight-path best.pth
"""
from fcn_plugin.apis.predict import predict_to_files
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('--img-path', required=True, metavar='PATH|DIR|GLOB',
                        help='an image or a video, a folder of them, or a quoted glob')
    parser.add_shared('--weight-path', '--config', '--backbone')
    parser.add_argument('--out-dir', default='work_dirs/predict', metavar='DIR',
                        help='default: %(default)s')
    parser.add_argument('--heatmap', metavar='CLASS',
                        help='also write the probability of this class, given by name '
                        'or index')
    parser.add_shared('--crf')
    parser.add_shared('--opacity', default=0.5)
    parser.add_shared('--device')
    parser.add_argument('--batch-size', type=int, default=1, metavar='N',
                        help='images or frames at once (default: %(default)s)')
    parser.add_argument('--video-suffix', default='.mp4', metavar='SUFFIX',
                        help='.mp4, .webm (for browsers), .avi, .mkv or .mov (default: '
                        '%(default)s)')
    parser.add_shared('--overwrite', '--fast', '--tile', '--overlap', '--cfg-options',
                      '--allow-imports')
    return parser.parse()


def main() -> None:
    predict_to_files(**parse_args())


if __name__ == '__main__':
    run(main)
