"""Several label maps an image: one network, several tasks."""
import os.path as osp

import torch
from mmengine.structures import PixelData
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import LoadAnnotations, PackSegInputs
from mmseg.registry import DATASETS, TRANSFORMS

from ..utils.errors import InputError


@DATASETS.register_module()
class MultiTaskDataset(BaseSegDataset):
    """Images with a label map for each of several tasks.

    The first task is mmseg's: ``classes`` of ``metainfo`` and ``data_prefix.seg_map_path``.
    Further ones are in ``metainfo`` under 'tasks', from a name to its classes, and in
    ``data_prefix`` under that name, a folder of files named as the first task's. Their
    pipeline has :class:`LoadTasks` and :class:`PackTasks` in place of ``LoadAnnotations``
    and ``PackSegInputs``, and the head ``other_tasks``.

    Args:
        **kwargs: As in mmseg's ``BaseSegDataset``.

    Raises:
        ValueError: If a task has no folder.
    """

    METAINFO: dict = dict(tasks={})

    def load_data_list(self) -> list[dict]:
        """The images, each with 'task_paths', from the names of further tasks to files."""
        tasks = self.metainfo.get('tasks') or {}
        for task in tasks:
            if not self.data_prefix.get(task):
                raise InputError(f"{type(self).__name__}: the task '{task}' has no folder: "
                                 f"set data_prefix=dict({task}='...')")
        found = super().load_data_list()
        for sample in found:
            if 'seg_map_path' in sample:
                name = osp.relpath(sample['seg_map_path'], self.data_prefix['seg_map_path'])
                sample['task_paths'] = {task: osp.join(self.data_prefix[task], name)
                                        for task in tasks}
        return found


@TRANSFORMS.register_module()
class LoadTasks(LoadAnnotations):
    """Loads the label maps of all tasks: 'gt_seg_map', and 'gt_<task>' for further ones.

    Transforms that follow treat them alike: all are in 'seg_fields'.

    Args:
        **kwargs: As in mmseg's ``LoadAnnotations``; ``label_map`` is the first task's.

    Raises:
        ValueError: If a label map is of another size than the first one.
    """

    def _load_seg_map(self, results: dict) -> None:
        super()._load_seg_map(results)
        shape = results['gt_seg_map'].shape
        for task, path in results.get('task_paths', {}).items():
            one = dict(seg_map_path=path, seg_fields=[], label_map=None,
                       reduce_zero_label=results['reduce_zero_label'])
            super()._load_seg_map(one)
            if one['gt_seg_map'].shape != shape:
                raise InputError(f"'{path}' is {one['gt_seg_map'].shape}, but "
                                 f"'{results['seg_map_path']}' is {shape}")
            results[f'gt_{task}'] = one['gt_seg_map']
            results['seg_fields'].append(f'gt_{task}')


@TRANSFORMS.register_module()
class PackTasks(PackSegInputs):
    """mmseg's ``PackSegInputs`` with the label maps of further tasks, 'gt_<task>'.

    Args:
        **kwargs: As in mmseg's ``PackSegInputs``.
    """

    def transform(self, results: dict) -> dict:
        """Packs image, label maps and meta information."""
        packed = super().transform(results)
        for task in results.get('task_paths', {}):
            if f'gt_{task}' in results:
                labels = torch.from_numpy(results[f'gt_{task}'].astype('int64'))
                packed['data_samples'].set_data(
                    {f'gt_{task}': PixelData(data=labels[None])})
        return packed
