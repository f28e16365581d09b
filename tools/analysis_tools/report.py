"""Makes one HTML page of a training run.

    python tools/analysis_tools/report.py work_dirs/<name of the config>
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.report import report
from fcn_plugin.utils.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Writes a training run as one HTML page that needs no other file: '
        'curves, the four figures, classes, confusions, best and worst images, config.')
    parser.add_argument('work_dir', help='the folder that the training wrote')
    parser.add_argument('--out', metavar='FILE', help='default: WORK_DIR/report.html')
    parser.add_argument('--config', metavar='FILE', help='default: the one in WORK_DIR')
    parser.add_argument('--weight-path', metavar='FILE',
                        help='default: the best checkpoint in WORK_DIR, else the last')
    parser.add_argument('--images', type=int, default=30, metavar='N',
                        help='how many are shown at most; 0 predicts nothing; default: '
                        '%(default)s')
    parser.add_argument('--max-images', type=int, metavar='N',
                        help='judge so many, evenly spread over the validation set; '
                        'default: all')
    parser.add_argument('--opacity', type=float, default=0.6,
                        help='of the colours, 0 to 1; default: %(default)s')
    parser.add_argument('--device', default='auto',
                        help='auto (a GPU where there is one), cpu, cuda:0, ...')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace a page that exists')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        metavar='KEY=VALUE', help='override settings of the config')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    args = vars(parser.parse_args())
    del args['debug']  # read by run()
    report(**args)


if __name__ == '__main__':
    run(main)
