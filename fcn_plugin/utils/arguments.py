"""The arguments of the command-line tools: those that several share are worded here."""
import argparse
import os
from typing import Any, Dict

from mmengine.config import DictAction


def key_and_value(text: str, example: str = 'train_cfg.max_iters=100') -> str:
    """The type of ``KEY=VALUE`` arguments, which are left to mmengine's DictAction."""
    if '=' not in text:
        raise argparse.ArgumentTypeError(
            f"expected KEY=VALUE such as {example}, not '{text}'")
    return text


_SHARED: Dict[str, Dict[str, Any]] = {
    '--weight-path': dict(
        metavar='FILE',
        help='the checkpoint (default: the model that comes with the package, for '
        'streets)'),
    '--config': dict(
        metavar='FILE',
        help='the config it was trained with (default: the one kept in the checkpoint)'),
    '--backbone': dict(
        help="vgg16, vgg19, resnet50 or resnet101: takes this project's FCN-8s where the "
        'checkpoint keeps no config (resnet50 where none is named)'),
    '--device': dict(
        default='auto', help='auto (a GPU where there is one), cpu, cuda:0, ...'),
    '--amp': dict(
        action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on a CPU'),
    '--crf': dict(
        action='store_true',
        help='refine the predictions by a dense CRF; its settings are '
        'model.post_processor.*'),
    '--fast': dict(
        action='store_true',
        help='fold batch norms, lay memory out channels last, and compute in 16 bits '
        'where the machine does so natively'),
    '--tile': dict(
        type=int, metavar='N',
        help='label images in tiles of N pixels a side, so that memory does not grow '
        'with the image'),
    '--overlap': dict(
        type=int, metavar='N',
        help='pixels that a tile sees beyond what it labels (default: 128)'),
    '--opacity': dict(
        type=float, default=0.6, help='of the colours, 0 to 1 (default: %(default)s)'),
    '--overwrite': dict(action='store_true', help='replace files that exist'),
    '--cfg-options': dict(
        nargs='+', action=DictAction, type=key_and_value, metavar='KEY=VALUE',
        help='override settings of the config, such as train_dataloader.batch_size=8'),
    '--allow-imports': dict(
        nargs='+', default=(), metavar='PACKAGE',
        help="packages that the checkpoint's own config may import, which runs their code "
        '(default: only those of OpenMMLab and this one)'),
    '--launcher': dict(
        choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
        help='what starts the processes, where there are several (default: %(default)s)'),
}


class ToolParser(argparse.ArgumentParser):
    """A tool's parser.

    Args:
        description (str): The tool's docstring, kept as it is laid out.
    """

    def __init__(self, description: str) -> None:
        super().__init__(description=description,
                         formatter_class=argparse.RawDescriptionHelpFormatter)

    def add_shared(self, *names: str, **changes: Any) -> None:
        """Adds options that other tools have too.

        Args:
            names (str): Of the options, such as ``'--device'``.
            changes (Any): Another ``help``, ``default``, ... for all of them.
        """
        for name in names:
            self.add_argument(name, **{**_SHARED[name], **changes})

    def add_launcher(self) -> None:
        """Adds how several processes are started; ``LOCAL_RANK`` follows from it."""
        self.add_shared('--launcher')
        self.add_argument('--local_rank', '--local-rank', type=int, default=0,
                          help=argparse.SUPPRESS)  # torch.distributed.launch passes it

    def parse(self, intermixed: bool = False) -> Dict[str, Any]:
        """Adds ``--debug``, which :func:`fcn_plugin.utils.cli.run` reads, and parses.

        Args:
            intermixed (bool): Let positional arguments follow options. Defaults to False.

        Returns:
            dict: The tool's own arguments.
        """
        self.add_argument('--debug', action='store_true', help='show tracebacks')
        found = vars(self.parse_intermixed_args() if intermixed else self.parse_args())
        del found['debug']
        if 'local_rank' in found:
            os.environ.setdefault('LOCAL_RANK', str(found.pop('local_rank')))
        return found
