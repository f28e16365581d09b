"""An image in memory to its labels: our network beside what others would take."""
import json
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image
from prettytable import PrettyTable
from torch import nn

from fcn_plugin.deployment.deployed import DeployedSegmentor
from fcn_plugin.deployment.export import write_onnx
from fcn_plugin.deployment.int8 import quantise
from fcn_plugin.diagnosis.cost import peak_of
from fcn_plugin.models import speed_up
from fcn_plugin.runtimes.graph import Graph
from fcn_plugin.runtimes.graph_backend import GraphBackend
from fcn_plugin.runtimes.onnxruntime_graph import OnnxruntimeGraph
from fcn_plugin.runtimes.openvino_graph import OpenvinoGraph, has_bfloat16, openvino_core
from fcn_plugin.runtimes.torch_backend import TorchBackend, build_pipeline

from .contenders import build_model, dilated_fcn
from .report import machine
from .timing import measure

Labels = Callable[[np.ndarray], object]
_MEAN, _STD = (torch.tensor(values).view(3, 1, 1) for values in (
    (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))


class LeftOut(Exception):
    """A peer cannot take part here; the message says why."""


# --- ours ------------------------------------------------------------------------------


class Ours:
    """A config's network with random weights, in PyTorch and as an exported file.

    Args:
        config (Config): With the model.
        classes (int): How many it tells apart.
        folder (Path): For the exported file.
    """

    def __init__(self, config: Config, classes: int, folder: Path) -> None:
        self.config, self.classes, self.file = config, classes, folder / 'ours.onnx'

    def _model(self) -> nn.Module:
        model = build_model('ours', self.config, self.classes, 'cpu')
        model.cfg = self.config
        model.dataset_meta = dict(classes=list(map(str, range(self.classes))),
                                  palette=[[0] * 3] * self.classes, background=None)
        return model

    def by_torch(self, image: np.ndarray, fast: bool = False) -> tuple[Labels, int]:
        """The network as FCNInferencer runs it."""
        model = self._model()
        size = _size_of(model)  # of the checkpoint, which fast does not change
        if fast:
            speed_up(model)
        pipeline = build_pipeline(Config(dict(test_pipeline=[dict(type='PackSegInputs')])))
        backend = TorchBackend(model, pipeline)
        return lambda image: backend([image]), size

    def by_runtime(self, image: np.ndarray, runtime: type[Graph], fast: bool = False,
                   int8: bool = False) -> tuple[Labels, int]:
        """The exported file, images as they are read."""
        file = self.file.with_stem('ours_int8') if int8 else self.file
        if not self.file.exists():
            model = self._model()
            network = DeployedSegmentor(model, preprocess=True).eval()
            meta = dict(model.dataset_meta, preprocess=True, scores=False,
                        channels=network.channels, exact_places=network.exact_places)
            write_onnx(network, self.file, json.dumps(meta), 17)
        if not file.exists():
            shutil.copy(self.file, file)
            quantise(file, self._noise(), max_loss=1.)
        graph = runtime(file, 'cpu', fast, threads=torch.get_num_threads())
        if fast and not has_bfloat16():
            raise LeftOut('this CPU does not compute in bfloat16')
        backend = GraphBackend(graph)
        return lambda image: backend([image]), file.stat().st_size

    def _noise(self) -> list[Path]:
        """Two small images, as many as ranges can be measured on: for time they serve."""
        paths = [self.file.with_name(f'{i}.png') for i in range(2)]
        for i, path in enumerate(paths):
            pixels = np.random.default_rng(i).integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(path)
        return paths


# --- others ----------------------------------------------------------------------------


class Labeller(nn.Module):
    """Labels of a plain network: normalised, padded to a multiple, brought to the image's
    size, argmax.

    Args:
        network (nn.Module): Takes (N, 3, H, W).
        scores (Callable): What is scores (N, classes, h, w) of what it returns. Defaults to
            all of it.
        divisor (int): Of the sides that it takes. Defaults to 1.
    """

    def __init__(self, network: nn.Module, scores: Callable = lambda found: found,
                 divisor: int = 1) -> None:
        super().__init__()
        self.network, self.scores, self.divisor = network, scores, divisor
        self.register_buffer('mean', _MEAN, persistent=False)
        self.register_buffer('std', _STD, persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) uint8 to (H, W) uint8."""
        height, width = image.shape[:2]
        pixels = (image.permute(2, 0, 1).float() - self.mean) / self.std
        padded = F.pad(pixels[None], (0, -width % self.divisor, 0, -height % self.divisor))
        found = self.scores(self.network(padded))
        if found.shape[-2:] != padded.shape[-2:]:
            found = F.interpolate(found, padded.shape[-2:], mode='bilinear')
        return found[0, :, :height, :width].argmax(0).to(torch.uint8)


class Peer:
    """Somebody else's network with random weights, in PyTorch and by OpenVINO.

    Args:
        name (str): What it is called.
        build (Callable): Makes the :class:`Labeller`.
        folder (Path): For its exported files, one for each size of image.
    """

    def __init__(self, name: str, build: Callable[[], Labeller], folder: Path) -> None:
        self.name, self.build, self.folder = name, build, folder

    def by_torch(self, image: np.ndarray) -> tuple[Labels, int]:
        """Eager, in float32."""
        network = self.build().eval()

        @torch.inference_mode()
        def labels(image: np.ndarray) -> np.ndarray:
            return network(torch.from_numpy(image)).numpy()

        return labels, _size_of(network)

    def by_openvino(self, image: np.ndarray, fast: bool = False) -> tuple[Labels, int]:
        """As ONNX of the image's size alone, which is the most that a runtime can ask for.

        Args:
            image (np.ndarray): (H, W, 3) uint8.
            fast (bool): In bfloat16, as ours with ``--fast``. Defaults to False.
        """
        import openvino
        if fast and not has_bfloat16():
            raise LeftOut('this CPU does not compute in bfloat16')
        file = self.folder / f'{self.name} {image.shape[0]}x{image.shape[1]}.onnx'
        if not file.exists():
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of sizes that are fixed, as they shall be
                torch.onnx.export(self.build().eval(), (torch.from_numpy(image), ), str(file),
                                  dynamo=False, opset_version=17)
        compiled = openvino_core().compile_model(str(file), 'CPU', {
            'INFERENCE_PRECISION_HINT': openvino.Type.bf16 if fast else openvino.Type.f32,
            'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': torch.get_num_threads()})
        return lambda image: compiled(image)[0], file.stat().st_size


def _size_of(model: nn.Module) -> int:
    """Bytes of the weights, as in a file."""
    return sum(value.numel() * value.element_size() for value in model.state_dict().values())


def lraspp(classes: int) -> Labeller:
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large
    model = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None,
                                      num_classes=classes)
    return Labeller(model, lambda found: found['out'])


def smp(architecture: str, classes: int) -> Labeller:
    import segmentation_models_pytorch
    model = getattr(segmentation_models_pytorch, architecture)(
        'timm-tf_efficientnet_lite0', encoder_weights=None, classes=classes)
    return Labeller(model, divisor=32)


def segformer(classes: int) -> Labeller:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation
    # B0 is what its config describes where nothing is changed
    model = SegformerForSemanticSegmentation(SegformerConfig(num_labels=classes))
    return Labeller(model, lambda found: found.logits)


def pidnet(classes: int) -> Labeller:
    norm = dict(type='BN', requires_grad=True)
    return Labeller(MODELS.build(dict(
        type='EncoderDecoder',
        backbone=dict(type='PIDNet', channels=32, ppm_channels=96, num_stem_blocks=2,
                      num_branch_blocks=3, align_corners=False, norm_cfg=norm),
        decode_head=dict(type='PIDHead', in_channels=128, channels=128, num_classes=classes,
                         norm_cfg=norm, align_corners=True),
        train_cfg=dict(), test_cfg=dict(mode='whole'))), divisor=64)


def fcn_d8(classes: int) -> Labeller:
    model = dilated_fcn(classes)
    model.pop('auxiliary_head')  # of training alone
    model.pop('data_preprocessor')
    return Labeller(MODELS.build(model), divisor=8)


# --- side by side ----------------------------------------------------------------------


def contenders(ours: Ours) -> dict[str, Callable[[np.ndarray], tuple[Labels, int]]]:
    """What builds each, by name, for an image (H, W, 3) uint8: what labels one of its size,
    and bytes of the file."""
    count = ours.classes
    found = {
        'ours, PyTorch': ours.by_torch,
        'ours, PyTorch --fast': partial(ours.by_torch, fast=True),
        'ours, onnxruntime': partial(ours.by_runtime, runtime=OnnxruntimeGraph),
        'ours, OpenVINO': partial(ours.by_runtime, runtime=OpenvinoGraph),
        'ours, OpenVINO --fast (bf16)': partial(ours.by_runtime, runtime=OpenvinoGraph,
                                                fast=True),
        'ours, int8, onnxruntime': partial(ours.by_runtime, runtime=OnnxruntimeGraph,
                                           int8=True),
        'ours, int8, OpenVINO --fast (bf16)': partial(ours.by_runtime, runtime=OpenvinoGraph,
                                                      fast=True, int8=True)}
    for name, build in {
            'torchvision LRASPP MobileNetV3-L': partial(lraspp, count),
            'SMP FPN EfficientNet-Lite0': partial(smp, 'FPN', count),
            'SMP Unet EfficientNet-Lite0': partial(smp, 'Unet', count),
            'transformers SegFormer-B0': partial(segformer, count),
            'mmseg PIDNet-S': partial(pidnet, count),
            'mmseg FCN R50-D8': partial(fcn_d8, count)}.items():
        peer = Peer(name, build, ours.file.parent)
        found |= {name: peer.by_torch, f'{name}, OpenVINO': peer.by_openvino,
                  f'{name}, OpenVINO bf16': partial(peer.by_openvino, fast=True)}
    return found


def run_peers(config: Config, sizes: Sequence[int], classes: int | None = None,
              rounds: int = 9, out: str | None = None) -> list[dict]:
    """Times all that are installed, in turns, and prints a table for each size.

    All have random weights, the same image and as many threads as torch has now.

    Args:
        config (Config): The run whose network is ours.
        sizes (Sequence[int]): Sides of the image, in pixels.
        classes (int, optional): That all tell apart. Defaults to None: the config's.
        rounds (int): Timed calls of each. Defaults to 9.
        out (str, optional): A folder for peers.json and peers.md.

    Returns:
        list[dict]: A row for each contender and size.
    """
    init_default_scope('mmseg')
    rows: list[dict] = []
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(config, classes or config.model.decode_head.num_classes, Path(folder))
        for size in sizes:
            found, left_out = _at(size, ours, rounds)
            rows += found
            tables.append(_table(size, found, left_out))
    text = '\n\n'.join([*tables, 'Load and peak memory: from before a contender is built to '
                        'its first labels, libraries apart.', machine('cpu')])
    print(text)
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        Path(out, 'peers.json').write_text(json.dumps(rows, indent=1) + '\n')
        Path(out, 'peers.md').write_text(f'```\n{text}\n```\n')
    return rows


def _at(size: int, ours: Ours, rounds: int) -> tuple[list[dict], dict[str, str]]:
    """A row for each that can take part, and the reasons of the others."""
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    calls, bytes_of, loads, peaks, left_out = {}, {}, {}, {}, {}
    for name, build in contenders(ours).items():
        def first_labels(name=name, build=build) -> None:
            begin = time.perf_counter()
            labels, bytes_of[name] = build(image)
            labels(image)
            loads[name] = time.perf_counter() - begin
            calls[name] = lambda: labels(image)

        try:
            first_labels()  # loads libraries, and writes our file
            peaks[name] = peak_of(first_labels, 'cpu')
        except ImportError as error:
            left_out[name] = f'not installed: {error.name or error}'
        except LeftOut as error:
            left_out[name] = str(error)
    return [dict(contender=name, size=size, classes=ours.classes, bytes=bytes_of[name],
                 milliseconds=1e3 * timing.median, fastest=1e3 * min(timing.seconds),
                 slowest=1e3 * max(timing.seconds), load=loads[name], memory=peaks[name])
            for name, timing in measure(calls, rounds).items()], left_out


def _table(size: int, rows: list[dict], left_out: dict[str, str]) -> str:
    table = PrettyTable(['', 'ms', 'fastest', 'slowest', 'load s', 'file MB', 'peak MB'])
    table.align = 'r'
    table.align[''] = 'l'
    for row in rows:
        table.add_row([row['contender'], f"{row['milliseconds']:.1f}", f"{row['fastest']:.1f}",
                       f"{row['slowest']:.1f}", f"{row['load']:.1f}",
                       f"{row['bytes'] / 1e6:.1f}",
                       '-' if row['memory'] is None else f"{row['memory'] / 1e6:.0f}"])
    return '\n'.join([f'image in memory to labels, {size}x{size}', str(table),
                      *(f'left out: {name} ({why})' for name, why in left_out.items())])
