"""Pictures that compare images with predictions, and with the truth.

    fcn show 'photos/*.jpg' --checkpoint best.pth
    fcn show --checkpoint best.pth  # its validation set
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_images(False, 'an image, a folder of images, or a quoted glob; without '
                      "it, the config's validation set is shown")
    parser.add_shared('--checkpoint', '--config', '--backbone')
    parser.add_shared('--out', default='work_dirs/predict_show')
    parser.add_argument('--max-images', type=int, default=6, metavar='N',
                        help='evenly spread over all (default: %(default)s)')
    parser.add_argument('--heatmap', metavar='CLASS',
                        help='also show the probability of this class, given by name '
                        'or index')
    parser.add_shared('--crf', '--opacity', '--device', '--runtime', '--overwrite')
    parser.add_argument('--show', dest='window', action='store_true',
                        help='also open a window')
    parser.add_shared('--cfg-options', '--allow-imports')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..inference.predict import show
    show(**arguments)
