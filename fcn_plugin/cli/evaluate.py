"""Judges any model on a folder of images and one of masks, in other light too.

    fcn evaluate best.pth data/camvid/val data/camvid/valannot \\
        --ignore 11 --conditions all --out judged
"""
from typing import Any

from ..utils.arguments import ToolParser

CONDITIONS = ('as taken', 'dark', 'dusk', 'warm', 'cold', 'haze', 'blurred')


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_first('checkpoint', help='the checkpoint, a work dir, a model of the '
                     'package: objects or street, or a network exported to .onnx')
    parser.add_argument('images', help='folder or glob')
    parser.add_argument('labels', help='folder or glob of masks named as the images '
                        '(a_mask.png for a.jpg), whose pixels are class numbers, or as the '
                        'masks of training')
    parser.add_shared('--config')
    parser.add_argument('--task', metavar='NAME', help='the task to judge, of a network of '
                        'several (default: the first)')
    parser.add_shared('--out', help='writes the tables, and the best, median and worst '
                      'images')
    parser.add_argument('--ignore', type=int, nargs='+', metavar='LABEL',
                        help='of pixels that do not count (default: 255, where that was no '
                        'class in training)')
    parser.add_argument('--conditions', nargs='+', default=['as taken'], metavar='NAME',
                        help=f'all, or some of {", ".join(CONDITIONS)} (default: as taken)')
    parser.add_argument('--pictures', type=int, default=6, metavar='N',
                        help='how many images are shown (default: %(default)s)')
    parser.add_argument('--max-images', type=int, metavar='N',
                        help='judge so many, evenly spread (default: all)')
    parser.add_argument('--batch-size', type=int, default=1, metavar='N',
                        help='images at once (default: %(default)s)')
    parser.add_shared('--device', '--fast', '--overwrite', '--cfg-options', '--allow-imports')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..reports.evaluate_folder import evaluate_folder
    evaluate_folder(**arguments)
