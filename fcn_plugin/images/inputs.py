"""What an inferencer is called with: images and videos, read when it is their turn."""
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..utils.errors import InputError
from ..utils.paths import VIDEO_SUFFIXES
from .exif import is_stored_in_16_bits, pages_of
from .reading import list_images, to_channels, to_rgb
from .video import VideoInput

#: How files end that may have several pages.
_PAGED = ('.gif', '.tif', '.tiff', '.webp')
#: Levels of 256 that 12 bits have left of 16: images that stay below are nearly black.
DARK = 16


class ImageInput:
    """One image, read when it is its turn.

    Args:
        source: See :func:`to_channels`.
        path (Path, optional): The file that it was made of. Defaults to None: the source,
            if that is a path.
        channels (int): How many the network takes. Defaults to 3.

    Attributes:
        path (Path, optional): Where it lies, if it is a file.
        is_file (bool): Whether it is read from there, and not given in memory.
        count (int): 1.
    """
    count = 1

    def __init__(self, source: Any, path: Path | None = None, channels: int = 3) -> None:
        self._source, self._channels = source, channels
        self.is_file = isinstance(source, (str, os.PathLike))
        self.path = Path(source) if self.is_file else path

    def __iter__(self) -> Iterator[tuple[None, np.ndarray]]:
        image = to_channels(self._source, self._channels)
        yield None, image
        dark = image.max() < DARK
        # Where a network takes other than three channels, pages may be channels.
        if self.is_file and self._channels == 3 and (
                dark or self.path.suffix.lower() in _PAGED):
            with warnings.catch_warnings():
                warnings.simplefilter('ignore', Image.DecompressionBombWarning)
                with Image.open(self.path) as file:
                    deep = file.mode.startswith('I') or is_stored_in_16_bits(file)
                    pages = pages_of(file)
            if pages > 1:
                warnings.warn(f'{self.path} has {pages} pages, of which the first is read: '
                              'save the others as files of their own')
            if dark and deep:
                warnings.warn(f'{self.path} has 16 bits and is nearly black as 8: scale its '
                              'values, by the factor that training had')

    def of(self, channels: int) -> 'ImageInput':
        """The same image for a network of that many channels."""
        return ImageInput(self._source, self.path, channels)


Input = ImageInput | VideoInput


def open_inputs(inputs: Any, channels: int = 3) -> tuple[list[Input], bool]:
    """What an inferencer is called with, as images and videos.

    Args:
        inputs: An image as in :func:`to_rgb`; the path of a video; a folder or a glob
            of images and videos; an :class:`ImageInput`; or an iterable of any of these.
        channels (int): That the network takes. Defaults to 3.

    Returns:
        tuple: The images and videos, and whether it was a single image.

    Raises:
        FileNotFoundError: If a path, folder or glob has nothing.
        ValueError: If a video cannot be decoded or the network takes other than three
            channels, or the list is empty.
        TypeError: If something in it is no image.
    """
    if isinstance(inputs, (str, os.PathLike)):
        path = Path(inputs).expanduser()
        found = [VideoInput(p) if p.suffix.lower() in VIDEO_SUFFIXES else
                 ImageInput(p, channels=channels) for p in list_images(path, videos=True)]
        videos = [one.path for one in found if isinstance(one, VideoInput)]
        if channels != 3 and videos:
            raise InputError(f"a video has three channels, but the network takes {channels}: "
                             f"leave '{videos[0]}' out, by a glob such as 'DIR/*.tif'")
        return found, path.is_file() and isinstance(found[0], ImageInput)
    if isinstance(inputs, (bytes, bytearray, memoryview, np.ndarray, Image.Image)):
        return [ImageInput(inputs, channels=channels)], True
    if isinstance(inputs, ImageInput):
        return [inputs.of(channels)], True
    if not hasattr(inputs, '__iter__') or hasattr(inputs, 'detach'):  # a tensor iterates
        to_rgb(inputs)  # says what is accepted
    opened = [item for one in inputs for item in open_inputs(one, channels)[0]]
    if not opened:
        raise InputError('there is nothing to predict: the list of images is empty')
    return opened, False
