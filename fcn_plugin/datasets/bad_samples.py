"""What is wrong with images and masks that cannot be used."""
import os
from collections.abc import Iterable
from typing import Any

from PIL import Image

from ..images.exif import EXCHANGING_SIDES, orientation_of
from ..images.multichannel import tiff_size
from ..images.opening import open_picture
from ..utils.errors import InputError

CHOICES = ('error', 'skip')


class BadSampleError(InputError):
    """An image or its mask cannot be used; the message names the file and the reason."""

    def __init__(self, message: str) -> None:
        # From a worker process torch passes the whole traceback on as the message.
        super().__init__(message.rpartition(f'{type(self).__name__}: ')[2].strip())


class MissingFolderError(BadSampleError):
    """The folder of all images or masks has gone, so that no other image can be used."""


def check_choice(on_bad_sample: str) -> None:
    """Raises ValueError unless it is one of :data:`CHOICES`."""
    if on_bad_sample not in CHOICES:
        raise InputError(f'on_bad_sample={on_bad_sample!r}, expected one of '
                         + ', '.join(map(repr, CHOICES)))


def check_file(path: str) -> None:
    """Raises BadSampleError for faults that decoders pass, and for images that are so large
    that decoding takes too long."""
    if not os.path.isfile(path):  # made in memory, or fetched from elsewhere
        return
    size = os.path.getsize(path)
    if not size:
        raise BadSampleError(f"cannot use '{path}': the file is empty")
    try:
        with open_picture(path) as picture:  # reads the header; refuses bombs
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


def check_sizes(image: str, mask: str, steps: Iterable[Any]) -> None:
    """Raises BadSampleError if a mask and its image differ in size as the steps read them."""
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


def _follow_exif(steps: Iterable[Any]) -> tuple[bool, bool]:
    """Whether a pipeline turns images as their EXIF data say, and whether it turns masks so.

    mmcv does so for ``color_type`` 'color' and 'grayscale', with OpenCV and Pillow.
    mmseg's LoadAnnotations reads masks 'unchanged'.
    """
    for step in steps:
        if hasattr(step, 'color_type'):
            backend = getattr(step, 'imdecode_backend', None) or 'cv2'
            return (step.color_type in ('color', 'grayscale')
                    and backend in ('cv2', 'pillow')), False
    return True, False


def _read_size(path: str, follows_exif: bool) -> tuple[tuple[int, int], bool]:
    """(W, H) of a picture as it is read, and whether its EXIF data exchange W and H."""
    try:
        picture = Image.open(path)
    except Image.UnidentifiedImageError:
        size = tiff_size(path)
        if size is None:
            raise
        return size, False
    with picture:
        size = picture.size
        turned = orientation_of(picture) in EXCHANGING_SIDES
    return size[::-1] if turned and follows_exif else size, turned
