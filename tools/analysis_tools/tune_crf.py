"""Fits the settings of a dense CRF to a network, and prints them as a config block.

    python tools/analysis_tools/tune_crf.py configs/fcn/CONFIG.py best.pth --images 20

The images are of the training split unless --split says otherwise: never fit on the
images that judge the result.
"""
import argparse

from mmengine.config import DictAction

from fcn_plugin.apis.config import load_config
from fcn_plugin.apis.tune_crf import tune_crf
from fcn_plugin.utils.cli import run


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
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
    parser.add_argument('--engine', choices=['torch', 'pydensecrf2'], default='torch',
                        help='default: %(default)s')
    parser.add_argument('--device', default='auto',
                        help='auto (a GPU where there is one), cpu, cuda:0, ...')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        metavar='KEY=VALUE', help='override settings of the config')
    parser.add_argument('--debug', action='store_true', help='show tracebacks')
    return parser.parse_args()


def main() -> None:
    args = vars(parse_args())
    del args['debug']  # read by run()
    config = load_config(args.pop('config'), args.pop('cfg_options'))
    tune_crf(config, args.pop('checkpoint'), **args)


if __name__ == '__main__':
    run(main)
