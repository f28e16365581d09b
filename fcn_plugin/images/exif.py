"""What files say of a picture: how cameras have turned it, its bits and its pages."""
import contextlib

import numpy as np
from PIL import Image, ImageFile

#: Orientations that exchange height and width.
EXCHANGING_SIDES = (5, 6, 7, 8)
_CHANNELS = 277  # tag of TIFF: how many
#: Tag of TIFF for the kind of a page, and its bits for a smaller copy and for transparency.
_KIND_OF_PAGE, _COPY, _TRANSPARENCY = 254, 1, 4


def orientation_of(picture: Image.Image) -> int:
    """The orientation in a picture's EXIF data, 1 to 8; 1, not turned, where there is none.

    A TIFF has 1: its size is the one that is shown, and Pillow turns it as it loads.
    """
    if picture.format == 'TIFF':
        return 1
    found = picture.getexif().get(0x0112, 1)
    return int(found) if found in range(2, 9) else 1


def is_stored_in_16_bits(image: ImageFile.ImageFile) -> bool:
    """Whether an open file has 16 bits a channel, of which Pillow may read the upper 8.

    To be asked before the pixels are loaded: then Pillow forgets.
    """
    return ';16' in str(image.tile)


def unseen_of(image: ImageFile.ImageFile) -> int:
    """How many channels of an open TIFF are no colours: infrared, or transparency."""
    colours = len({*image.getbands()} - {'A', 'a'})
    return max(0, int(getattr(image, 'tag_v2', {}).get(_CHANNELS, 0)) - colours)


def pages_of(image: ImageFile.ImageFile) -> int:
    """How many pages of its size an open file has, of which readers take the first.

    Smaller copies and masks of transparency in a TIFF do not count, nor does what phones add
    to a JPEG.
    """
    count = 1
    if image.format == 'MPO':
        return count
    size, tile = image.size, image.tile
    with contextlib.suppress(Exception):  # a damaged page behind the first hurts nobody
        for place in range(1, getattr(image, 'n_frames', 1)):
            image.seek(place)
            kind = getattr(image, 'tag_v2', {}).get(_KIND_OF_PAGE, 0)
            count += image.size == size and not kind & (_COPY | _TRANSPARENCY)
    image.seek(0)
    image.tile = tile  # which open_picture may have mended
    return count


def turn(values: np.ndarray, orientation: int) -> np.ndarray:
    """Turns a mask as viewers turn an image.

    Args:
        values (np.ndarray): (H, W).
        orientation (int): Of EXIF, 1 to 8.
    """
    if orientation in EXCHANGING_SIDES:
        values = values.T
    mirrored_rows, mirrored_columns = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return values[::-1 if mirrored_rows else 1, ::-1 if mirrored_columns else 1]
