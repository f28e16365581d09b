"""A float32 graph to one whose convolutions compute in 8 bits."""
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..evaluation.confusion import confusion_matrix, segmentation_metrics
from ..evaluation.truth import UNJUDGED, find_coding, read_truth
from ..images.reading import to_channels
from ..inference.predict import spread
from ..layouts.named_masks import with_masks
from ..runtimes.graph import META_KEY
from ..runtimes.graph_backend import GraphBackend
from ..runtimes.onnxruntime_graph import OnnxruntimeGraph
from ..utils.errors import InputError, MissingPackageError
from ..utils.paths import PathLike

#: Images that ranges are measured on at most, that labels are compared on, and that are
#: judged by masks.
_MOST_MEASURED, _MOST_HELD_BACK, _MOST_JUDGED = 32, 16, 100
#: What may be lost: of labels as a share of pixels, and of mean IoU, 0 to 1.
MOST_OTHERS, MOST_LOST = 0.01, 0.005


class Quantised(NamedTuple):
    """What became of a graph.

    Attributes:
        equal (float): The share of pixels whose label is that of the float32 graph, in
            the images held back.
        milliseconds (tuple[float, float]): Of one image in float32 and in 8 bits.
        mean_iou (tuple[float, float], optional): Of the images held back, 0 to 1, in float32
            and in 8 bits, where there are masks.
        measured (int): How many images ranges of values were measured on.
        held_back (int): How many others labels were compared on.
        layers (tuple[int, int]): Convolutions in 8 bits, and all.
    """
    equal: float
    milliseconds: tuple[float, float]
    mean_iou: tuple[float, float] | None
    measured: int
    held_back: int
    layers: tuple[int, int]

    def __str__(self) -> str:
        judged = '' if self.mean_iou is None else (
            ', mean IoU {:.2f} in place of {:.2f}'.format(*(
                100 * value for value in reversed(self.mean_iou))))
        return ('int8    {} of {} convolutions; '.format(*self.layers)
                + f'{self.held_back} images held back: {100 * self.equal:.2f} % of labels as '
                'in float32' + judged + '; onnxruntime {:.0f} ms, int8 {:.0f} ms'.format(
                    *self.milliseconds))


def share_out(images: Sequence[Path], labels: PathLike | None = None
              ) -> tuple[list[Path], list[Path], dict[Path, Path] | None]:
    """Which images ranges are measured on, which are held back, and the masks of these.

    Args:
        images, labels: As for :func:`quantise`.

    Raises:
        ValueError: If there are fewer than two images, or a mask is missing.
    """
    held_back, measured = images[::4], [path for i, path in enumerate(images) if i % 4]
    most = _MOST_HELD_BACK if labels is None else _MOST_JUDGED
    held_back = [held_back[i] for i in spread(len(held_back), most)]
    measured = [measured[i] for i in spread(len(measured), _MOST_MEASURED)]
    if not measured:
        raise InputError(f'int8 needs two images or more (--calibrate), better 20, but there '
                         f'is {len(images)}: ranges are measured on some, and labels '
                         'compared on others')
    return measured, held_back, None if labels is None else dict(
        with_masks(held_back, labels))


def quantise(file: Path, images: Sequence[Path], max_loss: float | None = None,
             labels: PathLike | None = None, ignore: Sequence[int] | None = None) -> Quantised:
    """Has the convolutions of an exported file compute in 8 bits, in place.

    By onnxruntime's static quantiser: weights of 7 bits for each channel, so that sums of
    two products fit into 16 bits on processors without VNNI, and activations of 8 bits in the
    range that the images show. The first convolution (of many a fifth), the score layers,
    what fuses their scores and the way to labels stay in float32: rounding there costs most
    labels.

    Args:
        file (Path): What :func:`~fcn_plugin.deployment.export.export` has written, in
            float32. It is replaced.
        images (Sequence[Path]): Like those that the network will see. Every fourth is held
            back to compare labels on, 16 at most, with masks 100; of the others 32 are
            measured at most.
        max_loss (float, optional): The share of pixels of the images held back, 0 to 1, whose
            label may become another; with masks what mean IoU may lose, 0 to 1. Defaults to
            None: 0.01, with masks 0.005.
        labels (str or Path, optional): Folder of masks by the images' names, see
            :func:`~fcn_plugin.layouts.named_masks.with_masks`. Defaults to None: labels are
            compared with those of float32 alone.
        ignore (Sequence[int], optional): Values in masks of pixels that do not count. Defaults
            to None: 255, where that was no class in training.

    Raises:
        ValueError: If more is lost, there are fewer than two images, or a mask is missing or
            does not fit; then the file is as it was.
        ImportError: If the extra ``export`` is not installed.
    """
    try:
        import onnx
        from onnxruntime import quantization as q
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as error:
        raise MissingPackageError("int8 needs more than is installed: pip install "
                                  "'mmseg-fcn-plugin[export]'") from error
    measured, held_back, masks = share_out(images, labels)
    backend = GraphBackend(OnnxruntimeGraph(file, 'cpu'))

    class Reader(q.CalibrationDataReader):
        """Hands the images over, one at a time."""

        def __init__(self) -> None:
            self._inputs: Iterator[np.ndarray] = (
                backend.prepare(to_channels(path, backend.channels))[None]
                for path in measured)

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self._inputs, None)
            return None if batch is None else {'image': batch}

    with tempfile.TemporaryDirectory() as folder:
        plain, small = Path(folder, 'plain.onnx'), Path(folder, 'small.onnx')
        quant_pre_process(str(file), str(plain), skip_symbolic_shape=True)
        nodes, convolutions = _chosen(onnx.load(str(plain)).graph,
                                      sum(map(len, (backend.meta['classes'],
                                                    *backend.meta.get('tasks', {}).values()))))
        if not nodes:
            raise InputError('no convolution is left to compute in 8 bits: beside the first '
                             'and the score layers there is none')
        q.quantize_static(str(plain), str(small), Reader(), quant_format=q.QuantFormat.QDQ,
                          per_channel=True, reduce_range=True, nodes_to_quantize=nodes,
                          activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)
        written = onnx.load(str(small))
        # what preprocessing and quantiser have noted goes, what the file says of itself stays
        del written.metadata_props[:]
        written.metadata_props.add(key=META_KEY, value=json.dumps(
            dict(backend.meta, int8=True)))
        used = set(_inputs(written.graph))
        for weight in [each for each in written.graph.initializer if each.name not in used]:
            written.graph.initializer.remove(weight)  # of each, onnxruntime would warn
        onnx.save(written, str(small))
        quantised = GraphBackend(OnnxruntimeGraph(small, 'cpu'))
        count = sum(name in set(nodes) for name in convolutions)
        found = Quantised(*_compare(backend, quantised, held_back, masks, ignore),
                          len(measured), len(held_back), (count, len(convolutions)))
        _check_loss(found, max_loss)
        file.write_bytes(small.read_bytes())
    return found


def _check_loss(found: Quantised, max_loss: float | None) -> None:
    """Raises ValueError if more is lost than may be."""
    if found.mean_iou is None:
        lost, most = 1 - found.equal, MOST_OTHERS if max_loss is None else max_loss
        what = f'changes {100 * lost:.2f} % of the labels'
    else:
        lost, most = (found.mean_iou[0] - found.mean_iou[1],
                      MOST_LOST if max_loss is None else max_loss)
        what = f'takes {100 * lost:.2f} % from the mean IoU'
    if not lost <= most:
        raise InputError(
            f'int8 {what} of {found.held_back} images held back, where {100 * most:g} % are '
            'allowed: calibrate with more images like those that will be segmented, allow '
            'more (--max-loss), or leave int8 out. No file is written')


def _chosen(graph, num_classes: int) -> tuple[list[str], list[str]]:
    """Names of the nodes that compute in 8 bits, and of all convolutions."""
    channels = {weight.name: weight.dims[0] for weight in graph.initializer if weight.dims}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    # an early rounding goes through all layers behind it
    kept = {node.name for node in convolutions[:max(1, len(convolutions) // 5)]}
    # a head of one channel decides between two classes
    kept |= {node.name for node in convolutions
             if channels.get(node.input[1]) in (num_classes, 1 if num_classes == 2 else None)}
    chosen = [node.name for node in convolutions if node.name not in kept]
    if chosen:
        # What is added or cut off within the network: their results would leave 8 bits else.
        chosen += [node.name for node in graph.node if node.op_type in ('Add', 'Clip', 'Relu')
                   and node.name.startswith(('/backbone/', '/neck/'))]
    return chosen, [node.name for node in convolutions]


def _inputs(graph) -> Iterator[str]:
    """Names of what a graph's nodes take, those of graphs within it too."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            if attribute.HasField('g'):
                yield from _inputs(attribute.g)


def _compare(plain: GraphBackend, quantised: GraphBackend, paths: Sequence[Path],
             masks: Mapping[Path, Path] | None, ignore: Sequence[int] | None
             ) -> tuple[float, tuple[float, float], tuple[float, float] | None]:
    """The share of equal labels, the median milliseconds of both, and their mean IoU."""
    equal = pixels = 0
    times: tuple[list[float], list[float]] = [], []
    classes = len(plain.meta['classes'])
    coding = find_coding((masks or {}).values(), plain.meta['label_map'],
                         plain.meta['classes'], ignore)
    matrices = torch.zeros(2, classes, classes, dtype=torch.int64)
    for path in paths:
        image, found = to_channels(path, plain.channels), []
        for backend, seconds in zip((plain, quantised), times):
            backend([image])  # the first of a size warms up
            begin = time.perf_counter()
            found.append(backend([image])[0])
            seconds.append(time.perf_counter() - begin)
        for one, two in zip(*([each, *each.tasks.values()] for each in found), strict=True):
            equal += int((one.labels == two.labels).sum())
            pixels += one.labels.size
        if masks is not None:
            truth = torch.from_numpy(read_truth(masks[path], image.shape[:2], classes, coding))
            for matrix, each in zip(matrices, found):
                matrix += confusion_matrix(torch.from_numpy(each.labels.astype(np.int64)),
                                           truth, classes, UNJUDGED)
    mean_iou = None
    if masks is not None:
        before, after = (float(segmentation_metrics(matrix)['mIoU']) for matrix in matrices)
        mean_iou = before, after
    first, second = (1000 * statistics.median(each) for each in times)
    return equal / pixels, (first, second), mean_iou
