"""A config, lists of the splits, a picture and masks as labels, written beside own data."""
import os
import tempfile
from pathlib import Path

from rich.progress import track

from ..utils.errors import InputError
from ..utils.files import move_into, staging_folder, write_text
from ..utils.inherited import inheritable
from ..utils.paths import config_path, shown, tool_command
from ..visualization import default_palette, save_label_png, save_picture
from .check_dataset import check_dataset
from .config_text import Plan, config_text, plan_of
from .findings import draw, labels_of, report
from .inspect_pairs import Checked

#: The config that an own one inherits: small, and with weights that need no download.
SMALL = 'fcn-8s_efficientnet-lite0_1xb8-20k_camvid-360x480.py'
#: Of each model of the package, the config of its network, which own data can go on from.
STARTS = dict(objects='fcn-4s_efficientnet-lite2-fpn_1xb16-3200_voc12-256x256',
              street='fcn-4s_efficientnet-lite2-fpn_1xb8-3800_camvid-240x320')


def write_config(checked: Checked, out: str, base: str | None = None,
                 class_weights: bool = False, overwrite: bool = False,
                 plan: Plan | None = None, work_dir: str | None = None) -> Path:
    """Writes ``config.py``, a list a split, a picture and, where needed, converted masks.

    Args:
        checked (Checked): From :func:`check_dataset`.
        out (str): The folder.
        base (str, optional): Which of configs/fcn is inherited, or a key of :data:`STARTS`,
            whose weights the run goes on from. Defaults to None: FCN-8s on
            EfficientNet-Lite0.
        class_weights (bool): Whether the loss weighs classes. Defaults to False.
        overwrite (bool): Whether files of a former call may be replaced. Defaults to
            False.
        plan (Plan, optional): How it trains, in place of ``class_weights``. Defaults to None:
            :func:`plan_of`.
        work_dir (str, optional): Of its runs. Defaults to None: named after the folder.

    Returns:
        Path: The config.

    Raises:
        FileExistsError: If there is a config already and it may not be replaced.
        ValueError: If there are faults of labels, which would train the wrong thing.
    """
    folder = Path(out).resolve()
    if (folder / 'config.py').exists() and not overwrite:
        raise FileExistsError(f'there is {folder / "config.py"} already: give --overwrite, '
                              'or another --out')
    require_sure_labels(checked)
    plan = plan or plan_of(checked)._replace(class_weights=class_weights)
    text = config_text(checked, folder, parent_of(base),
                       plan._replace(start=base if base in STARTS else None), work_dir)
    root = checked.root.resolve()
    with staging_folder(folder) as staging:
        for name, items in checked.splits.items():
            lines = []
            for item in items:
                # As they are found: links in the folder may lead anywhere.
                image = item.pair.image.relative_to(checked.root)
                mask = item.pair.mask.relative_to(checked.drawn or checked.root)
                if checked.convert:
                    mask = Path(os.path.relpath(folder / _copy_of(mask), root))
                lines.append(f'{image.as_posix()}\t{mask.as_posix()}')
            (staging / f'{name}.txt').write_text('\n'.join(lines) + '\n', encoding='utf-8')
        if checked.convert:
            _convert(checked, staging)
        save_picture(staging / 'overview.png', draw(checked))
        # The config is there only where all that it names is of the same call.
        (folder / 'config.py').unlink(missing_ok=True)
        move_into(staging, folder)
        write_text(folder / 'config.py', text)
    return folder / 'config.py'


def require_sure_labels(checked: Checked) -> None:
    """Raises ValueError if there are faults of labels, which would train the wrong thing."""
    if checked.encoding.faults:
        raise InputError('no config is written, as it would train the wrong thing: '
                         + '; '.join(checked.encoding.faults))


def parent_of(base: str | None) -> Path:
    """The config that an own one inherits, by its name in configs/fcn or a model's."""
    base = STARTS.get(base or '', base)
    return inheritable(config_path(f'fcn/{(base or SMALL).removesuffix(".py")}.py'))


def _copy_of(mask: Path) -> Path:
    """Where a mask's converted copy lies; both paths are relative."""
    return Path('masks', mask).with_suffix('.png')


def _convert(checked: Checked, folder: Path) -> None:
    encoding = checked.encoding
    palette = encoding.palette or default_palette(len(encoding.classes)).tolist()
    items = [item for items in checked.splits.values() for item in items]
    for item in track(items, 'converting masks', transient=True):
        mask = item.pair.mask.relative_to(checked.drawn or checked.root)
        file = folder / _copy_of(mask)
        file.parent.mkdir(parents=True, exist_ok=True)
        save_label_png(file, labels_of(item, encoding), palette)


def check_and_write(root: str, out: str | None = None, base: str | None = None,
                    class_weights: bool = False, overwrite: bool = False,
                    **options) -> bool:
    """What ``tools/misc/check_dataset.py`` does: checks, reports and writes.

    Returns:
        bool: Whether nothing is wrong with the data.
    """
    with tempfile.TemporaryDirectory(prefix='fcn-masks-') as drawn:
        checked = check_dataset(root, drawn=Path(drawn).resolve(), **options)
        print(report(checked))
        config = out and shown(write_config(checked, out, base, class_weights, overwrite))
    if config is None:
        print('\nNothing was written. A config, lists of the splits and what else is needed: '
              '--out DIR')
    else:
        left = ', without what is faulty' if checked.faults else ''
        print(f'\nwritten to {Path(config).parent}{os.sep}{left}: look at overview.png; '
              'next\n'
              f'  {tool_command("train.py", config)}\n'
              'then, with the checkpoint that it names\n  '
              + tool_command('predict.py', '--config', config, '--weight-path', 'CHECKPOINT',
                             '--img-path', 'YOUR.jpg'))
    return not checked.faults
