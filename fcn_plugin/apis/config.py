"""Reading a run's config, as all tools do."""
from pathlib import Path
from typing import Optional

from mmengine.config import Config


def load_config(path: str,
                options: Optional[dict] = None,
                work_dir: Optional[str] = None,
                launcher: str = 'none') -> Config:
    """Reads a config file and puts what the command line says on top.

    Args:
        path (str): The config file.
        options (dict, optional): ``--cfg-options``: dotted keys and values.
        work_dir (str, optional): Where the run writes. Without it the config's
            ``work_dir`` counts, and without that ``work_dirs/<name of the config>``.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'. Defaults to 'none'.

    Returns:
        Config: With ``work_dir`` and ``launcher`` set.

    Raises:
        FileNotFoundError: If there is no such file; it lists what lies beside it.
    """
    file = Path(path)
    if not file.is_file():
        folder = file if file.is_dir() else file.parent
        names = ', '.join(sorted(p.name for p in folder.glob('*.py'))[:20])
        raise FileNotFoundError(
            f'{path}: no such config file' +
            (f'; {folder} holds {names}' if names else f', and {folder} has none either'))
    config = Config.fromfile(path)
    if options:
        config.merge_from_dict(options)
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / file.stem)
    return config
