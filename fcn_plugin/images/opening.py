"""Opens a picture with Pillow, so that its pixels are those of the file."""
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile

from ..utils.errors import InputError
from .exif import unseen_of

#: What holds the bytes of a file.
IN_MEMORY = (bytes, bytearray, memoryview)
#: Tags of TIFF: how channels lie, and their bits; and of the first, that each has a plane.
PLANES, BITS, APART = 284, 258, 2
#: Pillow (13) exchanges the bytes of packed numbers of a big-endian file, which libtiff has
#: exchanged: what it says of them, and what they are then, in the machine's order.
_EXCHANGED = {'I;16BS': 'I;16NS', 'I;32BS': 'I;32NS', 'F;32BF': 'F;32NF'}


@contextmanager
def open_picture(source: str | Path | bytes) -> Iterator[ImageFile.ImageFile]:
    """An open picture, whose pixels are read later; it is closed afterwards.

    Args:
        source (str, Path or bytes): The file, or what it holds.

    Raises:
        ValueError: If it is a TIFF that lacks tiles or strips. Pillow (13) would read zeros
            in their place, or other bytes of the file.
        PIL.UnidentifiedImageError: If Pillow knows no picture in it, or the first alone of
            a TIFF's planes.
    """
    # By its path Pillow (13) garbles a grey TIFF that is to be turned.
    with io.BytesIO(source) if isinstance(source, IN_MEMORY) else open(source, 'rb') as (
            content), Image.open(content) as picture:
        if picture.format == 'TIFF':
            _check_planes(picture)
            _check_segments(picture)
            picture.tile = list(map(_in_right_order, picture.tile))
        yield picture


def _in_right_order(segment: Any) -> Any:
    if segment.codec_name != 'libtiff':
        return segment
    kind, *others = segment.args
    return segment._replace(args=(_EXCHANGED.get(kind, kind), *others))


def _check_planes(picture: ImageFile.ImageFile) -> None:
    """Pillow (13) takes the first of planes that are not said to be colours for all of a grey
    picture, and knows none where the same channels lie pixel by pixel."""
    apart = getattr(picture, 'tag_v2', {}).get(PLANES) == APART
    if apart and len(picture.getbands()) == 1 and unseen_of(picture):
        raise Image.UnidentifiedImageError(
            f'{1 + unseen_of(picture)} planes that are not said to be colours')


def _check_segments(picture: ImageFile.ImageFile) -> None:
    """Looks at those that nothing packs: of all others libtiff says what is missing."""
    segments = [each for each in picture.tile if each.codec_name == 'raw']
    present = [each.extents for each in segments if each.offset and each.extents]
    missing = len(segments) - len(present)
    if missing:
        raise InputError(f'{missing} of its {len(segments)} tiles or strips are missing: '
                         'write it again in full (gdal_translate)')
    tags = getattr(picture, 'tag_v2', {})
    planes = len(tags[BITS]) if tags.get(PLANES) == APART else 1
    expected = picture.width * picture.height * planes
    held = sum((right - left) * (bottom - top) for left, top, right, bottom in present)
    if segments and held < expected:
        raise InputError(f'it is damaged, as its {len(segments)} tiles or strips hold {held} '
                         f'of {expected} pixels')
