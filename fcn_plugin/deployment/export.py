"""From a checkpoint to one file that other programs run."""
import json
import statistics
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from ..checkpoints.loading import load_model
from ..checkpoints.naming import weights_file
from ..datasets.shapes import ShapesDataset
from ..images.reading import list_images, to_channels
from ..runtimes.backend import Prediction
from ..runtimes.graph import META_KEY
from ..runtimes.graph_backend import GraphBackend
from ..runtimes.onnxruntime_graph import OnnxruntimeGraph
from ..runtimes.torch_backend import TorchBackend, build_pipeline
from ..utils.config import inner_dataset
from ..utils.errors import InputError, MissingPackageError
from ..utils.files import check_outputs, replacing
from ..utils.paths import PathLike
from ..version import __version__
from .deployed import DeployedSegmentor
from .int8 import quantise, share_out

#: Sizes (H, W) of the images that are drawn to check with where none are given.
_SIZES = ((240, 320), (97, 131), (65, 33))
_MOST_IMAGES = 8
_TIMED = 5
#: How far the score of a label may lie below PyTorch's best, in probability. Float32
#: rounding alone stays below the first; resized images differ by a grey level, and what a
#: network makes of that, where it is unsure, by 0.13 (drawn shapes, enlarged fivefold).
_TOLERANCE, _TOLERANCE_RESIZED = 1e-3, 0.25


def export(weight_path: PathLike | None, out: PathLike, config: PathLike | None = None,
           backbone: str | None = None, scores: bool = False,
           preprocess: bool = False, img_path: PathLike | None = None,
           opset: int = 17, overwrite: bool = False,
           cfg_options: dict | None = None,
           allow_imports: Sequence[str] = (), int8: bool = False,
           calibrate: PathLike | None = None, max_loss: float | None = None,
           labels: PathLike | None = None, ignore: Sequence[int] | None = None,
           shown: str | None = None) -> dict[str, float]:
    """Writes a network as one file, checked against PyTorch, and times both.

    The graph takes batches of any number and size: padding, and its removal, are in it.
    Names and colours of the classes stand in the file, so that ``FCNInferencer(out)``
    needs nothing else. Of a network of several tasks it gives 'labels_<task>' beside
    'labels'.

    Args:
        weight_path (str or Path, optional): The checkpoint, or 'objects' or 'street', the
            models of the package. None stands for 'objects'.
        out (str or Path): Ends in ``.onnx``.
        config, backbone, cfg_options, allow_imports: See :class:`FCNInferencer`.
        scores (bool): Whether the graph returns the probabilities of all classes too.
            Defaults to False.
        preprocess (bool): Whether the graph takes images as they are read, (N, H, W, 3)
            uint8 RGB, resizes and normalises them, and returns labels of their size; or
            normalised (N, 3, H, W) float32 in the network's channel order. For 3 it says how
            many channels the network takes. Defaults to False.
        img_path (str or Path, optional): Images to check and time with, see
            :func:`list_images`: 8 at most. Defaults to None: drawn ones.
        opset (int): ONNX's operator set. Defaults to 17.
        overwrite (bool): Whether ``out`` may be replaced. Defaults to False.
        int8 (bool): Whether convolutions compute in 8 bits, see
            :func:`~fcn_plugin.deployment.int8.quantise`. Defaults to False.
        calibrate (str or Path, optional): Images for ``int8``, see :func:`list_images`.
            Defaults to None, without ``int8``.
        max_loss, labels, ignore: What ``int8`` may lose, and masks of its images, see there.
        shown (str, optional): What is printed as the file's name. Defaults to None: ``out``.

    Returns:
        dict[str, float]: 'equal', the share of equal labels; 'gap', how far a label's
        probability lies below PyTorch's best at most; 'torch_ms' and 'graph_ms'; with
        ``int8`` 'int8_equal', the share of labels that it leaves as they were, and with
        ``labels`` 'mIoU' and 'int8_mIoU', 0 to 1.

    Raises:
        ValueError: If the network cannot be exported, or the graph computes something
            else; then no file is left.
    """
    out = Path(out).expanduser()
    if out.suffix != '.onnx':
        raise InputError(f"'{out}' must end in .onnx")
    check_outputs([out], overwrite)
    if int8 != (calibrate is not None):
        raise InputError('int8 (--int8) and images to calibrate it with (--calibrate FOLDER) '
                         'need one another')
    for name, value, of, given in (('labels', labels, 'int8', int8),
                                   ('max-loss', max_loss, 'int8', int8),
                                   ('ignore', ignore, 'labels', labels is not None)):
        if value is not None and not given:
            raise InputError(f'--{name} is of use with --{of} alone')
    if max_loss is not None and not 0 <= max_loss <= 1:
        raise InputError('max_loss is a share of pixels, or with --labels of mean IoU, 0 to '
                         f'1, but is {max_loss}')
    calibration = list_images(calibrate) if calibrate is not None else []
    if int8:  # what is missing, before minutes are spent on the graph
        share_out(calibration, labels)
    paths = None if img_path is None else list_images(img_path)
    model = load_model(config, weight_path, 'cpu', backbone, cfg_options,
                       allow_imports=allow_imports)
    resize, keep_ratio = resize_of(model.cfg) if preprocess else (None, False)
    network = DeployedSegmentor(model, scores, preprocess, resize, keep_ratio).eval()
    images = _images(paths, network.channels)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out, to_disk=True) as beside:
        text = json.dumps(_meta(model, network, Path(weights_file(weight_path))))
        write_onnx(network, beside, text, opset)
        # A plain graph knows nothing of the pipeline's resizing.
        as_it_is = None if preprocess else build_pipeline(
            Config(dict(test_pipeline=[dict(type='PackSegInputs')])))
        graph = GraphBackend(OnnxruntimeGraph(beside, 'cpu'), as_it_is)
        reference = TorchBackend(model, as_it_is)
        tolerance = _TOLERANCE if resize is None else _TOLERANCE_RESIZED
        threshold = network.threshold if network.model.decode_head.out_channels == 1 else None
        found = compare_backends(reference, graph, images, tolerance, threshold)
        quantised = quantise(beside, calibration, max_loss, labels, ignore) if int8 else None
    _print(out, shown or str(out), network, model, images, found)
    if quantised is not None:
        found['int8_equal'] = quantised.equal
        if quantised.mean_iou is not None:
            found['mIoU'], found['int8_mIoU'] = quantised.mean_iou
        print(quantised)
    return found


def resize_of(cfg: Config) -> tuple[tuple[int, int] | None, bool]:
    """The resizing in a config's test pipeline: (W, H) or None, and ``keep_ratio``.

    Raises:
        ValueError: If there is a step that cannot be put into a graph.
    """
    found, keep_ratio = None, False
    for step in cfg.get('test_pipeline') or inner_dataset(cfg).get('pipeline') or []:
        name = str(step['type']).split('.')[-1]
        if name == 'Resize' and step.get('scale') and found is None and (
                step.get('interpolation', 'bilinear') == 'bilinear'):
            scale = step['scale']
            found = (scale, scale) if isinstance(scale, int) else tuple(scale)
            keep_ratio = step.get('keep_ratio', False)
        elif name == 'LoadRGBD' and tuple(step.get('inputs', ())) != ('colour', ):
            raise InputError(f'{dict(step)} reads depth or HHA beside or in place of colour, '
                             'no image of 8 bits: export without --preprocess')
        elif not name.startswith('Load') and name not in ('PackSegInputs', 'PackTasks'):
            raise InputError(f"the test pipeline's step {dict(step)} cannot be put into "
                             'the graph: export without --preprocess and --web')
    return found, keep_ratio


def _meta(model: nn.Module, network: DeployedSegmentor, weights: Path) -> dict:
    """What the file says of itself; see :class:`GraphBackend`."""
    known: Any = model.dataset_meta
    meta = dict(known, version=__version__, weights=weights.name,
                scores=network.with_scores, preprocess=network.preprocess,
                exact_places=network.exact_places, channels=network.channels)
    if network.preprocess:
        meta.update(resize=network.resize, keep_ratio=network.keep_ratio)
    else:
        preprocessor = model.data_preprocessor
        normalised = preprocessor._enable_normalize
        steps = model.cfg.get('test_pipeline') or inner_dataset(model.cfg)['pipeline']
        meta.update(
            pipeline=[dict(step) for step in steps],
            bgr_to_rgb=preprocessor.channel_conversion,
            mean=preprocessor.mean.flatten().tolist() if normalised else None,
            std=preprocessor.std.flatten().tolist() if normalised else None)
    return meta


# --- writing -----------------------------------------------------------------------


def _example(network: DeployedSegmentor) -> Tensor:
    """A batch whose sizes are multiples of nothing, so that all padding is seen."""
    if network.preprocess:
        return torch.randint(0, 256, (2, 67, 101, network.channels), dtype=torch.uint8)
    return torch.randn(2, network.channels, 67, 101)


def write_onnx(network: DeployedSegmentor, path: Path, text: str, opset: int) -> None:
    """Writes ONNX with dynamic batch, height and width.

    Args:
        network (DeployedSegmentor): In eval mode.
        path (Path): The file.
        text (str): Metadata under :data:`META_KEY`.
        opset (int): The operator set.

    Raises:
        ImportError: If the extra is not installed.
        ValueError: If an operation has no counterpart.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingPackageError("ONNX needs more than is installed: pip install "
                                  "'mmseg-fcn-plugin[export]'") from error
    height, width = {1: 'height'}, {2: 'width'}
    if not network.preprocess:
        height, width = {2: 'height'}, {3: 'width'}
    axes = dict(image={0: 'batch', **height, **width})
    for name in network.outputs:
        row = 1 if name.startswith('labels') else 2
        axes[name] = {0: 'batch', row: 'height', row + 1: 'width'}
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # Of checks in the network that compare sizes: they hold for any.
            warnings.simplefilter('ignore')
            # The newer exporter (dynamo=True) fixes sizes that are to be dynamic.
            torch.onnx.export(network, (_example(network), ), str(path), dynamo=False,
                              opset_version=opset, input_names=['image'],
                              output_names=network.outputs, dynamic_axes=axes)
    # RuntimeError is the base of the exporter's own errors
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f'the network cannot be written as ONNX of opset {opset}: '
                         f'{reason}') from error
    written = onnx.load(str(path))
    written.metadata_props.add(key=META_KEY, value=text)
    onnx.save(written, str(path))


# --- checking ----------------------------------------------------------------------


def _images(paths: Sequence[Path] | None, channels: int) -> list[np.ndarray]:
    """Images (H, W, C) to check with; see :func:`export`."""
    if paths is None:
        drawn = [ShapesDataset(length=1, image_size=((height, ) * 2, (width, ) * 2)).draw(
            0)[0][..., ::-1] for height, width in _SIZES]
        return [image[..., np.arange(channels) % 3].copy() for image in drawn]
    step = -(-len(paths) // _MOST_IMAGES)
    return [to_channels(path, channels) for path in paths[::step]]


def compare_backends(reference: TorchBackend, graph: GraphBackend,
                     images: Sequence[np.ndarray], tolerance: float,
                     threshold: float | None = None) -> dict[str, float]:
    """Predicts images both ways, one by one and in one batch, and times the first.

    Args:
        reference (TorchBackend): What is taken to be right.
        graph (GraphBackend): What is checked.
        images (Sequence[np.ndarray]): RGB, (H, W, 3) uint8.
        tolerance (float): By how much the reference's probability of the graph's label
            may lie below that of its own, anywhere.
        threshold (float, optional): Of the second class's probability, above which a head
            of one channel decides for it. Defaults to None: the most probable class.

    Returns:
        dict[str, float]: See :func:`export`.

    Raises:
        ValueError: If it lies further below.
    """
    pixels = wrong = 0
    gaps = []  # NaN among them is to be seen, which max() may not do
    with_scores = graph.meta['scores']
    batch = graph([images[0], *images, images[0]], with_scores)[1:-1]
    for image, together in zip(images, batch):
        expected, = reference([image], True)
        alone, = graph([image], with_scores)
        for ours, theirs in [pair for found in (alone, together) for pair in zip(
                _tasks_of(found), _tasks_of(expected), strict=True)]:
            gaps.append(_gap(ours.labels, theirs.labels, theirs.scores, threshold))
            if ours.scores is not None:
                gaps.append(float(np.abs(ours.scores - theirs.scores).max()))
            wrong += int((ours.labels != theirs.labels).sum())
            pixels += ours.labels.size
    gap = float(np.max(gaps))
    if not gap <= tolerance:
        raise InputError('the graph does not compute what PyTorch does: a score differs '
                         f'by {gap:.3g}, where {tolerance:g} is allowed, and '
                         f'{100 * wrong / pixels:.2f} % of the labels. No file is '
                         'written')
    return dict(equal=1 - wrong / pixels, gap=gap,
                torch_ms=_milliseconds(reference, images[0]),
                graph_ms=_milliseconds(graph, images[0]))


def _tasks_of(found: Prediction) -> list[Prediction]:
    return [found, *found.tasks.values()]


def _gap(labels: np.ndarray, expected: np.ndarray, probabilities: np.ndarray,
         threshold: float | None) -> float:
    """How far from being undecided the reference is where a graph's labels are others."""
    if labels.shape != expected.shape:
        return float('inf')
    differ = labels != expected
    if not differ.any():
        return 0.
    if threshold is not None:
        return float(np.abs(probabilities[1][differ] - threshold).max())
    first, second = (np.take_along_axis(probabilities, one[None].astype(np.int64), 0)[0]
                     for one in (expected, labels))
    return float((first - second)[differ].max())


def _milliseconds(backend, image: np.ndarray) -> float:
    """Median time of one image, from its pixels to its labels."""
    times = []
    for _ in range(_TIMED + 1):
        begin = time.perf_counter()
        backend([image])
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times[1:])  # the first one warms up


def _print(out: Path, shown: str, network: DeployedSegmentor, model: nn.Module,
           images: Sequence[np.ndarray], found: dict[str, float]) -> None:
    count = network.channels
    takes = f'(N, {count}, H, W) float32'
    if network.preprocess:
        takes = f'(N, H, W, {count}) uint8' + ' RGB' * (count == 3)
    gives = 'labels (N, H, W) ' + str(network.label_type).removeprefix('torch.')
    if network.with_scores:
        gives += f', scores (N, {len(model.dataset_meta["classes"])}, H, W) float32'
    if network.tasks:
        gives += f'; the same of {", ".join(network.tasks)}'
    height, width = images[0].shape[:2]
    gap = f'within {found["gap"]:.1e}'
    compared = (f', scores {gap}' if network.with_scores else
                f', probabilities of the others {gap}' if found['equal'] < 1 else '')
    print(f'{shown} ({out.stat().st_size / 1e6:.1f} MB)\n'
          f'image   {takes} -> {gives}\n'
          f'parity  {len(images)} images: {100 * found["equal"]:.3f} % of labels equal'
          f'{compared}\n'
          f'time    {width}x{height} on the CPU, {torch.get_num_threads()} threads: '
          f'PyTorch {found["torch_ms"]:.0f} ms, onnxruntime {found["graph_ms"]:.0f} ms')
