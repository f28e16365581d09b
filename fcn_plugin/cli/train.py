"""Trains a config's network, and says how good it is.

    fcn train                             # on the built-in data: three minutes, no download
    fcn train fcn-8s_r50_1xb16-20k_voc12-224x224
    fcn train data/mine-fcn/config.py --amp
"""
from typing import Any

from ..utils.arguments import ToolParser

BUILT_IN = 'fcn-8s_r18-half_1xb16-850_shapes-128x128'


def parse(parser: ToolParser) -> dict[str, Any]:
    if parser.is_tool:
        parser.add_first('config', help='config, by file or by name')
    else:
        parser.add_first('config', nargs='?', default=BUILT_IN, help='config, by file or by '
                         'name (default: %(default)s, on the built-in data)')
    parser.add_argument('--work-dir', metavar='DIR', help='where checkpoints and logs go '
                        '(default: work_dirs/<name of the config>)')
    parser.add_argument('--resume', action='store_true',
                        help='go on from the latest checkpoint in the work dir')
    parser.add_shared('--amp')
    parser.add_argument('--compile', dest='compile_backbone', action='store_true',
                        help='compile the backbone, once for all image sizes')
    parser.add_shared('--cfg-options')
    parser.add_launcher()
    return parser.parse()


def run(config: str, cfg_options: dict | None, work_dir: str | None, launcher: str,
        resume: bool, amp: bool, compile_backbone: bool) -> None:
    from ..engine.train import train, use_amp
    from ..utils.config import load_config
    cfg = load_config(config, cfg_options, work_dir, launcher)
    if amp:
        use_amp(cfg)
    cfg.resume = resume or cfg.get('resume', False)
    train(cfg, compile_backbone)
