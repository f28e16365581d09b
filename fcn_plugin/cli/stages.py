"""Trains FCN-32s, then 16s, then 8s: every stage that a config names as coarser.

    fcn stages fcn-8s_vgg16_1xb1-100k_voc11
"""
from typing import Any

from ..utils.arguments import ToolParser
from ..utils.paths import config_file, config_root


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_first('config', help='config of the finest stage, by file or by name')
    parser.add_argument('--work-dir', metavar='DIR', help='gets a folder for each stage '
                        '(default: work_dirs/staged_<name of the config>)')
    parser.add_argument('--start-from', choices=['best', 'last'], default='best',
                        help='which checkpoint of a stage the next one starts from '
                        '(default: %(default)s)')
    parser.add_shared('--amp')
    # As text, to be handed to every stage.
    parser.add_shared('--cfg-options', action='store', default=[])
    parser.add_launcher()
    return parser.parse()


def run(config: str, work_dir: str | None, start_from: str, amp: bool,
        cfg_options: list[str], launcher: str) -> None:
    from ..engine.staged import train_staged
    path = config_file(config)
    train_staged(str(path), work_dir or f'work_dirs/staged_{path.stem}',
                 config_root().with_name('tools') / 'train.py',
                 ['--launcher', launcher] + ['--amp'] * amp, cfg_options, start_from)
