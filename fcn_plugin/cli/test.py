"""Evaluates a checkpoint on its config's test set.

    fcn test CONFIG best.pth
    fcn test best.pth                     # by the config that it keeps
"""
from typing import Any

from ..checkpoints.naming import is_weights
from ..utils.arguments import ToolParser


def add_config_and_checkpoint(parser: ToolParser) -> None:
    """Adds both, of which one is enough where that is a checkpoint."""
    parser.add_first('config', help='config, by file or by name; or the '
                     'checkpoint, where it keeps its own')
    parser.add_first('checkpoint', nargs='?', help='the checkpoint, a work dir, or a model '
                     'of the package: objects or street (default: what is in place of the '
                     'config)')


def parse_with_checkpoint(parser: ToolParser) -> dict[str, Any]:
    """Parses after :func:`add_config_and_checkpoint`."""
    arguments = parser.parse()
    if arguments['checkpoint'] is None:
        if not is_weights(arguments['config']):
            parser.error('the following arguments are required: checkpoint')
        arguments['checkpoint'] = arguments['config']
    return arguments


def parse(parser: ToolParser) -> dict[str, Any]:
    add_config_and_checkpoint(parser)
    parser.add_argument('--work-dir', metavar='DIR', help='where the metrics go, as JSON '
                        '(default: work_dirs/<name of the config>)')
    parser.add_argument('--out', metavar='DIR',
                        help='folder for the predicted labels (PNG)')
    parser.add_argument('--show', action='store_true', help='show each image')
    parser.add_argument('--show-dir', metavar='DIR',
                        help='folder for pictures of truth and prediction')
    parser.add_argument('--wait-time', type=float, default=2, metavar='SECONDS',
                        help='how long --show waits (default: %(default)s)')
    parser.add_argument('--original-size', action='store_true',
                        help="judge at the images' own sizes, where the config judges at "
                        'the size that it resizes to')
    parser.add_shared('--fast', '--tile', '--overlap')
    parser.add_argument('--tta', action='store_true', help='test-time augmentation')
    parser.add_shared('--crf', '--cfg-options')
    parser.add_launcher()
    return parse_with_checkpoint(parser)


def run(config: str, cfg_options: dict | None, work_dir: str | None, launcher: str,
        **arguments: Any) -> None:
    from ..checkpoints.loading import open_config
    from ..engine.test import test
    from ..utils.distributed import leave_processes
    test(open_config(config, cfg_options, work_dir, launcher), **arguments)
    leave_processes()
