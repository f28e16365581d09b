"""Fits the settings of a dense CRF to a network, and prints them as a config block.

    python tools/analysis_tools/tune_crf.py configs/fcn/CONFIG.py best.pth --images 20

The images are of the training split unless --split says otherwise: never fit on the
images that judge the result.
"""
from fcn_plugin.apis.config import load_config
from fcn_plugin.apis.tune_crf import tune_crf
from fcn_plugin.utils.arguments import ToolParser
from fcn_plugin.utils.cli import run


def parse_args() -> dict:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--images', type=int, default=20, metavar='N',
                        help='evenly spread over the split; default: %(default)s')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train',
                        help='whose images; default: %(default)s')
    parser.add_argument('--trimap', type=int, metavar='PX',
                        help='judge only pixels less than PX from a boundary')
    parser.add_argument('--steps', type=int, default=10, metavar='N',
                        help='mean-field steps; default: %(default)s')
    parser.add_shared('--device', '--cfg-options')
    return parser.parse()


def main() -> None:
    args = parse_args()
    config = load_config(args.pop('config'), args.pop('cfg_options'))
    tune_crf(config, args.pop('checkpoint'), **args)


if __name__ == '__main__':
    run(main)
