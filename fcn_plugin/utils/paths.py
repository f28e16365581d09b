"""Where the package's own files lie, and paths as a reader sees them."""
import difflib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PathLike = str | Path
#: How the names of images end, in small letters.
IMAGE_SUFFIXES = ('.bmp', '.gif', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff',
                  '.webp')
VIDEO_SUFFIXES = ('.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm')
#: How files of weights end; mmengine writes the first.
WEIGHT_SUFFIXES = ('.pth', '.pt', '.safetensors')
#: How files end that hold others.
PACKED = ('.7z', '.bz2', '.gz', '.rar', '.tar', '.tgz', '.xz', '.zip')
#: How the address of a model on the Hugging Face hub begins.
HUB = 'hf://'
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
            alone; each with or without ``.py``.

    Raises:
        FileNotFoundError: If there is none of that name; similar ones are listed.
    """
    folder = config_root()
    for path in (folder / name, folder / f'{name}.py'):
        if path.is_file():
            return path
    runs = config_names()
    stem = name.removesuffix('.py')
    if stem in runs:
        return runs[stem]
    begun = [run for run in runs if run.startswith(Path(stem).name)]
    similar = [*begun, *(run for run in difflib.get_close_matches(
        Path(stem).name, runs, n=3, cutoff=0) if run not in begun)][:3]
    raise FileNotFoundError(f"no config '{name}' in {folder}"
                            + (f'; the closest are {", ".join(similar)}' if similar else ''))


def config_names() -> dict[str, Path]:
    """The package's configs by name; plans of experiments are none."""
    return {path.stem: path for path in sorted(config_root().glob('[!_]*/*.py'))
            if path.parent.name != 'experiments'}


def config_file(config: str | Path) -> Path:
    """The file of a config that is given by its path or, failing that, by its name.

    Args:
        config (str or Path): A path, or a name as :func:`config_path` takes it.

    Raises:
        FileNotFoundError: If it is neither; what lies beside it, or similar names, are
            listed.
    """
    path = Path(config)
    if path.is_file():
        return path
    what = 'config file' if path.suffix or path.is_dir() else 'config file or folder'
    missing = f'{config}: no such {what}'
    folder = path if path.is_dir() else path.parent
    named = path.parts and not path.is_absolute() and '..' not in path.parts
    if named and (config_root() / path.parent).is_dir():
        try:
            return config_path(str(config))
        except FileNotFoundError as error:
            if not path.is_dir():
                raise FileNotFoundError(f'{missing}, and {error}') from None
    beside = ', '.join(sorted(p.name for p in folder.glob('*.py'))[:20])
    missing += f'; {folder} holds {beside}' if beside else f', and {folder} has none either'
    similar = difflib.get_close_matches(path.stem, config_names(), n=3, cutoff=0.8)
    if similar:
        missing += f'; by name there is {", ".join(similar)}'
    elif not path.suffix:
        missing += f", and no config of the package is called '{path.name}'"
    raise FileNotFoundError(missing)


def shown(path: str | Path) -> str:
    """A path as seen from the working directory, where it lies below it.

    Links are not followed: ``.venv/bin/python`` stays what it is.
    """
    path = os.path.abspath(path)
    here = os.getcwd() + os.sep
    return path[len(here):] if path.startswith(here) else path


def quoted(word: str, windows: bool = os.name == 'nt') -> str:
    """A word as a command line takes it: in double quotes where Windows needs some."""
    return subprocess.list2cmdline([word]) if windows else shlex.quote(word)


def python_command() -> str:
    """This very Python, to be pasted into a shell: the one that has the package."""
    return quoted(shown(sys.executable))


#: What ``fcn`` says for the words of the tools.
_WORDS_OF_FCN = {'--weight-path': '--checkpoint', '--img-path': '', '--out-dir': '--out',
                 'check_dataset': 'check-data', 'predict_show': 'show',
                 'train_staged': 'stages'}


def tool_command(tool: str, *arguments: str) -> str:
    """How a tool is called from here, to be pasted into a shell.

    Args:
        tool (str): Its path below ``tools``, such as ``'misc/doctor.py'``. The folder
            is that of the tool now running, if it is one.
        arguments (str): What follows, in the tool's words.

    Returns:
        str: Such as ``.venv/bin/python tools/misc/doctor.py``, or ``fcn doctor`` where
        ``fcn`` is running.
    """
    command = _running_fcn()
    if command is not None:
        words = (_WORDS_OF_FCN.get(word, word) for word in (Path(tool).stem, *arguments))
        return ' '.join([command, *map(quoted, filter(None, words))])
    folders = [folder for folder in Path(sys.argv[0]).parents if folder.name == 'tools']
    folder = folders[0] if folders else Path('tools')
    return ' '.join([python_command(), *map(quoted, (shown(folder / tool), *arguments))])


def _running_fcn() -> str | None:
    """The command ``fcn`` as this process was called by it, None where it was not."""
    script = Path(sys.argv[0])
    if script.parts[-2:] == (_PACKAGE.name, '__main__.py'):
        return f'{python_command()} -m {_PACKAGE.name}'
    if script.name not in ('fcn', 'fcn.exe'):
        return None
    on_path = shutil.which('fcn')
    if on_path and Path(on_path).resolve() == script.resolve():
        return 'fcn'
    return quoted(shown(script))
