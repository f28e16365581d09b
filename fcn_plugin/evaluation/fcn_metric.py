"""The paper's four metrics, streamed."""
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import (
    all_gather_object,
    all_reduce,
    broadcast_object_list,
    get_rank,
    get_world_size,
)
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.logging import print_log
from mmseg.registry import METRICS
from PIL import Image
from prettytable import PrettyTable
from torch import Tensor

from ..utils.errors import InputError
from ..utils.files import write_bytes
from ..utils.names import plain
from .confusion import confusion_matrix, segmentation_metrics
from .trimap import boundary_distance


@METRICS.register_module()
class FCNMetric(BaseMetric):
    """Pixel accuracy, mean accuracy, mean IoU and frequency-weighted IoU.

    One confusion matrix is kept, on the device where the labels are, and summed
    across processes: memory does not grow with the number of images, and any
    number of processes gives the identical matrix. Keys and class table are those of
    mmseg's ``IoUMetric``, in percent, and ``fwIoU``.

    ``trimap_widths`` adds metrics of how well boundaries are found: ``mIoU_trimap_5`` and
    ``aAcc_trimap_5`` are mean IoU and pixel accuracy over the pixels less than 5 pixels
    away from a boundary of the truth (:func:`boundary_distance`), at the size at which
    predictions are judged. A matrix is kept for each width.

    Args:
        ignore_index (int): True label of pixels that do not count. Defaults to 255.
        trimap_widths (Sequence[int]): How many pixels on each side of a boundary
            count, for example ``(1, 5, 10, 20, 40)``. Defaults to ``()``: no bands.
        output_dir (str, optional): Where predicted labels are written as
            ``<image's stem>.png``; two images of one process that would share a file are
            an error. Defaults to None: nowhere.
        format_only (bool): Write predictions and compute nothing, for data without
            truth. Defaults to False.
        task (str, optional): A further task, whose truth and prediction are ``gt_<task>`` and
            ``pred_<task>``, and whose classes the data set's ``metainfo`` has under 'tasks'.
            Its name is the default ``prefix``. Defaults to None: the first task.
        prefix (str, optional): Put before the names. Defaults to None.
        collect_device: Not used; other metrics take it, so configs may give it.
    """

    def __init__(self,
                 ignore_index: int = 255,
                 trimap_widths: Sequence[int] = (),
                 output_dir: str | None = None,
                 format_only: bool = False,
                 task: str | None = None,
                 prefix: str | None = None,
                 collect_device: str = 'cpu',
                 **kwargs) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix or task)
        self.task = task
        if format_only and not output_dir:
            raise InputError('FCNMetric: format_only=True writes predictions and nothing '
                             'else, so output_dir must name a folder')
        widths = trimap_widths if isinstance(trimap_widths, (list, tuple)) else [None]
        if len(set(widths)) < len(widths) or not all(
                isinstance(width, int) and width >= 1 for width in widths):
            raise InputError(f'FCNMetric: trimap_widths={trimap_widths!r}, expected a '
                             'list of different integers of at least 1, in pixels')
        self.ignore_index = ignore_index
        self.trimap_widths = tuple(widths)
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.format_only = format_only
        self._reset()

    def _reset(self) -> None:
        # (1 + widths, C, C): of all pixels, then of each band
        self._matrices: Tensor | None = None
        self._last: Tensor | None = None  # the last sample's share of them
        self._samples = 0
        self._written: dict[str, Path] = {}

    @property
    def classes(self) -> Sequence[str]:
        """Sequence[str]: Of the task."""
        if self.task is None:
            return self.dataset_meta['classes']
        tasks = self.dataset_meta.get('tasks') or {}
        if self.task not in tasks:
            raise InputError(f"FCNMetric: the data set knows no task '{self.task}', expected "
                             f"one of metainfo['tasks']: {', '.join(tasks) or 'none'}")
        return tasks[self.task]

    @property
    def confusion(self) -> Tensor | None:
        """Tensor: The matrix of this process so far, int64 (C, C)."""
        return None if self._matrices is None else self._matrices[0]

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Adds a batch.

        Args:
            data_batch (dict): Not used.
            data_samples (Sequence[dict]): With ``pred_sem_seg`` and, but for
                ``format_only``, ``gt_sem_seg``, each with ``data`` (1, H, W).
        """
        for sample in data_samples:
            task = self.task or 'sem_seg'
            prediction = sample[f'pred_{task}']['data'][0]
            if self.output_dir is not None:
                self._write(prediction, sample)
            if self.format_only:
                continue
            truth = sample[f'gt_{task}']['data'][0].to(prediction.device)
            try:
                self._last = self._count(prediction, truth)
            except ValueError as error:
                raise InputError(f'{sample.get("img_path", "an image")}: {error}') from None
            if self._matrices is None:
                self._matrices = torch.zeros_like(self._last)
            self._matrices += self._last
            self._samples += 1

    def _count(self, prediction: Tensor, truth: Tensor) -> Tensor:
        """The matrices (1 + widths, C, C) of one image (H, W)."""
        num_classes = len(self.classes)
        whole = confusion_matrix(prediction, truth, num_classes, self.ignore_index)
        if not self.trimap_widths:
            return whole[None]
        distance = torch.from_numpy(boundary_distance(
            truth.cpu().numpy(), self.ignore_index)).to(truth.device)
        return torch.stack([whole] + [
            confusion_matrix(prediction, truth.masked_fill(distance >= width,
                                                           self.ignore_index),
                             num_classes, self.ignore_index)
            for width in self.trimap_widths])

    def _write(self, prediction: Tensor, sample: dict) -> None:
        path = Path(sample['img_path'])
        self._note(self._written, path)
        labels = prediction.cpu().numpy()
        if sample.get('reduce_zero_label', False):
            labels = labels + 1  # the files count from 1, with 0 ignored
        labels = labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.uint16)
        content = io.BytesIO()
        Image.fromarray(labels).save(content, 'png')
        # Of an image that a sampler deals out twice two processes write the labels at once.
        write_bytes(self.output_dir / f'{path.stem}.png', content.getvalue())

    def _note(self, written: dict[str, Path], path: Path) -> None:
        """Adds an image to those whose labels are written, by the name of the file."""
        # Windows and macOS have one file for names that differ in capitals, or in how
        # umlauts are stored.
        other = written.setdefault(plain(path.stem).casefold(), path)
        if other != path and (other.stem == path.stem or other.parent != path.parent):
            raise InputError(f"the labels of '{other}' and of '{path}' would both be "
                             f'{self.output_dir / path.stem}.png: leave output_dir (--out) '
                             'out, or test them apart')

    def evaluate(self, size: int) -> dict[str, float]:
        """The metrics over all processes.

        Args:
            size (int): Images in the data set. A sampler that deals images out to the
                processes repeats the first ones until all processes have equally many.
                Those repeated ones are subtracted again.

        Returns:
            dict[str, float]: ``aAcc``, ``mAcc``, ``mIoU`` and ``fwIoU`` in percent,
            and ``mIoU_trimap_<width>`` and ``aAcc_trimap_<width>`` for each width.

        Raises:
            ValueError: If two processes have written labels to one file.
        """
        matrices = self._matrices
        if matrices is None:
            num_classes = len(self.classes)
            matrices = torch.zeros(
                1 + len(self.trimap_widths), num_classes, num_classes, dtype=torch.int64)
        last_place = (self._samples - 1) * get_world_size() + get_rank()
        if self._samples and last_place >= size:
            matrices = matrices - self._last
        if self.output_dir is not None:
            by_all: dict[str, Path] = {}
            for written in all_gather_object(self._written):
                for path in written.values():  # each process knew of its own alone
                    self._note(by_all, path)
        self._reset()
        if self.format_only:
            print_log(f'the predictions are in {self.output_dir}', logger='current')
            return {}
        all_reduce(matrices)
        metrics = [self._summarise(matrices.cpu())]
        broadcast_object_list(metrics)
        return metrics[0]

    def _summarise(self, matrices: Tensor) -> dict[str, float]:
        if not matrices[0].any():
            print_log(f'no pixel of the masks counts: they hold {self.ignore_index} alone, as '
                      "those of Cityscapes' test images do. There are no figures",
                      'current', 30)
        values = segmentation_metrics(matrices[0])
        table = PrettyTable(['Class', 'IoU', 'Acc'])
        for name, iou, accuracy in zip(self.classes, values['IoU'],
                                       values['Acc']):
            table.add_row([name, f'{100 * iou:.2f}', f'{100 * accuracy:.2f}'])
        print_log('per class results:\n' + table.get_string(), logger='current')
        metrics = {name: values[name] for name in ('aAcc', 'mAcc', 'mIoU', 'fwIoU')}
        for width, matrix in zip(self.trimap_widths, matrices[1:]):
            values = segmentation_metrics(matrix)
            metrics.update({f'{name}_trimap_{width}': values[name]
                            for name in ('mIoU', 'aAcc')})
        prefix = f'{self.prefix}/' if self.prefix else ''
        return {prefix + name: round(100 * value, 2) for name, value in metrics.items()}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not used: :meth:`evaluate` works on the matrix."""
        raise NotImplementedError


def check_label_files(evaluator: Evaluator, dataset: Any) -> None:
    """Raises InputError where a metric would write the labels of two images of a data set to
    one file, before it writes any."""
    info = getattr(dataset, 'get_data_info', None)
    for metric in evaluator.metrics:
        if info is None or not isinstance(metric, FCNMetric) or metric.output_dir is None:
            continue
        noted: dict[str, Path] = {}
        for path in filter(None, (info(i).get('img_path') for i in range(len(dataset)))):
            metric._note(noted, Path(path))
