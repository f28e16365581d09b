"""Images and videos as people have them, to RGB arrays."""
import contextlib
import errno
import glob
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from ..utils.errors import InputError
from ..utils.files import replacing
from ..utils.live_frames import quiet_opencv
from ..utils.multichannel import check_channels, read_channels
from ..utils.paths import IMAGE_SUFFIXES, VIDEO_SUFFIXES, PathLike

_IN_MEMORY = (bytes, bytearray, memoryview)
#: Pixels above which Pillow refuses an image, as a small file could fill the memory.
MOST_WHOLE = 178_956_970

#: The codec that OpenCV's wheels can write for each kind of file.
_CODECS = {'.mp4': 'mp4v', '.m4v': 'mp4v', '.mov': 'mp4v', '.mkv': 'mp4v',
           '.avi': 'MJPG', '.webm': 'VP90'}


def list_images(pattern: PathLike | Sequence[PathLike], videos: bool = False) -> list[Path]:
    """The images that a file, a folder or a glob stands for.

    Args:
        pattern (str, Path or a sequence of these): A file, of any suffix; a folder, for
            the images directly in it; or a glob, for the images that it matches.
        videos (bool): Whether a folder's or a glob's videos count as well.
            Defaults to False.

    Returns:
        list[Path]: Sorted, at least one. Those of a sequence in its order, each once.

    Raises:
        FileNotFoundError: If that is none.
    """
    if not isinstance(pattern, (str, os.PathLike)):
        return list(dict.fromkeys(
            path for one in pattern for path in list_images(one, videos)))
    # Before globbing: a name that exists may hold brackets.
    path = Path(pattern).expanduser()
    if path.is_file():
        return [path]
    suffixes = IMAGE_SUFFIXES + (VIDEO_SUFFIXES if videos else ())
    found = path.iterdir() if path.is_dir() else map(Path, glob.glob(str(path)))
    images = sorted(p for p in found if p.is_file() and p.suffix.lower() in suffixes
                    and not p.name.startswith('.'))  # as macOS leaves beside images
    if not images:
        where = (f"no image in the folder '{pattern}'" if path.is_dir() else
                 f"no image matches '{pattern}'" if glob.has_magic(str(pattern)) else
                 f"no such file or folder: '{pattern}'")
        raise FileNotFoundError(f'{where} (images end in {" ".join(IMAGE_SUFFIXES)})')
    return images


# --- images ------------------------------------------------------------------------


def read_image(source: PathLike | bytes) -> np.ndarray:
    """Reads any image as it is meant to be seen.

    The camera's orientation (EXIF) is applied; grey, palette and CMYK images
    become RGB; transparency is dropped, and so are the low bits beyond 8, as when
    mmcv reads images for training.

    Args:
        source (str, Path or bytes): The file, or what it holds.

    Returns:
        np.ndarray: RGB, (H, W, 3) uint8.

    Raises:
        ValueError: If it cannot be read, with the file and the reason.
    """
    in_memory = isinstance(source, _IN_MEMORY)
    try:
        with warnings.catch_warnings():
            # An image of 100 megapixels is slow, not an attack.
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(source) if in_memory else source) as file:
                return _pil_to_rgb(file)
    except FileNotFoundError:
        raise
    # Pillow's readers raise SyntaxError and struct.error too, among others.
    except Exception as error:
        named = f'in {len(source)} bytes' if isinstance(source, _IN_MEMORY) else (
            f"'{source}'")
        reason = str(error).replace(f' {str(source)!r}', '')
        if isinstance(error, Image.DecompressionBombError):
            reason = (f'it has more than {MOST_WHOLE / 1e6:.0f} megapixels, which are not '
                      'read whole; FCNInferencer.save and fcn predict label a TIFF in tiles '
                      "read from the file, with pip install 'mmseg-fcn-plugin[large]'")
        if in_memory and isinstance(error, Image.UnidentifiedImageError):
            reason = 'they are no image file that Pillow knows'
        raise InputError(f'cannot read the image {named}: {reason}') from error


def _pil_to_rgb(picture: Image.Image) -> np.ndarray:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith('I') or picture.mode == 'F':
        return _deep_grey_to_rgb(np.asarray(picture))
    return np.array(picture.convert('RGB'))


def _deep_grey_to_rgb(grey: np.ndarray) -> np.ndarray:
    """Grey of 16 bits (or more, or real numbers), (H, W), to RGB of 8."""
    if grey.dtype.kind == 'f':
        grey = np.nan_to_num(grey) * (255 if np.nanmax(grey) <= 1 else 1)
    elif grey.dtype.itemsize == 2 or grey.max() > 255:
        grey = grey >> 8
    grey = np.clip(grey, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def to_rgb(source: Any) -> np.ndarray:
    """An image in any form that Python programs have it in.

    Args:
        source: A path; the bytes of an image file; a PIL image; or an array of uint8,
            RGB (H, W, 3), RGBA (H, W, 4) or grey (H, W). Arrays that OpenCV read are
            BGR: give ``image[..., ::-1]``.

    Returns:
        np.ndarray: RGB, (H, W, 3) uint8.

    Raises:
        ValueError: If it cannot be read, or is an array of another kind.
        TypeError: If it is none of these.
    """
    if isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview)):
        return read_image(source)
    if isinstance(source, Image.Image):
        return _pil_to_rgb(source)
    if not isinstance(source, np.ndarray):
        raise TypeError('an image is given as a path, bytes, a PIL image or a numpy '
                        f'array, not as {type(source).__name__}')
    image = source[..., None] if source.ndim == 2 else source
    if image.dtype != np.uint8 or image.ndim != 3 or not image.size or (
            image.shape[2] not in (1, 3, 4)):
        raise InputError('an image in an array is RGB (H, W, 3), RGBA (H, W, 4) or grey '
                         f'(H, W) of uint8, but this one is {source.shape} of '
                         f'{source.dtype}' + ('; give several images as a list'
                                              if source.ndim == 4 else ''))
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[..., :3])


def to_channels(source: Any, channels: int) -> np.ndarray:
    """An image as a network of so many channels takes it.

    Args:
        source: A path, the bytes of an image file, a PIL image or an array (H, W) or
            (H, W, C).
        channels (int): 3: :func:`to_rgb`. Others are how many it must have.

    Returns:
        np.ndarray: (H, W, C), in the file's order, its values as they are.

    Raises:
        ValueError: If it cannot be read or has another number of channels.
    """
    if channels == 3:
        return to_rgb(source)
    name = 'in memory'
    if isinstance(source, (str, os.PathLike)):
        name = str(source)
        source = Path(source).read_bytes()
    if isinstance(source, _IN_MEMORY):
        image = read_channels(bytes(source), name)
    else:
        image = np.asarray(source)
        if image.ndim not in (2, 3) or image.dtype.kind not in 'iuf':
            raise InputError(f'an image in an array is (H, W, C) of numbers, but this one is '
                             f'{image.shape} of {image.dtype}')
        image = np.atleast_3d(image)
    check_channels(image, channels, name)
    return image


# --- inputs of the inferencer --------------------------------------------------------


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
        yield None, to_channels(self._source, self._channels)

    def of(self, channels: int) -> 'ImageInput':
        """The same image for a network of that many channels."""
        return ImageInput(self._source, self.path, channels)


class VideoInput:
    """The frames of a video, decoded one after the other by OpenCV.

    Args:
        path (Path): The file.

    Attributes:
        path (Path): The file.
        count (int, optional): How many frames its header promises, if it does.
        fps (float): Frames a second; 25 where the file does not say.
        size (tuple[int, int]): (H, W) of a frame.

    Raises:
        ValueError: If OpenCV cannot decode it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        capture = self._open()
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.count = count if count > 0 else None
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < 1000 else 25.
        self.size = (int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
                     int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
        capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise InputError(f"cannot read the video '{self.path}': OpenCV finds no "
                             'stream in it that it can decode')
        return capture

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yields number and RGB image, (H, W, 3) uint8, of each frame."""
        capture, index = self._open(), 0
        try:
            while True:
                found, frame = capture.read()
                if not found:
                    break
                yield index, np.ascontiguousarray(frame[..., ::-1])
                index += 1
        finally:
            capture.release()
        if not index:
            raise InputError(f"cannot read the video '{self.path}': no frame of it can "
                             'be decoded')


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


# --- writing ------------------------------------------------------------------------


class VideoOutput:
    """A video that is written frame by frame; its size is that of the first, to which the
    others are brought.

    Args:
        path (Path): Its suffix chooses the codec: MPEG-4 in .mp4, .m4v, .mov and .mkv,
            VP9 in .webm (what browsers play), Motion JPEG in .avi.
        fps (float): Frames a second.

    Raises:
        ValueError: If the suffix is another.
    """

    def __init__(self, path: Path, fps: float) -> None:
        check_video_suffix(path.suffix)
        self.path, self.fps = path, fps
        self._size, self._written = (0, 0), 0
        self._writer: cv2.VideoWriter | None = None

    def write(self, picture: np.ndarray) -> None:
        """Appends an RGB picture, (H, W, 3) uint8."""
        # codecs halve the resolution of colour, so they want even sizes
        height, width = picture.shape[:2]
        picture = cv2.copyMakeBorder(picture[..., ::-1], 0, height % 2, 0, width % 2,
                                     cv2.BORDER_REPLICATE)
        if self._writer is not None and picture.shape[1::-1] != self._size:
            # it would drop, without a word, what has another size than the first
            picture = cv2.resize(picture, self._size)
        if self._writer is None:
            self._size = picture.shape[1::-1]
            codec = cv2.VideoWriter_fourcc(*_CODECS[self.path.suffix])
            with quiet_opencv():
                writer = cv2.VideoWriter(str(self.path), codec, self.fps, self._size)
            if not writer.isOpened():
                raise InputError(f"cannot write the video '{self.path}': OpenCV has no "
                                 f'encoder for it here; try .mp4 or .avi')
            self._writer = writer
        self._writer.write(picture)
        self._written += 1

    def close(self) -> None:
        """Ends the file.

        Raises:
            OSError: If not all frames can be read again, of which OpenCV says nothing where
                the disk is full.
        """
        if self._writer is None:
            return
        self._writer.release()
        if not self._is_whole():
            raise OSError(errno.EIO, 'the video is not whole: the disk must be full, or fail',
                          str(self.path))

    def _is_whole(self) -> bool:
        with quiet_opencv():
            capture = cv2.VideoCapture(str(self.path))
            # Matroska's number of frames is guessed from the seconds.
            if self.path.suffix in ('.mkv', '.webm'):
                return all(capture.grab() for _ in range(self._written))
            capture.set(cv2.CAP_PROP_POS_FRAMES, self._written - 1)
            # One more, where Ctrl-C came between writing a frame and counting it.
            return capture.get(cv2.CAP_PROP_FRAME_COUNT) >= self._written and capture.grab()


def check_video_suffix(suffix: str) -> None:
    """Raises ValueError for a kind of video that cannot be written."""
    if suffix not in _CODECS:
        raise InputError(f"videos are written as {', '.join(_CODECS)}, not as '{suffix}'")


@contextlib.contextmanager
def video_output(path: Path, fps: float) -> Iterator[VideoOutput]:
    """A video to write, which is at ``path`` once it is complete."""
    with replacing(path) as beside, contextlib.closing(VideoOutput(beside, fps)) as output:
        yield output
