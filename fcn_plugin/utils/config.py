"""Reading a run's config, as all tools do."""
import difflib
import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.fileio import list_from_file
from mmengine.runner import Runner
from mmseg.registry import DATASETS

from .errors import InputError, MissingPackageError
from .paths import IMAGE_SUFFIXES, PACKED, config_file

#: Entries of a config that this package, or mmengine's runner when it runs, reads beside the
#: arguments of that.
_READ_TOO = ('runner_type', 'on_bad_sample', 'coarser', 'tta_model', 'tta_pipeline',
             'test_pipeline', 'custom_imports', 'compile', 'sync_bn', 'model_wrapper_cfg',
             'find_unused_parameters', 'activation_checkpointing', 'efficient_conv_bn_eval')


def load_config(path: str,
                options: dict | None = None,
                work_dir: str | None = None,
                launcher: str = 'none') -> Config:
    """Reads a config file and puts what the command line says on top.

    Args:
        path (str): The config's file, or the name of one of the package's own.
        options (dict, optional): ``--cfg-options``: dotted keys and values. Defaults to None.
        work_dir (str, optional): Where the run writes. Defaults to None: the config's
            ``work_dir``, or without that ``work_dirs/<name of the config>``.
        launcher (str): 'none', 'pytorch', 'slurm' or 'mpi'. Defaults to 'none'.

    Returns:
        Config: With ``work_dir`` and ``launcher`` set.

    Raises:
        FileNotFoundError: If there is none; see :func:`config_file`.
        ImportError: If a module of its ``custom_imports`` cannot be imported.
        NotADirectoryError: If the work dir is a file.
        ValueError: If it is no Python, or an option would change nothing.
    """
    file = config_file(path)
    return for_a_run(read_config(str(file)), file.stem, options, work_dir, launcher)


def for_a_run(config: Config, name: str, options: dict | None = None,
              work_dir: str | None = None, launcher: str = 'none') -> Config:
    """A config as it was read, in place: with what the command line says on top.

    Args:
        config (Config): As it was read.
        name (str): Of the folder in ``work_dirs``, where nothing names another.
        options, work_dir, launcher: See :func:`load_config`.

    Raises:
        NotADirectoryError, ValueError: See :func:`load_config`.
    """
    merge_options(config, options or {})
    config.launcher = launcher
    if work_dir is not None:
        config.work_dir = work_dir
    elif config.get('work_dir') is None:
        config.work_dir = str(Path('work_dirs') / name)
    if Path(config.work_dir).is_file():
        raise NotADirectoryError(f'the work dir {config.work_dir} is a file, expected a '
                                 'folder or a name that is free: --work-dir')
    return config


def merge_options(config: Config, options: dict) -> None:
    """Puts options on top of a config, in place.

    What is set in the test pipeline is set in those that it was put into, and what is set in
    that of the test data in the test pipeline: by the one images are predicted, by the other
    ``fcn test`` judges.

    Args:
        config (Config): As it was read.
        options (dict): Dotted keys and values.

    Raises:
        ValueError: For one that would change nothing: that nothing reads, or of a name at the
            top of the config, whose value was put where it is used when the file was read.
    """
    read = {*inspect.signature(Runner.__init__).parameters, *_READ_TOO}
    for key in options:
        name, _, rest = key.partition('.')
        if name not in read and name not in config:
            meant = difflib.get_close_matches(name, sorted(read), 1, 0.8) or [
                place for top in sorted(read & set(config))
                for place in _places(config[top], name, top)]
            raise InputError(f"option '{key}': nothing reads '{name}'" + (
                f", did you mean '{meant[0]}'?" if meant else ', and the config has no entry '
                'of that name. If code of yours reads it, name it in the config first'))
        uses = [] if name in read or name not in config else [
            use for top in read & set(config) for use in _uses(
                config[top], name, config[name], top)]
        if uses and not set(uses) & set(options):
            more = f' (and {len(uses) - 1} more)' if len(uses) > 1 else ''
            raise InputError(
                f"option '{key}' would change nothing: '{name}' is a name of the "
                "config's own, whose value was put where it is used when the file was read. "
                f'Give {".".join(filter(None, (min(uses), rest)))}{more}, or change it in the '
                'file')
    config.merge_from_dict(_of_both_pipelines(config, options))


def _of_both_pipelines(config: Config, options: dict) -> dict:
    name, found = 'test_pipeline', dict(options)
    places = [place for top in ('test_dataloader', 'val_dataloader')
              for place in _uses(config.get(top), name, config.get(name), top)]
    for key, value in options.items():
        for place in places:
            ways = [(name, place)] + [(place, name)] * place.startswith('test_dataloader')
            for one, other in ways:
                if f'{key}.'.startswith(f'{one}.'):
                    found.setdefault(other + key.removeprefix(one), value)
    return found


def _places(value: Any, name: str, place: str) -> Iterator[str]:
    """Where in a part of a config there is an entry of that name."""
    for key, part in value.items() if isinstance(value, dict) else ():
        if key == name:
            yield f'{place}.{key}'
        yield from _places(part, name, f'{place}.{key}')


def _uses(value: Any, name: str, wanted: Any, place: str) -> Iterator[str]:
    """Where a value stands in a part of a config: under its own name, or settings as such,
    among others too (``**data``)."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if (
        isinstance(value, (list, tuple))) else ()
    for key, part in parts:
        here = f'{place}.{key}'
        settings = part[0] if isinstance(part, list) and part else part
        among = isinstance(part, dict) and isinstance(wanted, dict) and wanted and (
            wanted == {key: part[key] for key in wanted if key in part})
        if among or part == wanted and (key == name or isinstance(settings, dict)):
            yield here
        else:
            yield from _uses(part, name, wanted, here)


def read_config(path: str) -> Config:
    """``Config.fromfile`` with errors that name what is wrong in the file.

    Raises:
        ImportError: If a module of its ``custom_imports`` cannot be imported.
        ValueError: If it is no Python.
    """
    suffix = Path(path).suffix
    if suffix not in ('.py', '.json', '.yml', '.yaml'):
        raise InputError(f"{path} is no config: its name ends in '{suffix}', expected .py" + (
            '. Unpack it, and give the folder' if suffix.lower() in PACKED else ''))
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


# --- what a config says ---------------------------------------------------------------


def inner_datasets(dataset: dict | None) -> Iterator[dict]:
    """The data sets of a loader, out of wrappers such as ConcatDataset."""
    if not dataset:
        return
    inside = [dataset.get('dataset'), *(dataset.get('datasets') or ())]
    if not any(inside):
        yield dataset
    for part in filter(None, inside):
        yield from inner_datasets(part)


def without_images(config: Config, loaders: Sequence[str],
                   missing: str | None = None) -> str:
    """Which data sets of files find no images where their config says, and why.

    Args:
        config (Config): Of a run.
        loaders (Sequence[str]): Whose data sets, such as 'val_dataloader'.
        missing (str, optional): A folder: those alone that look there. Defaults to None.

    Returns:
        str: Empty where there is none.
    """
    faults: dict[str, list[str]] = {}
    for loader in loaders:
        for dataset in inner_datasets((config.get(loader) or {}).get('dataset')):
            fault = _without_images(dataset)
            if fault and (missing is None or f'folder {missing}:' in fault):
                whole = f"{dataset['type']} finds no images: {fault}"
                faults.setdefault(whole, []).append(loader)
    return '; '.join(f'{", ".join(names)}: {fault}' for fault, names in faults.items())


def _without_images(dataset: dict) -> str | None:
    prefix = (dataset.get('data_prefix') or {}).get('img_path')
    root, listed = dataset.get('data_root') or '', dataset.get('ann_file')
    if prefix is None and not root:
        return None
    folder, suffix = Path(root, prefix or ''), dataset.get('img_suffix', '.jpg')
    way_out = ('bring the data there, or say where it is by --cfg-options ...{} '
               '(docs/training.md, Data sets)')
    if not folder.is_dir():
        return f'there is no folder {folder}: {way_out.format("data_root=DIR")}'
    if listed and not Path(root, listed).exists():
        key = 'data_root=DIR' if prefix else 'ann_file=FILE'
        return f'there is no list {Path(root, listed)}: {way_out.format(key)}'
    if prefix is None and listed:  # which has whole names
        return None
    names = [path.name for path in folder.rglob('*') if path.is_file()]
    if any(name.endswith(suffix) for name in names):
        return None
    example = f', such as {names[0]}' if names else ''
    ends = Counter(Path(name).suffix for name in names)
    images = [end for end, _ in ends.most_common() if end.lower() in IMAGE_SUFFIXES]
    way_out = (f'--cfg-options ...img_suffix={images[0]} takes those that end so' if images
               else 'tools/misc/check_dataset.py FOLDER --out DIR writes a config for any '
               'names')
    return (f"of {len(names)} files in {folder}{example}, none ends in '{suffix}' "
            f'(img_suffix). {way_out}')


def dataset_type(dataset: dict) -> type | None:
    """The class of a data set's config; None where no such one is registered."""
    kind = dataset.get('type')
    return DATASETS.get(kind) if isinstance(kind, str) else kind


def class_names(dataset: dict) -> tuple[str, ...] | None:
    """The classes that a data set's config stands for; None where it does not say."""
    classes = (dataset.get('metainfo') or {}).get('classes')
    if classes is None:
        classes = getattr(dataset_type(dataset), 'METAINFO', {}).get('classes')
    if isinstance(classes, str):  # a file of names
        classes = list_from_file(classes) if Path(classes).is_file() else None
    return None if classes is None else tuple(classes)


def network(config: Config) -> dict:
    """The segmentor's config, out of a wrapper for test-time augmentation."""
    model = config.get('model') or {}
    return model.get('module') or model


def num_classes(config: Config) -> int | None:
    """How many classes the head of a config's model has; None where it does not say."""
    head = network(config).get('decode_head') or {}
    return head.get('num_classes') if isinstance(head, dict) else None


def inner_dataset(cfg: Config) -> dict:
    """The data set to predict like: the first one that is tested on, or validated on."""
    for name in ('test_dataloader', 'val_dataloader'):
        for dataset in inner_datasets((cfg.get(name) or {}).get('dataset')):
            return dataset
    return {}


def pretrained_weights(config, path=''):
    """Every init_cfg of type Pretrained below a config, with its dotted path."""
    if not isinstance(config, dict):
        return
    for key, value in config.items():
        here = f'{path}.{key}' if path else key
        if key == 'init_cfg' and isinstance(value, dict) and value.get(
                'type') == 'Pretrained':
            yield here, value
        else:
            yield from pretrained_weights(value, here)
