"""Trains a config's network, and says how good it is.

    python tools/train.py configs/fcn/CONFIG.py
"""
from fcn_plugin.apis.config import load_config
from fcn_plugin.apis.train import train, use_amp
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', metavar='DIR', help='where checkpoints and logs go '
                        '(default: work_dirs/<name of the config>)')
    parser.add_argument('--resume', action='store_true',
                        help='go on from the latest checkpoint in the work dir')
    parser.add_shared('--amp')
    parser.add_argument('--compile', action='store_true',
                        help='compile the backbone, once for all image sizes')
    parser.add_shared('--cfg-options')
    parser.add_launcher()
    return parser.parse()


def main() -> None:
    args = parse_args()
    config = load_config(args['config'], args['cfg_options'], args['work_dir'],
                         args['launcher'])
    if args['amp']:
        use_amp(config)
    config.resume = args['resume'] or config.get('resume', False)
    train(config, compile_backbone=args['compile'])


if __name__ == '__main__':
    run(main)
