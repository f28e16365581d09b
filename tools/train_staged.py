"""Trains FCN-32s, then 16s, then 8s: every stage that a config names as coarser.

    python tools/train_staged.py configs/paper/FINEST_CONFIG.py
"""
from pathlib import Path

from fcn_plugin.apis.staged import train_staged
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='config of the finest stage')
    parser.add_argument('--work-dir', metavar='DIR', help='gets a folder for each stage '
                        '(default: work_dirs/staged_<name of the config>)')
    parser.add_argument('--start-from', choices=['best', 'last'], default='best',
                        help='which checkpoint of a stage the next one starts from '
                        '(default: %(default)s)')
    parser.add_shared('--amp')
    # As text, to be handed to every stage.
    parser.add_shared('--cfg-options', action='store', default=[])
    parser.add_launcher()
    return parser.parse()


def main() -> None:
    args = parse_args()
    work_dir = args['work_dir'] or f'work_dirs/staged_{Path(args["config"]).stem}'
    arguments = ['--launcher', args['launcher']] + ['--amp'] * args['amp']
    train_staged(args['config'], work_dir, Path(__file__).with_name('train.py'),
                 arguments, args['cfg_options'], args['start_from'])


if __name__ == '__main__':
    run(main)
