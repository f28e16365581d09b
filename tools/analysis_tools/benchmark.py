"""Times a config's model beside plain PyTorch and mmsegmentation.

    python tools/analysis_tools/benchmark.py CONFIG
    python tools/analysis_tools/benchmark.py CONFIG --tasks file --sizes 224 512 1024 2048
    torchrun --nproc_per_node 2 tools/analysis_tools/benchmark.py CONFIG --tasks test train

All contenders have random weights and take turns in one process (or in as many as
torchrun starts). The tasks: labels (scores to labels alone), loss (scores to loss and
gradient alone), metric (labels to counts), file (a JPEG file to its labels), test (a folder
of JPEGs to metrics), train (an iteration).
The contenders: backbone (the config's alone, eager float32), plain (the same layers in a
loop written by hand), mmseg-d8 (mmsegmentation's dilated FCN on ResNet-50), stock (the
config's layers in mmsegmentation's EncoderDecoder), ours, and ours-fast (--fast).

    python tools/analysis_tools/benchmark.py CONFIG --peers --sizes 512 --threads 2

times what others would take in its place: the config's network by onnxruntime, OpenVINO
and PyTorch beside torchvision's LRASPP, segmentation_models_pytorch's FPN and Unet on
EfficientNet-Lite0, transformers' SegFormer-B0, mmsegmentation's PIDNet-S and FCN R50-D8.
"""
import os

import torch
from benchmarking import run_benchmark
from benchmarking.contenders import NAMES
from benchmarking.peers import run_peers
from benchmarking.tasks import TASKS

from fcn_plugin import compat
from fcn_plugin.checkpoints.loading import open_config
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run
from fcn_plugin.utils.errors import InputError
from fcn_plugin.utils.files import check_writable, output_folder


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='config file; its weights do not matter')
    parser.add_argument('--tasks', nargs='+', choices=list(TASKS), default=list(TASKS))
    parser.add_argument('--sizes', nargs='+', type=int, default=[512], metavar='N',
                        help='sides of the images in pixels (default: 512)')
    parser.add_argument('--batches', nargs='+', type=int, default=[1], metavar='N',
                        help='images in a batch (default: 1)')
    parser.add_argument('--classes', nargs='+', type=int, metavar='N', default=[None],
                        help="numbers of classes (default: the config's)")
    parser.add_argument('--contenders', nargs='+', choices=NAMES, default=list(NAMES))
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--amp', action='store_true', help='training, and the loops written '
                        'by hand, in bfloat16')
    parser.add_argument('--rounds', type=int, default=9, help='timed calls (default: 9)')
    parser.add_argument('--images', type=int, default=100,
                        help='images of the task test (default: 100)')
    parser.add_argument('--profile', action='store_true', help='also show what an iteration '
                        'of ours spends its time on')
    parser.add_argument('--threads', type=int, metavar='N',
                        help="that compute, in all runtimes (default: torch's choice)")
    parser.add_argument('--peers', action='store_true', help='an image in memory to labels '
                        "by other projects' networks, on the CPU, in place of the tasks")
    parser.add_argument('--out', help='folder for benchmark.json, .md and .png; with --peers '
                        'for peers.json and .md')
    args = parser.parse()
    if args['peers']:
        others = [f'--{name}' for name in (
            'tasks', 'batches', 'contenders', 'amp', 'images', 'profile')
            if args[name] != parser.get_default(name)]
        others += ['several --classes'] * (len(args['classes']) > 1)
        if others:
            raise InputError(f'--peers cannot be given with {", ".join(others)}: that is of '
                             'the tasks')
    return args


def main() -> None:
    args = parse_args()
    for name in ('sizes', 'batches', 'classes'):
        if any(value is not None and value < 1 for value in args[name]):
            raise InputError(f'--{name} is {args[name]}, expected integers from 1 up')
    for name in ('rounds', 'images'):
        if args[name] < 1:
            raise InputError(f'--{name} is {args[name]}, expected an integer from 1 up')
    if args['out'] is not None:  # before minutes of measuring
        check_writable(output_folder(args['out']))
    threads = args.pop('threads')
    if threads is not None:
        if threads < 1:
            raise InputError(f'--threads is {threads}, expected an integer from 1 up')
        torch.set_num_threads(threads)
    config = open_config(args.pop('config'),
                         launcher='pytorch' if 'WORLD_SIZE' in os.environ else 'none')
    if args.pop('peers'):
        if args['device'] != 'cpu' or config.launcher != 'none':
            raise InputError('--peers are timed on the CPU, in one process: leave --device '
                             'and torchrun out')
        run_peers(config, args['sizes'], args['classes'][0], args['rounds'], args['out'])
        return
    if 'WORLD_SIZE' in os.environ:
        compat.init_cpu_distributed(config)
    run_benchmark(config, **args)


if __name__ == '__main__':
    run(main)
