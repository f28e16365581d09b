"""Windows of a TIFF, of which no more is read than the tiles or strips that they touch."""
import math
import operator
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..images.channels import as_numbers
from ..images.lzw import check_lzw
from ..utils.errors import InputError, MissingPackageError, UserError

#: Bytes of decoded tiles that are kept, as neighbouring windows share them; and of strips,
#: which a whole row of windows shares: 1,024 rows of 80,000 pixels fit.
_KEPT_TILES, _KEPT_STRIPS = 50_000_000, 250_000_000
_INSTALL = "pip install 'mmseg-fcn-plugin[large]'"
_GREY, _RGB, _PALETTE, _YCBCR, _JPEG = 1, 2, 3, 6, 7  # in TIFF's numbers
_ORIENTATION = 274
#: Tags that say where an image lies on the earth: GeoTIFF's six, and the coefficients of a
#: rational polynomial.
_GEOREFERENCE = (33550, 33922, 34264, 34735, 34736, 34737, 50844)


class TiffWindows:
    """The first image of a TIFF, read by windows.

    Tiles and strips, classic and BigTIFF, all that tifffile decodes. As of a small image, a
    network of three channels gets grey as three equal ones, of 16 bits the upper 8, and no
    transparency; any other gets all channels in the file's order, as they are.

    Args:
        page (tifffile.TiffPage): Of an open file.
        path (Path): Where it lies.
        channels (int): How many the network takes.

    Attributes:
        size (tuple[int, int]): (H, W).
        georeference (list): The tags of GeoTIFF, as tifffile takes ``extratags``.

    Raises:
        ValueError: If the file is cut or lacks tiles, or is of a kind that would be misread:
            a palette, CMYK, bits of a pixel other than 8 and 16, turned by a tag.
        ImportError: If it is compressed in a way that needs imagecodecs, which is missing.
    """

    def __init__(self, page: Any, path: Path, channels: int) -> None:
        self.path, self._page, self._channels = path, page, channels
        self.size = _whole(page.imagelength, page.imagewidth)
        self._check_pixels()
        self._apart = page.planarconfig == 2  # channels, each in segments of its own
        # Rows that nothing packs are read alone: some programs make one strip of all.
        self._plain = page.is_contiguous and not page.is_tiled and (
            page.planarconfig, page.predictor, page.fillorder) == (1, 1, 1)
        self._segment = _whole(page.tilelength, page.tilewidth) if page.is_tiled else _whole(
            min(page.rowsperstrip, self.size[0]), self.size[1])
        self._grid = [-(-length // side) for length, side in zip(self.size, self._segment)]
        self._check_segments()
        self._tables = dict(jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        self._most = _KEPT_TILES if page.is_tiled else _KEPT_STRIPS
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._held = 0  # bytes of these
        self.georeference = [
            (tag.code, int(tag.dtype), tag.count, self._value_of(tag), True)
            for tag in map(page.tags.get, _GEOREFERENCE) if tag is not None]

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        """The pixels of a window that lies within the image, (H, W, C), red first."""
        page = self._page
        image = np.empty((rows.stop - rows.start, columns.stop - columns.start,
                          page.samplesperpixel), page.dtype)
        if self._plain:
            self._read_rows(image, rows, columns)
            return self._as_taken(image)
        places = (range(part.start // side, -(-part.stop // side))
                  for part, side in zip((rows, columns), self._segment))
        for plane, i, j in product(range(self._planes), *places):
            segment = self._decoded((plane * self._grid[0] + i) * self._grid[1] + j)
            (there_y, here_y), (there_x, here_x) = (
                _shared(part, number * side, side) for part, number, side in zip(
                    (rows, columns), (i, j), self._segment))
            channels = slice(plane, plane + 1) if self._apart else slice(None)
            image[here_y, here_x, channels] = segment[there_y, there_x]
        return self._as_taken(image)

    def _as_taken(self, image: np.ndarray) -> np.ndarray:
        """What the network takes of it."""
        if self._channels != 3:
            return as_numbers(image)
        if image.dtype != np.uint8:
            image = (image >> 8).astype(np.uint8)
        if image.shape[2] == 1:
            return np.repeat(image, 3, axis=2)
        return np.ascontiguousarray(image[..., :3])

    def _read_rows(self, image: np.ndarray, rows: slice, columns: slice) -> None:
        page, file = self._page, self._page.parent.filehandle
        kind = page.dtype.newbyteorder(page.parent.byteorder)
        pixel = kind.itemsize * page.samplesperpixel
        for row, place in zip(image, range(rows.start, rows.stop)):
            file.seek(page.dataoffsets[0] + (place * self.size[1] + columns.start) * pixel)
            row[:] = np.frombuffer(file.read(len(row) * pixel), kind).reshape(row.shape)

    def _decoded(self, index: int) -> np.ndarray:
        """A tile or a strip, (h, w, C), or of one channel where each lies apart."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        page, file = self._page, self._page.parent.filehandle
        file.seek(page.dataoffsets[index])
        data = file.read(page.databytecounts[index])
        if page.compression == _JPEG and not data.rstrip(b'\0').endswith(b'\xff\xd9'):
            # What is missing would be filled with grey.
            raise self._fault(f'{self._named(index)} cannot be decoded: its JPEG has no end')
        try:
            check_lzw(page, data)
            segment = page.decode(data, index, **self._tables)[0][0]
        except Exception as error:  # each codec has its own
            raise self._fault(f'{self._named(index)} cannot be decoded: {error}') from error
        self._kept[index] = segment
        self._held += segment.nbytes
        while self._held > self._most:
            self._held -= self._kept.popitem(last=False)[1].nbytes
        return segment

    def _value_of(self, tag: Any) -> Any:
        """A tag's value; of a text its bytes, which need not be ASCII."""
        if tag.dtype != 2:
            return tag.value
        file = self._page.parent.filehandle
        file.seek(tag.valueoffset)
        return file.read(tag.valuebytecount)

    def _named(self, index: int) -> str:
        row, column = divmod(index % math.prod(self._grid), self._grid[1])
        kind = 'tile' if self._page.is_tiled else 'strip'
        return (f'the {kind} at row {row * self._segment[0]}, column '
                f'{column * self._segment[1]}')

    def _fault(self, text: str) -> InputError:
        return InputError(f"cannot read the image '{self.path}': {text}")

    @property
    def _planes(self) -> int:
        return self._page.samplesperpixel if self._apart else 1

    def _check_pixels(self) -> None:
        page, channels = self._page, operator.index(self._page.samplesperpixel)
        if min(self.size) < 1 or page.imagedepth != 1:
            raise self._fault(f'it has {page.imagedepth} layers of {self.size[1]}x'
                              f'{self.size[0]} pixels, expected one')
        if page.tags.valueof(_ORIENTATION, 1) != 1:
            raise self._fault("its tag 'Orientation' says that it is to be turned, which is "
                              'not done by windows: turn it, and set the tag to 1')
        kinds: tuple = (np.uint8, np.uint16)
        if self._channels != 3:
            kinds = (*kinds, np.int16, np.float32)
        if page.dtype not in kinds or page.bitspersample not in (8, 16, 32):
            raise self._fault(
                f'it has {page.bitspersample} bits a channel ({page.dtype}), expected '
                + ', '.join(np.dtype(kind).name for kind in kinds))
        colours = page.photometric == _RGB or (
            page.photometric == _YCBCR and page.compression == _JPEG)
        way_out = ('convert it (gdal_translate -expand rgb, or -co PHOTOMETRIC=RGB where the '
                   'first three channels are red, green and blue)')
        if page.photometric == _PALETTE:
            raise self._fault(f'its pixels are places in a palette: {way_out}')
        if self._channels != 3:
            if channels != self._channels:
                raise self._fault(f'it has {channels} channels, expected {self._channels}')
        elif (page.photometric, channels) != (_GREY, 1) and not (colours and channels >= 3):
            raise self._fault(
                f'it has {channels} channels of the kind {_name(page.photometric)}, expected '
                f'RGB, RGBA or one of grey: {way_out}')

    def _check_segments(self) -> None:
        import tifffile
        page = self._page
        if page.compression not in tifffile.TIFF.DECOMPRESSORS:
            raise MissingPackageError(f"'{self.path}' is packed by {_name(page.compression)}, "
                                      f'which needs more than is installed: {_INSTALL}')
        offsets, counts = (np.array(each, np.int64) for each in (
            page.dataoffsets, page.databytecounts))
        expected = self._planes * math.prod(self._grid)
        if self._plain:
            offsets, counts, expected = offsets[:1], np.array([page.nbytes]), 1
        if len(offsets) != expected or len(counts) != expected:
            raise self._fault(f'it lists {len(offsets)} places and {len(counts)} lengths of '
                              f'tiles or strips, expected {expected}')
        missing = np.flatnonzero((offsets <= 0) | (counts <= 0))
        if len(missing):
            raise self._fault(f'{len(missing)} of {expected} tiles or strips are missing, '
                              f'first {self._named(int(missing[0]))}: write it again in full '
                              '(gdal_translate)')
        length = page.parent.filehandle.size
        cut = np.flatnonzero(offsets + counts > length)
        if len(cut):
            raise self._fault(
                f'it is cut: it has {length} bytes, and {len(cut)} of {expected} tiles or '
                f'strips reach beyond, first {self._named(int(cut[0]))}')
        segment = math.prod(self._segment) * page.samplesperpixel * page.dtype.itemsize
        if segment > _KEPT_STRIPS and not self._plain:
            raise self._fault(
                f'it is packed in pieces of {self._segment[1]}x{self._segment[0]} pixels, '
                'which do not fit into memory: write it again in tiles (gdal_translate -co '
                'TILED=YES)')


def _shared(part: slice, start: int, length: int) -> tuple[slice, slice]:
    """What a segment from ``start`` on shares with a window: the places in each of them."""
    first, stop = max(part.start, start), min(part.stop, start + length)
    return slice(first - start, stop - start), slice(first - part.start, stop - part.start)


def _whole(height: Any, width: Any) -> tuple[int, int]:
    """A tag may hold numbers of any type: TypeError for others than whole ones."""
    return operator.index(height), operator.index(width)


def _name(number: Any) -> str:
    return str(getattr(number, 'name', number))


@contextmanager
def open_windows(path: Path, channels: int = 3) -> Iterator[TiffWindows]:
    """A TIFF to read windows of, see :class:`TiffWindows`; it is closed afterwards.

    Raises:
        ValueError: If it is no TIFF, too.
        ImportError: If tifffile is missing.
    """
    try:
        import tifffile
    except ImportError as error:
        raise MissingPackageError('large TIFF needs more than is installed: '
                                  f'{_INSTALL}') from error
    try:
        file = tifffile.TiffFile(path)
    except OSError:
        raise
    except Exception as error:  # one of its own for each part of a file
        raise InputError(f"cannot read the image '{path}': {error}") from error
    with file:
        try:
            image = TiffWindows(file.pages[0], path, channels)
        except (UserError, OSError):
            raise
        except Exception as error:  # tags of other types, of no numbers, of zeros
            raise InputError(f"cannot read the image '{path}': a tag of it is damaged "
                             f'({error})') from error
        yield image
