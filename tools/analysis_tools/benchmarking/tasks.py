"""What is timed: for each task, a call for each contender."""
import contextlib
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.dist import get_rank, get_world_size
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.models.losses import CrossEntropyLoss
from mmseg.structures import SegDataSample
from PIL import Image
from torch import Tensor, nn

from fcn_plugin import compat
from fcn_plugin.datasets import ShapesDataset
from fcn_plugin.engine import CPUAmpOptimWrapper
from fcn_plugin.evaluation import FCNMetric
from fcn_plugin.models.decode_heads.cross_entropy import upsampled_cross_entropy
from fcn_plugin.models.upsamplers import BilinearUpsample
from fcn_plugin.ops import label_dtype, label_scores, sample_axis

from .contenders import PlainFCN, build_model

Calls = dict[str, Callable[[], object]]


class Case(NamedTuple):
    """One setting.

    Attributes:
        config (Config): The run's config, whose model is compared.
        size (int): Images are ``size`` by ``size`` pixels.
        batch (int): Images in a batch.
        classes (int, optional): Number of classes; None for the config's.
        device (str): 'cpu' or 'cuda'.
        amp (bool): Whether training and the plain loop compute in bfloat16.
        images (int): Images in the folder of the task ``test``.
        folder (Path): Where images may be written.
    """
    config: Config
    size: int
    batch: int
    classes: int | None
    device: str
    amp: bool
    images: int
    folder: Path

    @property
    def num_classes(self) -> int:
        return self.classes or self.config.model.decode_head.num_classes

    def autocast(self):
        """A context for the loops written by hand."""
        return torch.autocast(self.device, torch.bfloat16) if self.amp else (
            contextlib.nullcontext())


# --- data ----------------------------------------------------------------------------


def write_images(case: Case) -> Path:
    """A folder of JPEG images with masks of smooth blobs: ``img/N.jpg``, ``ann/N.png``."""
    folder = case.folder / f'{case.size}-{case.images}-{case.num_classes}'
    if folder.is_dir():
        return folder
    random = np.random.RandomState(0)
    partial = Path(tempfile.mkdtemp(dir=case.folder))
    for kind in ('img', 'ann'):
        (partial / kind).mkdir()
    coarse = max(case.size // 32, 2)
    for i in range(case.images):
        field = cv2.resize(random.rand(coarse, coarse).astype(np.float32),
                           (case.size, case.size), interpolation=cv2.INTER_CUBIC)
        labels = (np.clip(field, 0, 0.999) * case.num_classes).astype(np.uint8)
        colours = random.randint(0, 256, (256, 3)).astype(np.uint8)
        noise = random.randint(-12, 13, (case.size, case.size, 3))
        image = np.clip(colours[labels].astype(int) + noise, 0, 255).astype(np.uint8)
        cv2.imwrite(str(partial / 'img' / f'{i:05}.jpg'), image)
        cv2.imwrite(str(partial / 'ann' / f'{i:05}.png'), labels)
    partial.rename(folder)
    return folder


def read_by_hand(path: str) -> Tensor:
    """RGB (3, H, W) uint8."""
    return torch.from_numpy(cv2.imread(path)[..., ::-1].transpose(2, 0, 1).copy())


def normalise(images: Tensor, config: Config) -> Tensor:
    """As the config's preprocessor: (N, 3, H, W), padded to the coarsest stride."""
    cfg = config.model.data_preprocessor
    mean, std = (torch.tensor(cfg[key], device=images.device).view(3, 1, 1)
                 for key in ('mean', 'std'))
    images = (images.float() - mean) / std
    divisor = max(config.model.decode_head.in_strides)
    return F.pad(images, (0, -images.shape[-1] % divisor, 0, -images.shape[-2] % divisor))


# --- tasks -----------------------------------------------------------------------------


def scores_to_labels(case: Case, names: Sequence[str]) -> Calls:
    """Scores at stride 8 to labels: mmsegmentation's two resizes and argmax, ours."""
    side = -(-case.size // 8)
    scores = torch.randn(case.batch, case.num_classes, side, side, device=case.device)
    axis = sample_axis(side, 8, case.size, case.size)

    def stock():
        logits = F.interpolate(scores, scale_factor=8, mode='bilinear')
        logits = logits[..., :case.size, :case.size]
        for each in logits:  # to the original size, an image at a time
            F.interpolate(each[None], (case.size, case.size),
                          mode='bilinear')[0].argmax(0, keepdim=True)

    def plain():
        F.interpolate(scores, scale_factor=8, mode='bilinear').argmax(1)

    def ours():
        for each in scores:
            label_scores(each, axis, axis)

    def reference():
        for each in scores:
            label_scores(each, axis, axis, engine='torch')

    return _chosen(dict(stock=stock, plain=plain, ours=ours, reference=reference), names)


def scores_to_loss(case: Case, names: Sequence[str]) -> Calls:
    """Scores at stride 8 to their loss and its gradient: mmsegmentation's way, ours."""
    side = -(-case.size // 8)
    scores = torch.randn(case.batch, case.num_classes, side, side, device=case.device,
                         requires_grad=True)
    truth = torch.randint(0, case.num_classes, (case.batch, case.size, case.size),
                          device=case.device)
    loss = CrossEntropyLoss(avg_non_ignore=True)
    upsampler = BilinearUpsample(case.num_classes, 8)

    def stock():
        logits = F.interpolate(scores, (case.size, case.size), mode='bilinear')
        torch.autograd.grad(loss(logits, truth, ignore_index=255), scores)

    def ours():
        axis = upsampler.matrix(side, scores)[:case.size]
        torch.autograd.grad(upsampled_cross_entropy(loss, scores, truth, (axis, axis), 255),
                            scores)

    return _chosen(dict(stock=stock, ours=ours), names)


def metric(case: Case, names: Sequence[str]) -> Calls:
    """Labels and truth of one image, 375 by 500, added to a metric."""
    drawn = ShapesDataset(1, 'val', image_size=500, pipeline=[])[0]['gt_seg_map'][:375]
    truth = torch.from_numpy(drawn.astype(np.int64) % case.num_classes)
    # What a net of stride 4 finds: the same regions with coarser outlines.
    labels = F.interpolate(truth[None, None, ::4, ::4].float(), (375, 500))[0, 0].long()
    truth, labels = truth.to(case.device), labels.to(case.device)
    meta = dict(classes=tuple(map(str, range(case.num_classes))))
    calls: Calls = {}
    for name, judge, dtype in (('stock', IoUMetric(), labels.dtype),
                               ('ours', FCNMetric(), label_dtype(case.num_classes))):
        judge.dataset_meta = meta
        sample = dict(pred_sem_seg=dict(data=labels[None].to(dtype)),
                      gt_sem_seg=dict(data=truth[None]))
        calls[name] = partial(judge.process, {}, [sample])
    return _chosen(calls, names)


@torch.no_grad()
def file_to_labels(case: Case, names: Sequence[str]) -> Calls:
    """A JPEG file to the labels of its pixels; the backbone alone beside it."""
    path = str(write_images(case._replace(images=1)) / 'img' / '00000.jpg')
    pipeline = Compose([dict(type='LoadImageFromFile'), dict(type='PackSegInputs')])
    calls: Calls = {}
    for name in _known(names):
        model = build_model(name, case.config, case.classes, case.device)
        if name == 'backbone':
            image = torch.randn(1, 3, case.size, case.size, device=case.device)
            calls[name] = _no_grad(partial(model, image))
        elif name == 'plain':
            calls[name] = _no_grad(lambda model=model: _by_hand(
                case, model, read_by_hand(path)[None]))
        else:
            calls[name] = _no_grad(lambda model=model: _with_mmengine(model, pipeline,
                                                                      path))
    return calls


def _by_hand(case: Case, model: PlainFCN, images: Tensor) -> Tensor:
    with case.autocast():
        logits = model(normalise(images.to(case.device), case.config))
    return logits[..., :images.shape[-2], :images.shape[-1]].argmax(1).cpu()


def _with_mmengine(model: nn.Module, pipeline: Compose, path: str) -> Tensor:
    data = pipeline(dict(img_path=path))
    sample, = model.test_step({key: [value] for key, value in data.items()})
    return sample.pred_sem_seg.data.cpu()


class _Folder(torch.utils.data.Dataset):
    """What a loop written by hand reads."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted((folder / 'img').iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        path = self.paths[index]
        truth = Image.open(path.parents[1] / 'ann' / f'{path.stem}.png')
        return read_by_hand(str(path)), torch.from_numpy(np.array(truth)).long()


def whole_test(case: Case, names: Sequence[str]) -> Calls:
    """A folder of images to metrics, from the first file read to the last figure."""
    folder = write_images(case)
    calls: Calls = {}
    for name in _known(names):
        if name == 'backbone':
            continue
        model = build_model(name, case.config, case.classes, case.device)
        calls[name] = (_test_by_hand(case, model, folder) if name == 'plain' else
                       _test_by_runner(case, name, model, folder))
    return calls


def _test_by_hand(case: Case, model: PlainFCN, folder: Path) -> Callable[[], object]:
    dataset = _Folder(folder)
    part = range(get_rank(), len(dataset), get_world_size())
    loader = torch.utils.data.DataLoader(
        torch.utils.data.Subset(dataset, part), case.batch, num_workers=1,
        persistent_workers=True)
    size = case.num_classes

    def run():
        matrix = torch.zeros(size * size, dtype=torch.int64)
        for images, truth in loader:
            labels = _by_hand(case, model, images)
            counted = truth != 255
            matrix += torch.bincount(truth[counted] * size + labels[counted],
                                     minlength=size * size)
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(matrix)
        hit = matrix.view(size, size).diag().double()
        return (hit / (matrix.view(size, size).sum(0) + matrix.view(size, size).sum(1)
                       - hit)).nanmean()

    return _no_grad(run)


def _test_by_runner(case: Case, name: str, model: nn.Module,
                    folder: Path) -> Callable[[], object]:
    classes = tuple(map(str, range(case.num_classes)))
    config = Config(dict(launcher=case.config.launcher))
    compat.init_cpu_distributed(config)
    runner = Runner(
        model=model, work_dir=str(case.folder / 'work_dir'), log_level='ERROR',
        default_scope='mmseg', experiment_name=f'{name}-{id(model)}',
        test_dataloader=dict(
            batch_size=case.batch, num_workers=1, persistent_workers=True,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=dict(
                type='BaseSegDataset', data_root=str(folder), img_suffix='.jpg',
                data_prefix=dict(img_path='img', seg_map_path='ann'),
                metainfo=dict(classes=classes, palette=[[0] * 3] * len(classes)),
                pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'),
                          dict(type='PackSegInputs')])),
        test_evaluator=dict(type='FCNMetric' if name.startswith('ours') else 'IoUMetric'),
        test_cfg=dict(type='TestLoop'), launcher=config.launcher, cfg=config)
    return runner.test


def train_step(case: Case, names: Sequence[str]) -> Calls:
    """One iteration on a batch in memory, uint8 images to updated weights."""
    images, truth = random_batch(case)
    calls: Calls = {}
    for name in _known(names):
        if name in ('backbone', 'ours-fast'):
            continue
        model = build_model(name, case.config, case.classes, case.device).train()
        parallel = _parallel(case, model, mmengine=name != 'plain')
        # What the tools train with, where the config names no other.
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9,
                                    weight_decay=5e-4, fused=name == 'ours')
        calls[name] = (_train_by_hand if name == 'plain' else _train_by_mmengine)(
            case, parallel, optimizer, images, truth)
    return calls


def random_batch(case: Case) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) uint8 and labels (N, H, W), another in each process."""
    random = torch.Generator().manual_seed(get_rank())
    images = torch.randint(0, 256, (case.batch, 3, case.size, case.size),
                           dtype=torch.uint8, generator=random)
    truth = torch.randint(0, case.num_classes, (case.batch, case.size // 16 + 1,
                                                case.size // 16 + 1), generator=random)
    truth = truth.repeat_interleave(16, 1).repeat_interleave(16, 2)
    truth = truth[:, :case.size, :case.size].contiguous()
    return images, truth


def as_samples(truth: Tensor) -> list[SegDataSample]:
    """Labels (N, H, W) as the pipeline packs them."""
    samples = []
    for each in truth:
        sample = SegDataSample(metainfo=dict(img_shape=each.shape, ori_shape=each.shape))
        sample.gt_sem_seg = PixelData(data=each[None])
        samples.append(sample)
    return samples


def optim_wrapper(case: Case, optimizer: torch.optim.Optimizer) -> OptimWrapper:
    """As ``tools/train.py`` wraps it, with and without ``--amp``."""
    if not case.amp:
        return OptimWrapper(optimizer)
    if case.device == 'cpu':
        return CPUAmpOptimWrapper(optimizer=optimizer)
    from mmengine.optim import AmpOptimWrapper
    return AmpOptimWrapper(dtype='bfloat16', optimizer=optimizer)


def _train_by_hand(case, model, optimizer, images, truth) -> Callable[[], object]:
    def run():
        optimizer.zero_grad()
        with case.autocast():
            logits = model(normalise(images.to(case.device), case.config))
            logits = logits[..., :case.size, :case.size]
            loss = F.cross_entropy(logits, truth.to(case.device), ignore_index=255)
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def _train_by_mmengine(case, model, optimizer, images, truth) -> Callable[[], object]:
    wrapper = optim_wrapper(case, optimizer)

    def run():
        log = model.train_step(dict(inputs=list(images), data_samples=as_samples(truth)),
                               wrapper)
        return log['loss'].item()  # as the logger reads it, which waits for a GPU

    return run


def _parallel(case: Case, model: nn.Module, mmengine: bool) -> nn.Module:
    if not torch.distributed.is_initialized():
        return model
    devices = None if case.device == 'cpu' else [torch.cuda.current_device()]
    if not mmengine:
        return nn.parallel.DistributedDataParallel(model, devices)
    from mmengine.model import MMDistributedDataParallel
    return MMDistributedDataParallel(model, device_ids=devices, broadcast_buffers=False)


TASKS = {'labels': scores_to_labels, 'loss': scores_to_loss, 'metric': metric,
         'file': file_to_labels, 'test': whole_test, 'train': train_step}
"""By the name that the command line knows them by."""


def _known(names: Sequence[str]) -> Sequence[str]:
    return [name for name in names if name != 'reference']


def _chosen(calls: Calls, names: Sequence[str]) -> Calls:
    return {name: call for name, call in calls.items() if name in names}


def _no_grad(call: Callable[[], object]) -> Callable[[], object]:
    return torch.no_grad()(call)
