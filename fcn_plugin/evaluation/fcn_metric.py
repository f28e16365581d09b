"""The paper's four metrics, streamed."""
from pathlib import Path
from typing import Dict, Optional, Sequence

import numpy as np
import torch
from mmengine.dist import all_reduce, broadcast_object_list, get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmseg.registry import METRICS
from PIL import Image
from prettytable import PrettyTable
from torch import Tensor

from .confusion import confusion_matrix, segmentation_metrics


@METRICS.register_module()
class FCNMetric(BaseMetric):
    """Pixel accuracy, mean accuracy, mean IoU and frequency-weighted IoU.

    One confusion matrix is kept, on the device where the labels are, and summed
    across processes: memory does not grow with the number of images, and any
    number of processes gives the identical matrix. Keys and class table are those of
    mmseg's ``IoUMetric``, in percent, and ``fwIoU``.

    Args:
        ignore_index (int): True label of pixels that do not count. Defaults to 255.
        output_dir (str, optional): Where predicted labels are written as
            ``<image's stem>.png``. Defaults to None: nowhere.
        format_only (bool): Write predictions and compute nothing, for data without
            truth. Defaults to False.
        prefix (str, optional): Put before the names. Defaults to None.
        collect_device: Taken for likeness with other metrics; not used.
    """

    def __init__(self,
                 ignore_index: int = 255,
                 output_dir: Optional[str] = None,
                 format_only: bool = False,
                 prefix: Optional[str] = None,
                 collect_device: str = 'cpu',
                 **kwargs) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if format_only and not output_dir:
            raise ValueError('FCNMetric: format_only=True writes predictions and nothing '
                             'else, so output_dir must name a folder')
        self.ignore_index = ignore_index
        self.output_dir = None if output_dir is None else Path(output_dir)
        self.format_only = format_only
        self._reset()

    def _reset(self) -> None:
        self._matrix: Optional[Tensor] = None
        self._last: Optional[Tensor] = None  # the last sample's share of it
        self._samples = 0

    @property
    def confusion(self) -> Optional[Tensor]:
        """Tensor: The matrix of this process so far, int64 (C, C)."""
        return self._matrix

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Adds a batch.

        Args:
            data_batch (dict): Not used.
            data_samples (Sequence[dict]): With ``pred_sem_seg`` and, but for
                ``format_only``, ``gt_sem_seg``, each with ``data`` (1, H, W).
        """
        num_classes = len(self.dataset_meta['classes'])
        for sample in data_samples:
            prediction = sample['pred_sem_seg']['data'].squeeze(0)
            if self.output_dir is not None:
                self._write(prediction, sample)
            if self.format_only:
                continue
            truth = sample['gt_sem_seg']['data'].squeeze(0).to(prediction.device)
            try:
                self._last = confusion_matrix(prediction, truth, num_classes,
                                              self.ignore_index)
            except ValueError as error:
                raise ValueError(f'{sample.get("img_path", "an image")}: {error}') from None
            self._matrix = self._last.clone() if self._matrix is None else (
                self._matrix.add_(self._last))
            self._samples += 1

    def _write(self, prediction: Tensor, sample: dict) -> None:
        self.output_dir.mkdir(parents=True, exist_ok=True)
        labels = prediction.cpu().numpy()
        if sample.get('reduce_zero_label', False):
            labels = labels + 1  # the files count from 1, with 0 ignored
        labels = labels.astype(np.uint8 if labels.max(initial=0) < 256 else np.uint16)
        Image.fromarray(labels).save(
            self.output_dir / f'{Path(sample["img_path"]).stem}.png')

    def evaluate(self, size: int) -> Dict[str, float]:
        """The metrics over all processes.

        Args:
            size (int): Images in the data set. A sampler that deals the images out
                in turn repeats the first ones until every process has as many
                as the others; what lies beyond ``size`` is taken out again.

        Returns:
            dict[str, float]: ``aAcc``, ``mAcc``, ``mIoU`` and ``fwIoU`` in percent.
        """
        num_classes = len(self.dataset_meta['classes'])
        matrix = self._matrix
        if matrix is None:
            matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
        last_place = (self._samples - 1) * get_world_size() + get_rank()
        if self._samples and last_place >= size:
            matrix = matrix - self._last
        self._reset()
        if self.format_only:
            print_log(f'the predictions are in {self.output_dir}', logger='current')
            return {}
        all_reduce(matrix)
        metrics = [self._summarise(matrix.cpu())]
        broadcast_object_list(metrics)
        return metrics[0]

    def _summarise(self, matrix: Tensor) -> Dict[str, float]:
        values = segmentation_metrics(matrix)
        table = PrettyTable(['Class', 'IoU', 'Acc'])
        for name, iou, accuracy in zip(self.dataset_meta['classes'], values['IoU'],
                                       values['Acc']):
            table.add_row([name, f'{100 * iou:.2f}', f'{100 * accuracy:.2f}'])
        print_log('per class results:\n' + table.get_string(), logger='current')
        prefix = f'{self.prefix}/' if self.prefix else ''
        return {f'{prefix}{name}': round(100 * values[name], 2)
                for name in ('aAcc', 'mAcc', 'mIoU', 'fwIoU')}

    def compute_metrics(self, results: list) -> Dict[str, float]:
        """Not used: :meth:`evaluate` works on the matrix."""
        raise NotImplementedError
