"""Masks as they are stored: palette, grey of 1, 8 or 16 bits, colours."""
import glob
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFile, ImageOps

from ..images.exif import is_stored_in_16_bits, orientation_of, pages_of
from ..images.multichannel import read_channels
from ..images.opening import open_picture
from ..images.reading import why_unknown
from ..utils.errors import InputError
from ..utils.names import every_file
from ..utils.paths import IMAGE_SUFFIXES

#: How files end whose compression changes values.
LOSSY = ('.jpg', '.jpeg')
_LOSSLESS = {*IMAGE_SUFFIXES} - {*LOSSY}
#: What masks are whose transparency has the values.
CUT_OUT = 'grey in the transparency'


class Mask(NamedTuple):
    """A mask as it is stored.

    Attributes:
        values (np.ndarray): (H, W) integers: values, or 0xRRGGBB of colours.
        colours (bool): Whether they are colours.
        plain (bool): Whether mmcv reads the file as labels: one channel of 8 bits.
        mode (str): What the file is, in words.
        turned (bool): Whether its own EXIF data have turned it.
        palette (Sequence[int]): 0xRRGGBB of each value of a palette.
    """
    values: np.ndarray
    colours: bool
    plain: bool
    mode: str
    turned: bool = False
    palette: Sequence[int] = ()


def read_mask(path: Path) -> Mask:
    """Reads a mask of any kind: palette, grey of 1, 8 or 16 bits, RGB, RGBA.

    Args:
        path (Path): The file. It is turned as its own EXIF data say, if it has any. Grey
            stored in three channels counts as grey, and a wholly transparent pixel of RGBA
            as black. Where the rest is black, too, or a photograph, the transparency has the
            values. What is no number is -1.

    Raises:
        ValueError: If the file is empty, cannot be read, has several pages, or different
            channels of 16 bits.
    """
    try:
        with open_picture(path) as file:
            deep = is_stored_in_16_bits(file)
            pages, mode, kind_of_file = pages_of(file), file.mode, file.format
            turned, stored = orientation_of(file) != 1, _stored(file)
            image = ImageOps.exif_transpose(file) if turned else file
            if mode in ('PA', 'LA', 'CMYK', 'YCbCr', 'HSV', 'LAB'):
                mode = 'RGBA'
            pixels = np.asarray(image if mode == image.mode else image.convert(mode))
            entries = bytes(image.getpalette() or ()) if mode == 'P' else b''
        if deep and pixels.ndim == 3:
            pixels = _of_16_bits(path, pixels)
        if stored:
            pixels = stored(pixels)
    except Image.UnidentifiedImageError:
        return Mask(_unknown_to_pillow(path), False, False, 'grey of a type that Pillow lacks')
    except InputError:
        raise
    except Exception as error:  # Pillow answers damaged files with almost any error
        raise InputError(f'it cannot be read: {error}') from None
    if pages > 1:  # one a class, say, or one a layer of a volume
        raise InputError(f'it has {pages} pages, expected one whose values are the classes; '
                         'save that as PNG')
    if pixels.ndim == 2:
        pixels = _whole(pixels)
        kind = {'P': 'palette', 'L': 'grey', '1': 'black and white'}
        # mmcv reads masks without turning them, and a TIFF not as open_picture does.
        plain = not turned and not stored and mode != 'RGB' and (mode in ('P', 'L', '1') or (
            kind_of_file != 'TIFF' and pixels.min() >= 0 and pixels.max() <= 255))
        return Mask(pixels, False, plain, kind.get(mode, f'grey of 16 bits or more ({mode})'),
                    turned, [int.from_bytes(entries[3 * i:3 * i + 3], 'big')
                             for i in range(256)] if entries else [])
    # Channel by channel: a file of half a megabyte may hold 179 million pixels.
    red = pixels[..., 0]
    grey = all((red == pixels[..., i]).all() for i in (1, 2))
    values = red.astype(np.int32)
    for i in () if grey else (1, 2):
        values <<= 8
        values |= pixels[..., i]
    if pixels.shape[2] == 4:
        if _is_cut_out(values, pixels[..., 3]):
            return Mask(pixels[..., 3].astype(np.int32), False, False, CUT_OUT, turned)
        values[pixels[..., 3] == 0] = 0
    if grey:
        return Mask(values, False, False, f'grey in {len(mode)} channels', turned)
    return Mask(values, True, False, mode, turned)


def _stored(file: ImageFile.ImageFile) -> Callable[[np.ndarray], np.ndarray] | None:
    """What makes the numbers in a file of those that Pillow has made of them for viewers; None
    where they are the same."""
    tile = file.tile[0] if file.tile else None
    if tile and tile.codec_name.startswith('ppm') and file.mode in ('L', 'I'):  # PGM
        share = tile.args[1] / (255 if file.mode == 'L' else 65535)  # its white to Pillow's
        return lambda pixels: np.rint(pixels * share)
    if tile and file.format == 'TIFF' and tile.args[0] in ('L;I', 'L;IR'):  # 0 is white
        return lambda pixels: 255 - pixels
    return None


def _whole(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype.kind != 'f':
        return pixels.astype(np.int32)
    pixels = np.where(np.isnan(pixels), -1, pixels)  # no number stands for no label
    if not (pixels == np.rint(pixels)).all():
        raise InputError('its pixels are fractions, not labels: save the numbers of classes '
                         'as PNG')
    return pixels.astype(np.int64)


def _unknown_to_pillow(path: Path) -> np.ndarray:
    """Labels of a TIFF of a type that Pillow lacks, such as NumPy's int64."""
    try:
        pixels = read_channels(path.read_bytes(), str(path))
    except ImportError as error:
        raise InputError(f'{error}; or save the numbers of classes as PNG') from None
    except InputError:
        raise InputError(why_unknown(path)) from None
    if pixels.shape[2] != 1:
        raise InputError(f'it has {pixels.shape[2]} channels or pages, expected one whose '
                         'values are the classes: save that as PNG')
    return _whole(pixels[..., 0])


def _of_16_bits(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Channels of 16 bits, of which Pillow has read the upper 8: one of all numbers, where all
    channels are the same; the same 8 bits, where the lower ones say no more."""
    whole = read_channels(path.read_bytes(), str(path))
    seen = np.array_equal(whole[..., 0] >> 8, pixels[..., 0])  # else one of them is turned
    if seen and whole.shape[2] == 3 and (whole == whole[..., :1]).all():
        return whole[..., 0]
    if (whole % 257 == 0).all():
        return pixels
    raise InputError('it has several channels of 16 bits, expected numbers of classes in one: '
                     'save the channel that has these (of SYNTHIA, the red one) as PNG')


def _is_cut_out(values: np.ndarray, alpha: np.ndarray) -> bool:
    """Whether a picture's transparency has its shapes: of black, or of a photograph, whose
    pixels seldom are like the next ones."""
    if alpha.min() == alpha.max():
        return False
    there = alpha > 0
    beside = there[:, 1:] & there[:, :-1]
    like = (values[:, 1:] == values[:, :-1])[beside]
    return not values[there].any() or like.size > 0 and bool(like.mean() < 0.5)


def label_files(folder: str | Path) -> list[Path]:
    """The masks of a folder or a glob, by name: its PNG files, or without any, those of other
    kinds. Where none lies in the folder itself, those of the folders in it.

    Raises:
        FileNotFoundError: If there is none.
    """
    for files in (Path(folder).glob('*'), every_file(Path(folder)),
                  map(Path, glob.glob(str(folder), recursive=True))):
        found = sorted(path for path in files if path.suffix.lower() in _LOSSLESS
                       and not path.name.startswith('.'))
        if found:
            return [path for path in found if path.suffix.lower() == '.png'] or found
    raise FileNotFoundError(f"'{folder}' holds no mask (.png, .tif or another kind that "
                            'loses nothing): name the folder of the masks itself')


def read_labels(path: str | Path) -> np.ndarray:
    """Reads the pixel values of a mask as labels.

    Args:
        path (str or Path): A file of palette indices or of one channel.

    Returns:
        np.ndarray: Integer labels (H, W).

    Raises:
        ValueError: If it is another kind of file.
    """
    try:
        mask = read_mask(Path(path))
    except InputError as error:
        raise InputError(f'{path} is no mask: {error}') from None
    if mask.colours or mask.mode.startswith('grey in'):
        raise InputError(
            f'{path} is an image of mode {mask.mode}, expected palette indices or one '
            'channel of integers: the pixels of a mask are class numbers (fcn check-data DIR '
            '--out writes such masks of coloured ones)')
    return mask.values
