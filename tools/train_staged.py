"""Trains FCN-32s, then 16s, then 8s: ``tools/train_staged.py FINEST_CONFIG``."""
import argparse
import os
from pathlib import Path

from fcn_plugin.apis.staged import train_staged
from fcn_plugin.utils.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Train every stage that a config names as coarser, and then itself')
    parser.add_argument('config', help='config of the finest stage')
    parser.add_argument('--work-dir', help='gets a folder for each stage '
                        '(default: work_dirs/staged_<name of the config>)')
    parser.add_argument('--start-from', choices=['best', 'last'], default='best',
                        help='which checkpoint of a stage the next one starts from')
    parser.add_argument('--amp', action='store_true', help='as in train.py')
    parser.add_argument('--cfg-options', nargs='+', default=[],
                        help='config entries to override in every stage')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'],
                        default='none', help='as in train.py')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))

    work_dir = args.work_dir or f'work_dirs/staged_{Path(args.config).stem}'
    arguments = ['--launcher', args.launcher] + ['--amp'] * args.amp + (
        ['--debug'] * args.debug)
    train_staged(args.config, work_dir, Path(__file__).with_name('train.py'), arguments,
                 args.cfg_options, args.start_from)


if __name__ == '__main__':
    run(main)
