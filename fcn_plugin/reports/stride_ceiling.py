"""The table of what coarse strides leave of a data set's truth."""
from collections.abc import Sequence
from pathlib import Path

from mmengine.registry import init_default_scope
from prettytable import PrettyTable
from rich.progress import track

from ..checkpoints.loading import open_config
from ..checkpoints.naming import is_weights
from ..engine.explain import explain_errors
from ..evaluation.stride_ceiling import PAPER_CEILING, stride_ceiling
from ..inference.predict import ignored_label
from ..masks.label_maps import label_maps_of_dataset, label_maps_of_folder
from ..utils.errors import InputError


def print_stride_ceiling(source: str,
                         factors: Sequence[int] = tuple(PAPER_CEILING),
                         num_classes: int | None = None,
                         ignore_index: int | None = None,
                         cfg_options: dict | None = None) -> dict[int, dict]:
    """Measures :func:`stride_ceiling` on masks and prints it as a table.

    Args:
        source (str): A folder of masks; or a config, or a checkpoint that keeps one, whose
            ``val_dataloader``'s masks are taken.
        factors (Sequence[int]): Strides in pixels. Defaults to the paper's.
        num_classes (int, optional): Number of classes. Defaults to None: the data
            set's, or for a folder whatever occurs.
        ignore_index (int, optional): Label of pixels that do not count. Defaults to None:
            what the config's evaluator ignores, or 255.
        cfg_options (dict, optional): Entries of the config to override.

    Returns:
        dict[int, dict]: By factor, as :func:`stride_ceiling`.
    """
    if Path(source).is_dir() and not is_weights(source):
        if cfg_options:
            raise InputError(f'--cfg-options override a config, and {source} is a folder')
        label_maps, classes = label_maps_of_folder(source), 256
    else:
        config = open_config(source, cfg_options)
        dataset = (config.get('val_dataloader') or {}).get('dataset')
        if not dataset:
            raise InputError(f'{source} has no val_dataloader with a dataset: name '
                             'another config, or the folder of the masks')
        init_default_scope(config.get('default_scope', 'mmseg'))
        with explain_errors(config):
            label_maps, classes = label_maps_of_dataset(dataset)
        ignore_index = ignored_label(config) if ignore_index is None else ignore_index
    values = stride_ceiling(track(label_maps, 'masks'), factors, num_classes or classes,
                            255 if ignore_index is None else ignore_index)
    occurring = max(int(value['IoU'].isfinite().sum()) for value in values.values())
    if occurring < 2:
        raise InputError(f'{source}: all pixels that count are of one class, so that there is '
                         'no border to lose; where 255 is a class, as in black and white '
                         'masks, give another --ignore-index, such as 254')
    table = PrettyTable(['factor', 'mIoU', 'pixel accuracy', 'mIoU in the paper (VOC)'])
    table.align = 'r'
    for factor, value in values.items():
        table.add_row([factor, f"{100 * value['mIoU']:.1f}",
                       f"{100 * value['aAcc']:.1f}", PAPER_CEILING.get(factor, '-')])
    print(f'{source}: {len(label_maps)} masks\n{table}')
    return values
