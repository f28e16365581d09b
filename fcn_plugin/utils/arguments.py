"""The arguments of the command line: those that several subcommands share are worded here.

``fcn`` says ``--checkpoint`` and ``--out`` in every subcommand. The scripts in ``tools``
keep the words that each has had, and ``fcn`` takes those too.

Nothing here imports torch: help, and wrong arguments, are answered at once.
"""
import argparse
import os
import re
from collections.abc import Sequence
from typing import Any

from .errors import InputError


def key_and_value(text: str, example: str = 'train_cfg.max_iters=100') -> str:
    """The type of ``KEY=VALUE`` arguments, which are left to mmengine's DictAction."""
    if '=' not in text:
        raise argparse.ArgumentTypeError(
            f"expected KEY=VALUE such as {example}, not '{text}'")
    return text


#: What DictAction would drop or part values at, and what stands for it within a value.
_HIDDEN = {ord(mark): 0xe000 + i for i, mark in enumerate(' ,()[]')}
#: Stands before what would be read as a number.
_TEXT = '\ue010'
_SHOWN = {hidden: mark for mark, hidden in _HIDDEN.items()} | {ord(_TEXT): None}
#: A text, or one of several, in quotes; brackets and numbers are read as ever, but for codes,
#: which begin with 0: '0016E5' is none.
_QUOTED = re.compile(
    r"""(?<=[=\[(,]) *(["'])(?![\[(]|(?!0\d)[\d., ]*\1)(.*?)\1 *(?=[\]),]|$)""")


def options_of(texts: Sequence[str]) -> dict[str, Any]:
    """What ``KEY=VALUE`` texts say, as mmengine's DictAction reads them, with their blanks,
    and with the commas and brackets of what stands in quotes.

    Raises:
        ValueError: For a dictionary, and brackets that do not match.
    """
    from mmengine.config import DictAction  # imports torch
    namespace = argparse.Namespace(read={})
    for text in texts:
        try:
            if re.search(r'dict\(|=[\s\[(]*{', text):  # of which it would make texts
                raise ValueError
            whole = re.sub(r'(?<=[^\s=\[(,]) +(?=[^\s\]),])', lambda at: at[0].translate(
                _HIDDEN), _QUOTED.sub(_hidden, text))
            if re.match('[^=]*(root|file|dir|path|from|checkpoint)=.*,', whole):
                raise ValueError
            DictAction([], 'read')(argparse.ArgumentParser(), namespace, [whole])
        except (ValueError, AssertionError, RecursionError):
            raise InputError(
                f"'{text}': expected a value, or several in brackets; one with a comma stands "
                "in quotes, KEY='\"a,b\"'. Give a dictionary's values one by one as "
                'KEY.NAME=VALUE, and lists of dictionaries in a config that inherits '
                "(_base_ = 'OTHER.py')") from None
    return _shown(namespace.read)


def _hidden(quoted: re.Match) -> str:
    text = quoted[2].translate(_HIDDEN)
    return _TEXT + text if re.match(r'0\d', text) else text


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shown(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_shown, value))
    return value.translate(_SHOWN) if isinstance(value, str) else value


class _KeysAndValues(list):
    """``KEY=VALUE`` texts, which are read once all arguments are known to be right."""


class KeyValueAction(argparse.Action):
    """``KEY=VALUE ...`` to a dictionary, as mmengine's DictAction reads it."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        before = getattr(namespace, self.dest, None) or ()
        setattr(namespace, self.dest, _KeysAndValues([*before, *values]))


class _OneOrSeveral(argparse.Action):
    """One value as it is, several as a list, none as None."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        setattr(namespace, self.dest,
                values[0] if len(values) == 1 else list(values) or None)


_SHARED: dict[str, dict[str, Any]] = {
    '--checkpoint': dict(
        metavar='FILE|DIR', dest='weight_path',
        help='the checkpoint, a work dir, whose best one it is, or a model of the package: '
        'objects (20 kinds of them, in photographs) or street (default: objects)'),
    '--out': dict(metavar='DIR', dest='out_dir', help='default: %(default)s'),
    '--config': dict(
        metavar='FILE',
        help='the config it was trained with, by file or by name (default: the one kept in '
        'the checkpoint)'),
    '--backbone': dict(
        help="vgg16, vgg19, resnet50 or resnet101: takes this project's FCN-8s where the "
        'checkpoint keeps no config (resnet50 where none is named)'),
    '--device': dict(
        default='auto', help='auto (a GPU where there is one), cpu, cuda:0, ...'),
    '--runtime': dict(
        choices=['auto', 'openvino', 'onnxruntime'], default='auto',
        help='what runs an exported .onnx (default: OpenVINO on an x86 CPU where it is '
        'installed, else onnxruntime)'),
    '--amp': dict(
        action='store_true', help='mixed precision: float16 on a GPU, bfloat16 on a CPU'),
    '--crf': dict(
        action='store_true',
        help='refine the predictions by a dense CRF; its settings are '
        'model.post_processor.*'),
    '--fast': dict(
        action='store_true',
        help='fold batch norms, lay memory out channels last, and compute in 16 bits '
        'where the machine does so natively; of an .onnx the last, by OpenVINO'),
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
        nargs='+', action=KeyValueAction, type=key_and_value, metavar='KEY=VALUE',
        help='override settings of the config, such as train_dataloader.batch_size=8'),
    '--allow-imports': dict(
        nargs='+', default=(), metavar='PACKAGE',
        help="packages that the checkpoint's own config may import, which runs their code "
        '(default: only those of OpenMMLab and this one)'),
    '--launcher': dict(
        choices=['none', 'pytorch', 'slurm', 'mpi'], default='none',
        help='what starts the processes, where there are several (default: %(default)s)'),
}
#: What the tools call the options that ``fcn`` has one word for.
_WORDS_OF_TOOLS = {'--checkpoint': '--weight-path', '--out': '--out-dir'}


class ToolParser(argparse.ArgumentParser):
    """A subcommand's parser, or a tool's.

    Args:
        description (str): The docstring, kept as it is laid out.
        subcommand (str, optional): Of ``fcn``. Defaults to None: a tool, which has its own
            words.
        arguments (Sequence[str], optional): What it parses. Defaults to None: those of the
            process.
    """

    def __init__(self, description: str, subcommand: str | None = None,
                 arguments: Sequence[str] | None = None) -> None:
        super().__init__(prog=f'fcn {subcommand}' if subcommand else None,
                         description=description,
                         formatter_class=argparse.RawDescriptionHelpFormatter)
        self.is_tool = subcommand is None
        self.arguments = arguments

    def add_shared(self, *names: str, **changes: Any) -> None:
        """Adds options that others have too.

        Args:
            names (str): Of the options in ``fcn``, such as ``'--device'``.
            changes (Any): Another ``help``, ``default``, ... for all of them.
        """
        for name in names:
            settings = {**_SHARED[name], **changes}
            old = _WORDS_OF_TOOLS.get(name)
            self.add_argument(old if old and self.is_tool else name, **settings)
            if old and not self.is_tool:
                self.add_argument(old, **{**settings, 'default': argparse.SUPPRESS,
                                          'help': argparse.SUPPRESS})

    def add_first(self, name: str, *old: str, **settings: Any) -> None:
        """Adds a config or a checkpoint that comes first, or by ``--<name>``.

        Args:
            name (str): 'config' or 'checkpoint'.
            old (str): Other options for it. A tool that has one has no other way.
            settings (Any): As for a positional argument, with ``nargs='?'`` where it may be
                left out.
        """
        options = old if self.is_tool else (f'--{name}', *old)
        if old if self.is_tool else self._given(options):
            required = settings.pop('nargs', None) != '?'
            self.add_argument(*options, required=required, **{'dest': name, **settings})
            return
        dest = settings.pop('dest', name)
        self.add_argument(dest, **{'metavar': name, **settings})

    def add_images(self, required: bool, help: str) -> None:
        """Adds what ``fcn`` takes first and the tools by ``--img-path``, one of them."""
        if self.is_tool or self._given(['--img-path']):
            self.add_argument('--img-path', required=required, metavar='PATH|DIR|GLOB',
                              help=help)
        else:
            self.add_argument('img_path', nargs='+' if required else '*', metavar='IMAGE',
                              action=_OneOrSeveral, help=help + '; or several of these')

    def add_output(self, dest: str, **settings: Any) -> None:
        """Adds what must be written: ``--out``, which the tools take as an argument."""
        if self.is_tool:
            self.add_argument(dest, **settings)
        else:
            self.add_argument('--out', dest=dest, required=True, **settings)

    def _given(self, options: Sequence[str]) -> bool:
        return any(each.partition('=')[0] in options for each in self.arguments or ())

    def add_launcher(self) -> None:
        """Adds how several processes are started; ``LOCAL_RANK`` follows from it."""
        self.add_shared('--launcher')
        self.add_argument('--local_rank', '--local-rank', type=int, default=0,
                          help=argparse.SUPPRESS)  # torch.distributed.launch passes it

    def parse(self, intermixed: bool = False) -> dict[str, Any]:
        """Adds ``--debug``, which :func:`fcn_plugin.utils.cli.run` reads, and parses.

        Args:
            intermixed (bool): Let positional arguments follow options. Defaults to False.

        Returns:
            dict: The arguments without ``--debug``.
        """
        self.add_argument('--debug', action='store_true', help='show tracebacks')
        parse = self.parse_intermixed_args if intermixed else self.parse_args
        found = vars(parse(self.arguments))
        del found['debug']
        if 'local_rank' in found:
            os.environ.setdefault('LOCAL_RANK', str(found.pop('local_rank')))
        return {name: options_of(value) if isinstance(value, _KeysAndValues) else value
                for name, value in found.items()}
