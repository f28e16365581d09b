"""Files of weights from elsewhere to checkpoints, and back: the model converters."""
from functools import partial
from pathlib import Path

from mmseg.datasets import PascalContextDataset, PascalContextDataset59, PascalVOCDataset

from ..modalities import NYUDv2Dataset, SIFTFlowDataset
from ..models.converters import (
    Conversion,
    convert_layers,
    from_port,
    read_caffemodel,
    reorder_classes,
    to_port,
)
from ..utils.errors import InputError
from ..utils.paths import PathLike
from ..visualization import default_palette
from .reading import read_checkpoint
from .writing import write_checkpoint

_DATA_SETS = {len(data_set.METAINFO['classes']): data_set for data_set in (
    PascalVOCDataset, PascalContextDataset59, PascalContextDataset, NYUDv2Dataset,
    SIFTFlowDataset)}
# How files that torch.save wrote begin: zip, and the pickle of its older format.
_TORCH_MAGIC = (b'PK\x03\x04', b'\x80\x02')


def caffe_to_fcn(source: PathLike, out: PathLike, variant: str | None = None,
                 overwrite: bool = False) -> Conversion:
    """Converts a released net to a checkpoint and prints what became of each layer.

    ImageNet's VGG16, which the authors start from, becomes a backbone's checkpoint.

    Args:
        source (str or Path): A ``.caffemodel``, or the ``.pth`` of a PyTorch port.
        out (str or Path): The checkpoint: 'state_dict', and 'meta' with 'source',
            'variant', 'num_classes', 'decode_head' (settings that the config's head
            needs) and, for as many classes as VOC, PASCAL-Context, NYUDv2 or SIFT Flow has,
            'dataset_meta'. Those of PASCAL-Context are put in the order of mmseg's data sets.
        variant (str, optional): What the net must be, one of ``VARIANTS``. Defaults
            to None: what its layers say.
        overwrite (bool): Whether ``out`` may be replaced. Defaults to False.

    Returns:
        Conversion: What was written.

    Raises:
        FileExistsError: If ``out`` exists and may not be replaced.
        ValueError: If the file is not a net of the paper; see
            :func:`convert_layers`.
    """
    source, out = _checked(source, out, overwrite)
    with open(source, 'rb') as file:
        is_torch = file.read(4).startswith(_TORCH_MAGIC)
    if is_torch:
        weights = read_checkpoint(source)['state_dict']
        # pytorch-fcn's training script nests them.
        weights = weights.get('model_state_dict', weights)
        convert = partial(from_port, weights)
    else:
        convert = partial(convert_layers, read_caffemodel(source).layers)
    try:
        conversion = convert(variant=variant)
    except ValueError as error:
        raise InputError(f"cannot convert '{source}': {error}") from error
    data_set = _DATA_SETS.get(conversion.num_classes)
    if conversion.variant.startswith('pascalcontext') and is_torch and variant is None:
        conversion.notes.append(f"the classes are taken to be in the order of mmseg's "
                                f'{data_set.__name__} (--variant pascalcontext where they '
                                "are in the authors')")
    elif conversion.variant.startswith('pascalcontext'):
        conversion = reorder_classes(conversion, data_set.METAINFO['classes'])
        conversion.notes.append("the classes are put in the order of mmseg's "
                                f'{data_set.__name__}: the authors have those of VOC first')
    meta = dict(source=source.name, variant=conversion.variant,
                num_classes=conversion.num_classes, decode_head=conversion.decode_head)
    if data_set is not None:
        info = data_set.METAINFO
        meta['dataset_meta'] = dict(classes=tuple(info['classes']), palette=[
            list(map(int, colour)) for colour in info.get(
                'palette', default_palette(len(info['classes'])))])
        tasks = {task: len(names) for task, names in info.get('tasks', {}).items()}
        if tasks and tasks == conversion.decode_head.get('other_tasks'):
            meta['dataset_meta']['tasks'] = info['tasks']
    write_checkpoint(out, dict(state_dict=conversion.state_dict, meta=meta))
    print(f'{source}: {conversion.report()}\nwritten to {out}')
    return conversion


def fcn_to_port(source: PathLike, out: PathLike, overwrite: bool = False) -> None:
    """Writes a checkpoint's weights under the names of the PyTorch port.

    Args:
        source (str or Path): A checkpoint of one of the authors' nets.
        out (str or Path): The port's state dict.
        overwrite (bool): Whether ``out`` may be replaced. Defaults to False.

    Raises:
        FileExistsError: If ``out`` exists and may not be replaced.
        ValueError: If the port has no such net; see :func:`to_port`.
    """
    source, out = _checked(source, out, overwrite)
    try:
        loaded = read_checkpoint(source)
        converted, trained = (loaded['meta'].get(key) or {}
                              for key in ('decode_head', 'dataset_meta'))
        port = to_port(loaded['state_dict'], converted.get('other_tasks') or {
            task: len(names) for task, names in (trained.get('tasks') or {}).items()})
    except ValueError as error:
        raise InputError(f"cannot convert '{source}': {error}") from error
    write_checkpoint(out, port)
    print(f'{source}: {len(port)} tensors written to {out}\n'
          'note: the port computes as the authors do (BGR, padding by 100), without '
          'weights_taken_back; with skip_scales (0.0001, 0.01, 1) it is FCN8sAtOnce')


def _checked(source: PathLike, out: PathLike, overwrite: bool) -> tuple[Path, Path]:
    source, out = Path(source), Path(out)
    if out.exists() and source.exists() and out.samefile(source):
        raise InputError(f"'{out}' is the file to convert; choose another to write to")
    if out.exists() and not overwrite:
        raise FileExistsError(f"'{out}' exists: choose another file, or replace it by "
                              '--overwrite')
    return source, out
