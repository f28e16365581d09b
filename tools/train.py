"""Trains a segmentor: ``tools/train.py CONFIG``."""
import argparse
import os

from mmengine.config import DictAction

from fcn_plugin.apis.config import load_config
from fcn_plugin.apis.train import train, use_amp
from fcn_plugin.utils.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(description='Train a segmentor')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='where checkpoints and logs go '
                        '(default: work_dirs/<name of the config>)')
    parser.add_argument('--resume', action='store_true',
                        help='go on from the latest checkpoint in the work dir')
    parser.add_argument('--amp', action='store_true',
                        help='mixed precision: float16 on a GPU, bfloat16 on a CPU')
    parser.add_argument('--compile', action='store_true',
                        help='compile the backbone, once for all image sizes')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='config entries to override, as key.subkey=value')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'],
                        default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0,
                        help=argparse.SUPPRESS)
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))

    config = load_config(args.config, args.cfg_options, args.work_dir, args.launcher)
    if args.amp:
        use_amp(config)
    config.resume = args.resume or config.get('resume', False)
    train(config, compile_backbone=args.compile)


if __name__ == '__main__':
    run(main)
