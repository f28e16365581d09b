"""Images and masks that cannot be used: named, or left out and counted."""
import multiprocessing
import os
from typing import Any, Iterable, Iterator, Optional, Tuple

import numpy as np
from mmengine.logging import print_log
from PIL import Image

from ..utils.errors import InputError

CHOICES = ('error', 'skip')


class BadSampleError(InputError):
    """An image or its mask cannot be used; the message names the file and the reason."""

    def __init__(self, message: str) -> None:
        # From a worker process torch passes the whole traceback on as the message.
        super().__init__(message.rpartition(f'{type(self).__name__}: ')[2].strip())


class MissingFolderError(BadSampleError):
    """The folder that all images or masks lie in has gone; no next one can be better."""


class SampleGuard:
    """Stands in for a data set's ``prepare_data``.

    Args:
        dataset (BaseDataset): Any of mmengine's or mmseg's.
        on_bad_sample (str): 'error' raises :class:`BadSampleError`; 'skip' takes the next
            image in its place. In ``test_mode`` the truth of the substitute is set to
            ``ignore_index``, so that metrics count it once, where it is at its own place.
            A data set whose folder has gone is an error in any case.
        num_classes (int, optional): Labels from here on, other than the data set's
            ``ignore_index``, are errors of their mask. Defaults to None, not looked at.

    Attributes:
        skipped (Value): How many samples were left out, over all worker processes.
    """

    def __init__(self, dataset: Any, on_bad_sample: str = 'error',
                 num_classes: Optional[int] = None) -> None:
        check_choice(on_bad_sample)
        self.dataset, self.prepare = dataset, dataset.prepare_data
        self.skip, self.num_classes = on_bad_sample == 'skip', num_classes
        self.skipped = multiprocessing.Value('l', 0)

    def __call__(self, idx: int) -> Any:
        """As ``prepare_data``."""
        count = len(self.dataset)
        for step in range(count):
            try:
                data = self._checked((idx + step) % count)
            except MissingFolderError:
                raise
            except BadSampleError as error:
                if not self.skip:
                    raise
                with self.skipped.get_lock():
                    self.skipped.value += 1
                    so_far = self.skipped.value
                print_log(f'left out ({so_far} so far): {error}', 'current', 30)
                continue
            if step and self.dataset.test_mode and 'gt_sem_seg' in data['data_samples']:
                data['data_samples'].gt_sem_seg.data.fill_(
                    getattr(self.dataset, 'ignore_index', 255))
            return data
        raise BadSampleError(f'none of the {count} images can be used')

    def _checked(self, idx: int) -> Any:
        info = self.dataset.get_data_info(idx)
        image, mask = info.get('img_path'), info.get('seg_map_path')
        try:
            for path in filter(None, (image, mask)):
                _check_file(path)
            if image and mask:
                steps = getattr(getattr(self.dataset, 'pipeline', None), 'transforms', ())
                _check_sizes(image, mask, steps)
            data = self.prepare(idx)
            self._check_labels(data, image, mask)
            return data
        except BadSampleError:
            raise
        except (FileNotFoundError, IsADirectoryError) as error:
            path = str(error.filename or image)
            for folder in (getattr(self.dataset, 'data_prefix', None) or {}).values():
                if (isinstance(folder, str) and folder and path.startswith(folder)
                        and not os.path.isdir(folder)):
                    raise MissingFolderError(
                        f"cannot use '{path}': its folder '{folder}' is not there any "
                        'more; go on with --resume once it is') from error
            raise BadSampleError(f"cannot use '{path}': there is no such file") from error
        except Exception as error:  # every decoder has its own
            reason = (str(error).strip().splitlines() or [''])[0]
            where = f"'{image}'" + (f" (mask '{mask}')" if mask else '')
            raise BadSampleError(f'cannot use {where}: {type(error).__name__}: '
                                 f'{reason}') from error

    def _check_labels(self, data: Any, image: str, mask: Optional[str]) -> None:
        """Raises BadSampleError for labels that no class has."""
        if self.num_classes is None or not isinstance(data, dict):
            return
        truth = data.get('gt_seg_map')  # of a pipeline that packs elsewhere
        if 'gt_sem_seg' in data.get('data_samples', ()):
            truth = data['data_samples'].gt_sem_seg.data.numpy()
        if not isinstance(truth, np.ndarray) or truth.dtype.kind not in 'iu':
            return
        ignored = getattr(self.dataset, 'ignore_index', 255)
        # As unsigned numbers, so that one comparison finds negative labels too.
        beyond = truth.view(f'u{truth.itemsize}') >= self.num_classes
        labels = truth[beyond]
        labels = labels[labels != ignored]
        if labels.size:
            last = self.num_classes - 1
            raise BadSampleError(
                f"cannot use '{image}': the label {labels[0]} in its mask '{mask}' is not "
                f'one of the {self.num_classes} classes (0 to {last}) that '
                f'model.decode_head.num_classes says, nor {ignored} (ignored). See which '
                'values the masks have: python tools/misc/check_dataset.py FOLDER')


def check_choice(on_bad_sample: str) -> None:
    """Raises ValueError unless it is one of :data:`CHOICES`."""
    if on_bad_sample not in CHOICES:
        raise InputError(f'on_bad_sample={on_bad_sample!r}, expected one of '
                         + ', '.join(map(repr, CHOICES)))


def _check_file(path: str) -> None:
    """Raises BadSampleError for what decoders would let pass, or take long over."""
    if not os.path.isfile(path):  # made in memory, or fetched from elsewhere
        return
    size = os.path.getsize(path)
    if not size:
        raise BadSampleError(f"cannot use '{path}': the file is empty")
    try:
        with Image.open(path) as picture:  # reads the header; refuses bombs
            kind = picture.format
            with open(path, 'rb') as file:
                file.seek(max(0, size - 64))
                end = file.read().rstrip(b'\0')
            # OpenCV fills the missing part of a cut file with grey.
            if (kind == 'JPEG' and not end.endswith(b'\xff\xd9')
                    or kind == 'PNG' and b'IEND' not in end):
                picture.load()
    except Image.UnidentifiedImageError:
        return  # OpenCV knows formats that Pillow does not
    except Exception as error:
        raise BadSampleError(f"cannot use '{path}': {error}") from error


def _check_sizes(image: str, mask: str, steps: Iterable[Any]) -> None:
    """Raises BadSampleError if a mask is not as large as its image, as both are read."""
    if not (os.path.isfile(image) and os.path.isfile(mask)):
        return
    follow = _follow_exif(steps)
    try:
        (size, turned), (mask_size, _) = (
            _read_size(path, follows) for path, follows in zip((image, mask), follow))
    except Image.UnidentifiedImageError:
        return
    if size != mask_size:
        how = '' if not turned else (
            ' (turned by its EXIF data)' if follow[0] else
            ' (as stored: color_type says not to turn it by its EXIF data)')
        raise BadSampleError(
            f"cannot use '{image}': it has {size[0]}x{size[1]} pixels{how}, but its "
            f"mask '{mask}' has {mask_size[0]}x{mask_size[1]}")
    if 1 in mask_size:
        raise BadSampleError(f"cannot use '{image}': its mask '{mask}' is one pixel wide "
                             "or high, which mmseg's LoadAnnotations cannot read")


def _follow_exif(steps: Iterable[Any]) -> Tuple[bool, bool]:
    """Whether a pipeline turns images, and whether it turns masks, as EXIF data say.

    mmcv does so for ``color_type`` 'color' and 'grayscale', with OpenCV and Pillow.
    mmseg's LoadAnnotations reads masks 'unchanged'.
    """
    for step in steps:
        if hasattr(step, 'color_type'):
            backend = getattr(step, 'imdecode_backend', None) or 'cv2'
            return (step.color_type in ('color', 'grayscale')
                    and backend in ('cv2', 'pillow')), False
    return True, False


def _read_size(path: str, follows_exif: bool) -> Tuple[Tuple[int, int], bool]:
    """(W, H) of a picture as it is read, and whether its EXIF data exchange these."""
    with Image.open(path) as picture:
        size = picture.size
        turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return size[::-1] if turned and follows_exif else size, turned


def leaves(dataset: Any) -> Iterator[Any]:
    """The data sets inside wrappers such as ConcatDataset."""
    inside = [getattr(dataset, 'dataset', None), *getattr(dataset, 'datasets', ())]
    inside = [one for one in inside if one is not None]
    if not inside:
        yield dataset
    for one in inside:
        yield from leaves(one)


def guard(dataset: Any, on_bad_sample: str = 'error',
          num_classes: Optional[int] = None) -> None:
    """Has a data set name the files that cannot be used, or skip them, in place.

    Args:
        dataset (Dataset): Any, wrappers too.
        on_bad_sample, num_classes: See :class:`SampleGuard`.
    """
    for leaf in leaves(dataset):
        if hasattr(leaf, 'prepare_data') and not isinstance(
                leaf.prepare_data, SampleGuard):
            leaf.prepare_data = SampleGuard(leaf, on_bad_sample, num_classes)
