"""Reading a run's config, as all tools do."""
from importlib import import_module
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from ..models.segmentors import with_post_processing
from .errors import InputError, MissingPackageError
from .paths import config_file


def load_config(path: str,
                options: dict | None = None,
                work_dir: str | None = None,
                launcher: str = 'none') -> Config:
    """Reads a config file and puts what the command line says on top.

    Args:
        path (str): The config's file, or the name of one of the package's own.
        options (dict, optional): ``--cfg-options``: dotted keys and values.
        work_dir (str, optional): Where the run writes. Without it the config's
            ``work_dir`` counts, and without that ``work_dirs/<name of the config>``.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'. Defaults to 'none'.

    Returns:
        Config: With ``work_dir`` and ``launcher`` set.

    Raises:
        FileNotFoundError: If there is none; see :func:`config_file`.
        ImportError: If a module of its ``custom_imports`` cannot be imported.
        NotADirectoryError: If the work dir is a file.
        ValueError: If it is no Python.
    """
    file = config_file(path)
    config = read_config(str(file))
    if options:
        config.merge_from_dict(options)
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / file.stem)
    if Path(config.work_dir).is_file():
        raise NotADirectoryError(f'the work dir {config.work_dir} is a file, expected a '
                                 'folder or a name that is free: --work-dir')
    return config


def read_config(path: str) -> Config:
    """``Config.fromfile`` with errors that name what is wrong in the file.

    Raises:
        ImportError: If a module of its ``custom_imports`` cannot be imported.
        ValueError: If it is no Python.
    """
    suffix = Path(path).suffix
    if suffix not in ('.py', '.json', '.yml', '.yaml'):
        raise InputError(f"{path} is no config: its name ends in '{suffix}', expected .py")
    try:
        return Config.fromfile(path)
    except SyntaxError as error:
        raise InputError(f'{path} cannot be read as a config: {error}') from error
    except ImportError as error:
        config = Config.fromfile(path, import_custom_modules=False)
        imports = (config.get('custom_imports') or {}).get('imports') or []
        for name in [imports] if isinstance(imports, str) else imports:
            try:
                import_module(name)
            except ImportError as cause:
                raise MissingPackageError(
                    f"{path}: custom_imports names '{name}', which cannot be imported "
                    f'({cause}). Install it, or put the folder that holds it on '
                    'PYTHONPATH: PYTHONPATH=FOLDER python ...') from error
        raise


def use_crf(config: Config) -> None:
    """Puts a CRF behind a config's segmentor, in place: ``--crf``.

    ``model.post_processor`` becomes a :class:`DenseCRF` with what settings are there
    already; one of another type is kept. Any segmentor is served: one that knows no
    post processor is replaced by :func:`with_post_processing` of it.

    Raises:
        ValueError: If the model's type is no segmentor.
    """
    init_default_scope(config.get('default_scope', 'mmseg'))
    kind = config.model.get('type')
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(found, type) and issubclass(found, nn.Module)
            and hasattr(found, 'predict')):
        raise InputError(f'--crf: model.type is {kind!r}, expected a segmentor such as '
                         "'FCNSegmentor' or 'EncoderDecoder'")
    served = with_post_processing(found)
    if served is not found:
        config.model.type = served.__name__
    given = config.model.get('post_processor') or {}
    config.model.post_processor = {'type': 'DenseCRF', **given}
