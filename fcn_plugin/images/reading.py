"""Image files, and images in memory, to RGB arrays."""
import glob
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from ..utils.errors import InputError
from ..utils.names import written_by_predict
from ..utils.paths import IMAGE_SUFFIXES, VIDEO_SUFFIXES, WEIGHT_SUFFIXES, PathLike
from .channels import as_numbers
from .multichannel import TIFF_MAGIC, check_channels, read_channels
from .opening import APART, BITS, IN_MEMORY, PLANES, open_picture

#: Pixels above which Pillow refuses an image, as a small file could fill the memory.
MOST_WHOLE = 178_956_970
_PACKED = 259  # tag of TIFF: how channels are packed (1: not)


def list_images(pattern: PathLike | Sequence[PathLike], videos: bool = False) -> list[Path]:
    """The images that a file, a folder or a glob stands for.

    Args:
        pattern (str, Path or a sequence of these): A file, of any suffix; a folder, for
            the images directly in it; or a glob, for the images that it matches, where ``**``
            stands for folders of any depth. Of folders and globs what ``fcn predict`` has
            written beside the images is left out.
        videos (bool): Whether a folder's or a glob's videos count as well, and a video may
            be named. Defaults to False.

    Returns:
        list[Path]: Sorted, at least one. Those of a sequence in its order, each once.

    Raises:
        FileNotFoundError: If that is none.
        ValueError: If a network or, without ``videos``, a video is named.
    """
    if not isinstance(pattern, (str, os.PathLike)):
        return list(dict.fromkeys(
            path for one in pattern for path in list_images(one, videos)))
    # Before globbing: a name that exists may hold brackets.
    path = Path(pattern).expanduser()
    if path.suffix.lower() in (*WEIGHT_SUFFIXES, '.onnx'):
        raise InputError(f"'{path}' is a network and no image: name it by --checkpoint")
    if path.is_file():
        if path.suffix.lower() in VIDEO_SUFFIXES and not videos:
            raise InputError(f"'{path}' is a video, and images are expected here: save its "
                             f"frames as such, 'ffmpeg -i {path.name} frame_%06d.png' say")
        return [path]
    suffixes = IMAGE_SUFFIXES + (VIDEO_SUFFIXES if videos else ())
    found = path.iterdir() if path.is_dir() else map(
        Path, glob.glob(str(path), recursive=True))
    images = sorted(p for p in found if p.is_file() and p.suffix.lower() in suffixes
                    and not p.name.startswith('.'))  # as macOS leaves beside images
    written = written_by_predict(images)
    images = [path for path in images if path not in written] or images
    if not images:
        if re.match('https?:/', str(pattern)):
            raise InputError(f"'{pattern}' is an address: download the image, and give its "
                             'path, or its bytes in Python')
        where = (f"no image in the folder '{pattern}'" if path.is_dir() else
                 f"no image matches '{pattern}'" if glob.has_magic(str(pattern)) else
                 f"no such file or folder: '{pattern}'")
        inner = next((p.parent for deep in ('*/*', '*/*/*') for p in sorted(path.glob(deep))
                      if p.suffix.lower() in suffixes), None) if path.is_dir() else None
        way_out = (f"its folders have some: name one, such as '{inner}', or '{path}/**' for "
                   'all' if inner else f'images end in {" ".join(IMAGE_SUFFIXES)}')
        raise FileNotFoundError(f'{where} ({way_out})')
    return images


def read_image(source: PathLike | bytes) -> np.ndarray:
    """Reads any image as it is meant to be seen.

    The camera's orientation (EXIF) is applied; grey, palette and CMYK images
    become RGB; transparency is dropped, and so are the low bits beyond 8, as in training
    (:class:`~fcn_plugin.modalities.loading.LoadImageFromFile`).

    Args:
        source (str, Path or bytes): The file, or what it holds.

    Returns:
        np.ndarray: RGB, (H, W, 3) uint8.

    Raises:
        ValueError: If it cannot be read, with the file and the reason.
    """
    in_memory = isinstance(source, IN_MEMORY)
    try:
        with warnings.catch_warnings():
            # An image of 100 megapixels is slow, not an attack.
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)
            with open_picture(source) as file:
                return _pil_to_rgb(file)
    except FileNotFoundError:
        raise
    # Pillow's readers raise SyntaxError and struct.error too, among others.
    except Exception as error:
        named = f'in {len(source)} bytes' if isinstance(source, IN_MEMORY) else (
            f"'{source}'")
        reason = getattr(error, 'strerror', None) or str(error).replace(
            f' {str(source)!r}', '')
        if isinstance(error, Image.DecompressionBombError):
            reason = (f'it has more than {MOST_WHOLE / 1e6:.0f} megapixels, which are not '
                      'read whole; FCNInferencer.save and fcn predict label a TIFF in tiles '
                      "read from the file, with pip install 'mmseg-fcn-plugin[large]'")
        if isinstance(error, Image.UnidentifiedImageError):
            reason = why_unknown(source if in_memory else Path(source))
        raise InputError(f'cannot read the image {named}: {reason}') from error


def why_unknown(source: Path | bytes) -> str:
    """What may be wrong with a file that Pillow knows no picture in, and the way out.

    Args:
        source (Path or bytes): The file, which is there, or what it holds.
    """
    if isinstance(source, IN_MEMORY):
        start = bytes(source[:4])
    else:
        with open(source, 'rb') as file:
            start = file.read(4)
    if not start:
        return 'the file is empty (0 bytes)'
    if start in TIFF_MAGIC:
        return ('a TIFF of such channels is not read as colours: save three channels of 8 or '
                '16 bits, or train a network that takes channels as they are (docs/faq.md)')
    return ('it is no picture of a kind that is read: save it as JPEG, PNG, TIFF, WebP or '
            'BMP, or get the file anew')


def _pil_to_rgb(picture: Image.Image) -> np.ndarray:
    tags = getattr(picture, 'tag_v2', {})
    if (tags.get(PLANES), tags.get(_PACKED, 1)) == (APART, 1) and 16 in tags.get(BITS, ()):
        return _deep_planes_to_rgb(picture)
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith('I') or picture.mode == 'F':
        return _deep_grey_to_rgb(np.asarray(picture))
    return np.array(picture.convert('RGB'))


def _deep_planes_to_rgb(picture: Image.Image) -> np.ndarray:
    """A TIFF of 16 bits with a plane for each channel, unpacked, which Pillow (12) reads as if
    it had 8 bits."""
    file, image = getattr(picture, 'fp', None), None
    if picture.mode == 'RGB' and file is not None:  # of four OpenCV multiplies the colours
        file.seek(0)
        image = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError('16 bits with a plane for each channel are read of three channels in '
                         'a whole file alone: save it with the channels pixel by pixel '
                         '(gdal_translate -co INTERLEAVE=PIXEL)')
    return np.ascontiguousarray(image[..., ::-1])


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
        np.ndarray: (H, W, C), in the file's order, its values as they are, and 0 for what is
        no number.

    Raises:
        ValueError: If it cannot be read or has another number of channels.
    """
    if channels == 3:
        return to_rgb(source)
    name = 'in memory'
    if isinstance(source, (str, os.PathLike)):
        name = str(source)
        source = Path(source).read_bytes()
    if isinstance(source, IN_MEMORY):
        image = read_channels(bytes(source), name)
    else:
        image = np.asarray(source)
        if image.ndim not in (2, 3) or image.dtype.kind not in 'iuf':
            raise InputError(f'an image in an array is (H, W, C) of numbers, but this one is '
                             f'{image.shape} of {image.dtype}')
        image = np.atleast_3d(image)
    check_channels(image, channels, name)
    return as_numbers(image)
