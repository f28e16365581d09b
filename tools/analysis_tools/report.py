"""Makes one HTML page of a training run, which needs no other file.

    python tools/analysis_tools/report.py work_dirs/<name of the config>

It has curves, the four figures, classes, confusions, best and worst images, the config.
"""
from fcn_plugin.apis.report import report
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('work_dir', help='the folder that the training wrote')
    parser.add_argument('--out', metavar='FILE', help='default: WORK_DIR/report.html')
    parser.add_argument('--config', metavar='FILE', help='default: the one in WORK_DIR')
    parser.add_argument('--weight-path', metavar='FILE',
                        help='default: the best checkpoint in WORK_DIR, else the last')
    parser.add_argument('--images', type=int, default=30, metavar='N',
                        help='how many are shown at most; 0 predicts nothing (default: '
                        '%(default)s)')
    parser.add_argument('--max-images', type=int, metavar='N',
                        help='judge so many, evenly spread over the validation set '
                        '(default: all)')
    parser.add_shared('--opacity', '--device', '--overwrite', '--cfg-options')
    return parser.parse()


def main() -> None:
    report(**parse_args())


if __name__ == '__main__':
    run(main)
