"""Evaluates a checkpoint on its config's test set.

    python tools/test.py configs/fcn/CONFIG.py best.pth
"""
from fcn_plugin.apis.config import load_config
from fcn_plugin.apis.test import test
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', metavar='DIR', help='where the metrics go, as JSON '
                        '(default: work_dirs/<name of the config>)')
    parser.add_argument('--out', metavar='DIR',
                        help='folder for the predicted labels (PNG)')
    parser.add_argument('--show', action='store_true', help='show each image')
    parser.add_argument('--show-dir', metavar='DIR',
                        help='folder for pictures of truth and prediction')
    parser.add_argument('--wait-time', type=float, default=2, metavar='SECONDS',
                        help='how long --show waits (default: %(default)s)')
    parser.add_argument('--original-size', action='store_true',
                        help="judge at the images' own sizes, where the config judges at "
                        'the size that it resizes to')
    parser.add_shared('--fast', '--tile', '--overlap')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    parser.add_shared('--crf', '--cfg-options')
    parser.add_launcher()
    return parser.parse()


def main() -> None:
    args = parse_args()
    config = load_config(args.pop('config'), args.pop('cfg_options'),
                         args.pop('work_dir'), args.pop('launcher'))
    test(config, args.pop('checkpoint'), **args)


if __name__ == '__main__':
    run(main)
