"""Evaluates a checkpoint: ``tools/test.py CONFIG CHECKPOINT``."""
import argparse
import os

from mmengine.config import DictAction

from fcn_plugin.apis.config import load_config
from fcn_plugin.apis.test import test
from fcn_plugin.utils.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(description='Test (and evaluate) a segmentor')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='where the metrics go, as JSON '
                        '(default: work_dirs/<name of the config>)')
    parser.add_argument('--out', help='folder for the predicted labels (PNG)')
    parser.add_argument('--show', action='store_true', help='show each image')
    parser.add_argument('--show-dir', help='folder for pictures of truth and '
                        'prediction')
    parser.add_argument('--wait-time', type=float, default=2,
                        help='seconds that --show waits')
    parser.add_argument('--original-size', action='store_true',
                        help='judge at the images\' own sizes, where the config judges '
                        'at the size that it resizes to')
    parser.add_argument('--fast', action='store_true',
                        help='fold batch norms, lay memory out channels last, and compute '
                        'in 16 bits where the machine does so natively')
    parser.add_argument('--tile', type=int, metavar='N',
                        help='label images in tiles of N pixels a side, so that memory '
                        'does not grow with the image')
    parser.add_argument('--overlap', type=int, default=128, metavar='N',
                        help='pixels that neighbouring tiles share (default: 128)')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    parser.add_argument('--crf', action='store_true', help='refine the predictions by a '
                        'dense CRF; its settings are model.post_processor.*')
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
    test(config, args.checkpoint, tta=args.tta, original_size=args.original_size,
         crf=args.crf, out=args.out, show=args.show, show_dir=args.show_dir,
         wait_time=args.wait_time, fast=args.fast, tile=args.tile, overlap=args.overlap)


if __name__ == '__main__':
    run(main)
