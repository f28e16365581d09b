"""What ``fcn`` offers, and the way from its words to a subcommand.

A subcommand is a module of its name here and a line in :data:`SUBCOMMANDS`. It has
``parse(parser)``, which adds arguments and returns them parsed, and ``run(**arguments)``,
which imports what does the work; with ``REGISTERS = True`` it registers the package's
types itself, where it needs them. Help and wrong arguments need neither torch nor mmseg.
"""
import difflib
import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from .. import register
from ..utils.arguments import ToolParser
from ..utils.cli import run
from ..utils.errors import InputError
from ..utils.memory import keep_imported
from ..version import __version__

SUBCOMMANDS = {
    'train': 'train a network; without a config, on the built-in data',
    'test': 'judge a checkpoint on the test set of its config',
    'predict': 'segment images and videos',
    'show': 'compare images with predictions, and with the truth',
    'check-data': 'check a folder of images and masks; write a config for it',
    'suggest': 'choose images to label next',
    'doctor': 'say what is installed, what works and how to mend the rest',
    'export': 'write a network as one ONNX file',
    'report': 'make one HTML page of a training run',
    'evaluate': 'judge any model on a folder of images and one of masks',
    'describe': 'list the maps of a backbone; print a config of an FCN on it',
    'draw': "draw a config's network",
    'stages': 'train FCN-32s, then 16s, then 8s',
    'tune-crf': 'fit the settings of a dense CRF to a network',
    'stride-ceiling': 'say what mean IoU an output stride allows',
    'publish': 'make a file to give away of a checkpoint',
    'convert caffe2fcn': "convert the authors' released nets to checkpoints",
    'convert fcn2port': "write a checkpoint with Caffe's layer names",
    'download': 'download VOC 2012, VOC 2011 or SBD',
    'paper-data': 'convert NYUDv2 or SIFT Flow to folders',
    'sbd2voc': 'add the masks and lists of SBD to VOC 2012',
    'shapes2voc': 'write the built-in shapes to disk as VOC lays them out',
}


def main(subcommand: str | None = None, description: str | None = None) -> None:
    """The command ``fcn``, or one subcommand in the words of a script of ``tools``.

    Args:
        subcommand (str, optional): The one that a script stands for. Defaults to None:
            the first argument says it.
        description (str, optional): The script's docstring.
    """
    run(_fcn if subcommand is None else partial(
        call, subcommand, sys.argv[1:], description or ''))


def _fcn() -> None:
    arguments = sys.argv[1:]
    if arguments[:1] == ['--version']:
        print(f'fcn {__version__}')
    elif not arguments or arguments[0] in ('-h', '--help'):
        print(overview(), file=sys.stdout if arguments else sys.stderr)
        if not arguments:
            sys.exit(2)
    else:
        name = named(arguments)
        call(name, arguments[len(name.split()):])


def overview() -> str:
    """``fcn --help``, which fits on a screen of 24 lines of 80 columns."""
    return '\n'.join(['usage: fcn SUBCOMMAND ... (fcn SUBCOMMAND --help says more), or '
                      'fcn --version', '', *(f'  {name:<19}{line}'
                                         for name, line in SUBCOMMANDS.items())])


def named(arguments: Sequence[str]) -> str:
    """The subcommand that arguments begin with, in one word or two.

    Raises:
        ValueError: If there is none; the closest ones are named.
    """
    for count in (1, 2):
        name = ' '.join(arguments[:count])
        if name in SUBCOMMANDS:
            return name
    first = arguments[0]
    kinds = [each for each in SUBCOMMANDS if each.startswith(f'{first} ')]
    if kinds:
        raise InputError(f"'fcn {first}' needs to know which: "
                         + ' or '.join(f'fcn {each}' for each in kinds))
    close = difflib.get_close_matches(first, SUBCOMMANDS, n=2, cutoff=0.5)
    raise InputError(f"fcn has no subcommand '{first}'" + (
        f', did you mean {" or ".join(close)}?' if close else '')
        + ' (fcn --help lists them)')


def parsed(subcommand: str, arguments: Sequence[str], description: str | None = None
           ) -> tuple[ModuleType, dict[str, Any]]:
    """A subcommand's module, and its arguments as ``run`` of that takes them.

    Args:
        subcommand (str): A key of :data:`SUBCOMMANDS`.
        arguments (Sequence[str]): What follows it.
        description (str, optional): Of the tool whose words these are. Defaults to None:
            those of ``fcn``.
    """
    module = import_module(f'.{subcommand.split()[-1].replace("-", "_")}', __package__)
    parser = ToolParser(module.__doc__ or '', subcommand, arguments) if (
        description is None) else ToolParser(description, None, arguments)
    return module, module.parse(parser)


def call(subcommand: str, arguments: Sequence[str], description: str | None = None) -> None:
    """Runs a subcommand; see :func:`parsed`."""
    module, found = parsed(subcommand, arguments, description)
    if not getattr(module, 'REGISTERS', False):
        register()
        keep_imported()
    module.run(**found)
