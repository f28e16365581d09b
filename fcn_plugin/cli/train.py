"""Trains a config's network, or on a folder of yours, and says how good it is.

    fcn train                             # on the built-in data: three minutes, no download
    fcn train fcn-8s_r50_1xb16-20k_voc12-224x224
    fcn train data/mine                   # images and masks, or a labelling tool's export
    fcn train data/mine-fcn/config.py --amp
"""
from pathlib import Path
from typing import Any

from ..utils.arguments import ToolParser

BUILT_IN = 'fcn-8s_r18-half_1xb16-850_shapes-128x128'


def parse(parser: ToolParser) -> dict[str, Any]:
    if parser.is_tool:
        parser.add_first('config', help='config, by file or by name; or a folder of data')
    else:
        parser.add_first('config', nargs='?', default=BUILT_IN, help='config, by file or by '
                         'name, or a folder of data (default: %(default)s, on the built-in '
                         'data)')
    parser.add_argument('--base', metavar='NAME', help='with a folder: which of configs/fcn '
                        'to train, or which model of the package to go on from, objects or '
                        'street (default: by the size of what is to be found)')
    parser.add_argument('--work-dir', metavar='DIR', help='where checkpoints and logs go '
                        '(default: work_dirs/<name of the config or the folder>)')
    parser.add_argument('--resume', action='store_true',
                        help='go on from the latest checkpoint in the work dir')
    parser.add_shared('--amp')
    parser.add_argument('--compile', dest='compile_backbone', action='store_true',
                        help='compile the backbone, once for all image sizes')
    parser.add_shared('--cfg-options')
    parser.add_launcher()
    return parser.parse()


def run(config: str, cfg_options: dict | None, work_dir: str | None, launcher: str,
        resume: bool, amp: bool, compile_backbone: bool, base: str | None) -> None:
    from ..engine.train import train, use_amp
    from ..utils.config import load_config
    from ..utils.distributed import leave_processes
    from ..utils.errors import InputError
    from ..utils.paths import config_names
    if Path(config).is_dir() and config not in config_names():
        from ..own_training.train_folder import train_folder
        if launcher != 'none':
            raise InputError(f'--launcher {launcher}: {config} is a folder, and one process '
                             'trains on that; fcn check-data writes a config for several')
        train_folder(config, base, work_dir, cfg_options, resume, amp, compile_backbone)
        return
    if base is not None:
        raise InputError(f'--base {base}: that is for a folder of data, and {config} is none')
    cfg = load_config(config, cfg_options, work_dir, launcher)
    if amp:
        use_amp(cfg)
    cfg.resume = resume or cfg.get('resume', False)
    train(cfg, compile_backbone)
    leave_processes()
