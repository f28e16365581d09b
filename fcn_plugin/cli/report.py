"""Makes one HTML page of a training run, which needs no other file.

    fcn report work_dirs/<name of the config>

It has curves, the four figures, classes, confusions, best and worst images, the config.
"""
from typing import Any

from ..utils.arguments import ToolParser


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_argument('work_dir', help='the folder that the training wrote')
    parser.add_argument('--out', metavar='FILE', help='default: WORK_DIR/report.html')
    parser.add_shared('--config', help='default: the one in WORK_DIR')
    parser.add_shared('--checkpoint',
                      help='default: the best checkpoint in WORK_DIR, else the last')
    parser.add_argument('--images', type=int, default=30, metavar='N',
                        help='how many are shown at most; 0 predicts nothing (default: '
                        '%(default)s)')
    parser.add_argument('--max-images', type=int, metavar='N',
                        help='judge so many, evenly spread over the validation set '
                        '(default: all)')
    parser.add_shared('--opacity', '--device', '--overwrite', '--cfg-options')
    return parser.parse()


def run(**arguments: Any) -> None:
    from ..reports.report import report
    report(**arguments)
