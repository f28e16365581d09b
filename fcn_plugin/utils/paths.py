"""Where the package's own files lie, and paths as a reader sees them."""
import difflib
import os
import shlex
import sys
from pathlib import Path
from typing import Union

_PACKAGE = Path(__file__).resolve().parents[1]


def config_root() -> Path:
    """The folder of the configs: ``.mim/configs`` of an installed package, or
    ``configs`` of the checkout.

    Raises:
        FileNotFoundError: If there is neither.
    """
    candidates = (_PACKAGE / '.mim' / 'configs', _PACKAGE.parent / 'configs')
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise FileNotFoundError('the configs of fcn_plugin are neither at '
                            f'{candidates[0]} nor at {candidates[1]}; install the '
                            'package again, or give a config by its path')


def config_path(name: str) -> Path:
    """Finds one of the package's own configs.

    Args:
        name (str): Path under the folder of the configs, such as
            ``'fcn/fcn-8s_r50_1xb16-20k_voc12-224x224.py'``, or the file's name
            alone, with or without ``.py``.

    Raises:
        FileNotFoundError: If there is none of that name; similar ones are listed.
    """
    folder = config_root()
    if (folder / name).is_file():
        return folder / name
    runs = {path.stem: path for path in sorted(folder.glob('[!_]*/*.py'))}
    stem = Path(name).stem if name.endswith('.py') else Path(name).name
    if stem in runs and name in (stem, f'{stem}.py'):
        return runs[stem]
    similar = difflib.get_close_matches(stem, runs, n=5, cutoff=0.5) or list(runs)
    raise FileNotFoundError(f"no config '{name}' in {folder}"
                            + (f'; there are {", ".join(similar)}' if similar else ''))


def shown(path: Union[str, Path]) -> str:
    """A path as seen from the working directory, where it lies below it.

    Links are not followed: ``.venv/bin/python`` stays what it is.
    """
    path = os.path.abspath(path)
    here = os.getcwd() + os.sep
    return path[len(here):] if path.startswith(here) else path


def python_command() -> str:
    """This very Python, to be pasted into a shell: the one that has the package."""
    return shlex.quote(shown(sys.executable))


def tool_command(tool: str) -> str:
    """How a tool is called from here, to be pasted into a shell.

    Args:
        tool (str): Its path below ``tools``, such as ``'misc/doctor.py'``. The folder
            is that of the tool now running, if it is one.

    Returns:
        str: Such as ``.venv/bin/python tools/misc/doctor.py``.
    """
    folders = [folder for folder in Path(sys.argv[0]).parents if folder.name == 'tools']
    folder = folders[0] if folders else Path('tools')
    return f'{python_command()} {shlex.quote(shown(folder / tool))}'
