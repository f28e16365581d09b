"""Data sets that wrap others; one of them checks images and masks before they are used."""
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmseg.registry import DATASETS
from torch.utils.data import get_worker_info

from .bad_samples import (
    BadSampleError,
    MissingFolderError,
    check_choice,
    check_file,
    check_sizes,
)


class DatasetAround:
    """A data set that wraps another one: its attributes are those of the one inside.

    Args:
        dataset (Dataset or dict): Any data set, or its config.
    """
    #: Attributes of its own; all others are those of the data set inside.
    own: tuple[str, ...] = ('dataset', )

    def __init__(self, dataset: Any) -> None:
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, idx: int) -> Any:
        return self.dataset[idx]

    def __getattr__(self, name: str) -> Any:
        # In a copy that is being unpickled `dataset` is not set yet. And the inner data
        # set's __getitems__, if torch found it here, would go around this one.
        if name in self.own or name.startswith('__'):
            raise AttributeError(f'{type(self).__name__} has no attribute {name!r}')
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # A hook that sets another pipeline, for instance, means the data set inside.
        if name in self.own:
            super().__setattr__(name, value)
        else:
            setattr(self.dataset, name, value)


def innermost(dataset: Any) -> Any:
    """The data set that a config names, without the wrappers that this package adds."""
    while isinstance(dataset, DatasetAround):
        dataset = dataset.dataset
    return dataset


def leaves(dataset: Any) -> Iterator[Any]:
    """The data sets inside wrappers such as ConcatDataset."""
    dataset = innermost(dataset)
    inside = [getattr(dataset, 'dataset', None), *getattr(dataset, 'datasets', ())]
    inside = [one for one in inside if one is not None]
    if not inside:
        yield dataset
    for one in inside:
        yield from leaves(one)


@DATASETS.register_module()
class GuardedDataset(DatasetAround):
    """Names the files that cannot be used, or takes others in their place.

    It needs ``get_data_info`` of the data set, which all of mmengine's and mmseg's have. A
    data set without it is not checked.

    Args:
        dataset (Dataset or dict): Any data set, or its config.
        on_bad_sample (str): 'error' raises :class:`BadSampleError`; 'skip' takes the next
            image in its place. In ``test_mode`` the truth of the substitute is set to
            ``ignore_index``, so that metrics count that image once, at its own index.
            A data set whose folder has gone is an error in any case. Defaults to 'error'.
        num_classes (int, optional): A mask with a label of this or more, other than the
            data set's ``ignore_index``, cannot be used. Defaults to None: labels are not
            checked.

    Raises:
        ValueError: For another ``on_bad_sample``.
    """
    own = ('dataset', '_skip', '_count_of_classes', '_skipped')

    def __init__(self, dataset: Any, on_bad_sample: str = 'error',
                 num_classes: int | None = None) -> None:
        check_choice(on_bad_sample)
        super().__init__(dataset)
        self._skip, self._count_of_classes = on_bad_sample == 'skip', num_classes
        # Each worker process writes to a place of its own. So no lock is needed, which only
        # forked processes could share.
        self._skipped = torch.zeros(256, dtype=torch.int64).share_memory_()

    @property
    def skipped(self) -> int:
        """How many samples were left out, over all worker processes."""
        return int(self._skipped.sum())

    def __getitem__(self, idx: int) -> Any:
        """The image and its truth, as the data set's pipeline returns them.

        Raises:
            BadSampleError: If it cannot be used; with 'skip', if none can.
            IndexError: Beyond the last image.
        """
        dataset = self.dataset
        if not hasattr(dataset, 'get_data_info'):
            return dataset[idx]
        if type(dataset).__getitem__ is not BaseDataset.__getitem__:
            return self._usable(idx, dataset.__getitem__)
        # Where the pipeline returns None, mmengine's data sets draw another image. Here it
        # is drawn outside of them, so that the error names the image that failed.
        for _ in range(1 if dataset.test_mode else dataset.max_refetch + 1):
            data = self._usable(idx, dataset.prepare_data)
            if data is not None:
                return data
            idx = np.random.randint(0, len(dataset))
        raise BadSampleError(
            'the pipeline returned None, no image, for '
            + ('one of the test data' if dataset.test_mode else
               f'{dataset.max_refetch + 1} images drawn one after the other (max_refetch)'))

    def _usable(self, idx: int, fetch: Callable[[int], Any]) -> Any:
        """The image of an index, or with 'skip' the next one that can be used."""
        count = len(self.dataset)
        if not -count <= idx < count:
            raise IndexError(f'image {idx} of {count}')
        for step in range(count):
            try:
                data = self._checked((idx + step) % count, fetch)
            except MissingFolderError:
                raise
            except BadSampleError as error:
                if not self._skip:
                    raise
                worker = get_worker_info()
                self._skipped[0 if worker is None else 1 + worker.id % 255] += 1
                print_log(f'left out ({self.skipped} so far): {error}', 'current', 30)
                continue
            leaf = self._leaf()
            if (step and getattr(leaf, 'test_mode', False) and isinstance(data, dict)
                    and 'gt_sem_seg' in data.get('data_samples', ())):
                data['data_samples'].gt_sem_seg.data.fill_(
                    getattr(leaf, 'ignore_index', 255))
            return data
        raise BadSampleError(f'none of the {count} images can be used')

    def _leaf(self) -> Any:
        return next(leaves(self.dataset))

    def _checked(self, idx: int, fetch: Callable[[int], Any]) -> Any:
        info = self.dataset.get_data_info(idx)
        image, mask = info.get('img_path'), info.get('seg_map_path')
        try:
            for path in filter(None, (image, mask)):
                check_file(path)
            if image and mask:
                steps = getattr(getattr(self._leaf(), 'pipeline', None), 'transforms', ())
                check_sizes(image, mask, steps)
            data = fetch(idx)
            self._check_labels(data, image, mask)
            return data
        except BadSampleError:
            raise
        except (FileNotFoundError, IsADirectoryError) as error:
            path = str(error.filename or image)
            self._check_folders(path, error)
            raise BadSampleError(f"cannot use '{path}': there is no such file") from error
        except Exception as error:  # every decoder has its own
            reason = (str(error).strip().splitlines() or [''])[0]
            where = f"'{image}'" + (f" (mask '{mask}')" if mask else '')
            raise BadSampleError(f'cannot use {where}: {type(error).__name__}: '
                                 f'{reason}') from error

    def _check_folders(self, path: str, error: OSError) -> None:
        """Raises MissingFolderError if the whole folder of the file has gone."""
        for leaf in leaves(self.dataset):
            for folder in (getattr(leaf, 'data_prefix', None) or {}).values():
                if (isinstance(folder, str) and folder and path.startswith(folder)
                        and not os.path.isdir(folder)):
                    raise MissingFolderError(
                        f"cannot use '{path}': its folder '{folder}' is not there any "
                        'more; go on with --resume once it is') from error

    def _check_labels(self, data: Any, image: str, mask: str | None) -> None:
        """Raises BadSampleError for labels that are no class."""
        count = self._count_of_classes
        if count is None or not isinstance(data, dict):
            return
        truth = data.get('gt_seg_map')  # of a pipeline that packs elsewhere
        if 'gt_sem_seg' in data.get('data_samples', ()):
            truth = data['data_samples'].gt_sem_seg.data.numpy()
        if not isinstance(truth, np.ndarray) or truth.dtype.kind not in 'iu':
            return
        ignored = getattr(self._leaf(), 'ignore_index', 255)
        # As unsigned numbers, so that one comparison finds negative labels too.
        beyond = truth.view(f'u{truth.itemsize}') >= count
        labels = truth[beyond]
        labels = labels[labels != ignored]
        if labels.size:
            raise BadSampleError(
                f"cannot use '{image}': the label {labels[0]} in its mask '{mask}' is not "
                f'one of the {count} classes (0 to {count - 1}) that '
                f'model.decode_head.num_classes says, nor {ignored} (ignored). See which '
                'values the masks have: python tools/misc/check_dataset.py FOLDER')


def guarded(dataset: Any, on_bad_sample: str = 'error',
            num_classes: int | None = None) -> dict:
    """The config of a data set with a guard around each one that reads files.

    The guards are inside wrappers such as ConcatDataset, so that an image that was mixed
    into another one is named, too.

    Args:
        dataset (dict or Dataset): A config, which is not changed, or a data set.
        on_bad_sample, num_classes: See :class:`GuardedDataset`.
    """
    how = dict(on_bad_sample=on_bad_sample, num_classes=num_classes)
    if isinstance(dataset, dict):
        if _is_guard(dataset):  # of the config, with settings of its own
            return dict(dataset)
        inside: dict[str, Any] = {}
        if isinstance(dataset.get('dataset'), dict):
            inside['dataset'] = guarded(dataset['dataset'], **how)
        if isinstance(dataset.get('datasets'), (list, tuple)):
            inside['datasets'] = [guarded(one, **how) for one in dataset['datasets']]
        if inside:
            return dict(dataset, **inside)
    return dict(type=GuardedDataset, dataset=dataset, **how)


def _is_guard(config: dict) -> bool:
    kind = config.get('type')
    return kind is GuardedDataset or (
        isinstance(kind, str) and kind.rpartition('.')[2] == GuardedDataset.__name__)
