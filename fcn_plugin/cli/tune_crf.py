"""Fits the settings of a dense CRF to a network, and prints them as a config block.

    fcn tune-crf CONFIG best.pth --images 20
    fcn tune-crf best.pth                 # by the config that it keeps

The images are of the training split unless --split says otherwise: never fit on the
images that judge the result.
"""
from typing import Any

from ..utils.arguments import ToolParser
from .test import add_config_and_checkpoint, parse_with_checkpoint


def parse(parser: ToolParser) -> dict[str, Any]:
    add_config_and_checkpoint(parser)
    parser.add_argument('--images', type=int, default=20, metavar='N',
                        help='evenly spread over the split; default: %(default)s')
    parser.add_argument('--split', choices=['train', 'val', 'test'], default='train',
                        help='whose images; default: %(default)s')
    parser.add_argument('--trimap', type=int, metavar='PX',
                        help='judge only pixels less than PX from a boundary')
    parser.add_argument('--steps', type=int, default=10, metavar='N',
                        help='mean-field steps; default: %(default)s')
    parser.add_shared('--device', '--cfg-options')
    return parse_with_checkpoint(parser)


def run(config: str, cfg_options: dict | None, **arguments: Any) -> None:
    from ..checkpoints.loading import open_config
    from ..reports.tune_crf import tune_crf
    tune_crf(open_config(config, cfg_options), **arguments)
