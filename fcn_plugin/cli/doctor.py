"""Says what is installed, what works here, and how to mend what does not.

    fcn doctor
    fcn doctor CONFIG   # its types, weights and data too

The exit code is 0 if there is no fault, 1 if there is one, 2 after an error.
"""
import subprocess
import sys
from typing import Any

from .. import register
from ..utils.arguments import ToolParser

REGISTERS = True  # it says what keeps the package from being imported


def parse(parser: ToolParser) -> dict[str, Any]:
    parser.add_first('config', nargs='?', help='a config to try, or a checkpoint that '
                     'keeps one, by file or by name')
    parser.add_shared('--cfg-options')
    return parser.parse()


def run(**arguments: Any) -> None:
    try:
        register()
    except Exception as error:  # whatever a broken installation raises
        explain_import(error)
    from ..diagnosis.doctor import examine
    if not examine(**arguments):
        sys.exit(1)


def explain_import(error: Exception) -> None:
    """The package does not even import: what pip makes of the environment."""
    done = subprocess.run([sys.executable, '-m', 'pip', 'check'], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(f'FAULT fcn_plugin cannot be imported: {type(error).__name__}: {error}\n'
          f'pip check says: {done.stdout.strip()}\n'
          f'fix: {sys.executable} -m pip install -c constraints.txt -e .')
    sys.exit(1)
