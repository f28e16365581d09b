"""Trains runs that differ in one thing each, over seeds, and compares them.

    python tools/analysis_tools/run_experiments.py configs/experiments/camvid.py --amp
    python tools/analysis_tools/run_experiments.py PLAN --seeds 0 1 2 --only base stride_8

What is finished is passed over, and what was cut off goes on; a run that was made with other
settings than those of now is neither, and the tool says so before it trains. The table and its
picture are in the work dir after each run, runs.md and runs.png, and the curves of the losses
against steps and time, losses.png. Differences are from the plan's first change, seed by seed.
"""
from pathlib import Path

from experimenting import run_plan

from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('plan', help='a file that names a config and changes to it')
    parser.add_argument('--work-dir', metavar='DIR', help='gets a folder for each run '
                        '(default: work_dirs/<name of the plan>)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], metavar='N',
                        help='each change is run with each (default: 0)')
    parser.add_argument('--only', nargs='+', default=[], metavar='NAME',
                        help='some of the changes (default: all)')
    parser.add_shared('--amp')
    # As text, to be handed to every run.
    parser.add_shared('--cfg-options', action='store', default=[])
    parser.add_launcher()
    return parser.parse()


def main() -> None:
    args = parse_args()
    run_plan(args['plan'], args['work_dir'] or f'work_dirs/{Path(args["plan"]).stem}',
             Path(__file__).parents[1] / 'train.py', args['seeds'], args['only'],
             ['--launcher', args['launcher']] + ['--amp'] * args['amp'],
             args['cfg_options'])


if __name__ == '__main__':
    run(main)
