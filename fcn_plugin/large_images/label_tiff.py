"""Labels as a tiled TIFF, written as they come."""
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..visualization.label_png import palette_table
from ..visualization.overlay import Palette

_SIDE = 512  # of a tile, in pixels
_MOST_IN_CLASSIC = 2 ** 32 - 2 ** 25  # bytes, with room for the directory


class LabelledWindow(NamedTuple):
    """What is found in a part of an image that no other window labels.

    Attributes:
        rows, columns (slice): Where it lies in the image.
        pixels (np.ndarray): What the image has there, (h, w, C).
        labels (np.ndarray): Class indices, (h, w).
    """
    rows: slice
    columns: slice
    pixels: np.ndarray
    labels: np.ndarray


def write_label_tiff(path: Path, size: tuple[int, int], windows: Iterable[LabelledWindow],
                     palette: Palette, georeference: Sequence[tuple] = ()) -> None:
    """Writes labels as a TIFF of tiles of 512x512 pixels, packed by deflate.

    Up to 255 classes its pixels are 8 bits and it has the colours of
    :func:`~fcn_plugin.visualization.save_label_png`, above that 16 bits without. BigTIFF where
    4 GB could be too few. It holds the labels of one row of windows at a time.

    Args:
        path (Path): The file.
        size (tuple[int, int]): (H, W) of the image.
        windows (Iterable[LabelledWindow]): Row by row, and in a row from left to right; those
            of a row have the same rows.
        palette (Sequence): RGB of each class, 0 to 255.
        georeference (Sequence[tuple]): Tags, from :class:`TiffWindows`. Defaults to none.
    """
    import tifffile
    deep = len(palette) > 255
    kind = np.dtype(np.uint16 if deep else np.uint8)
    colours = dict(photometric='minisblack') if deep else dict(
        photometric='palette', colormap=palette_table(palette).T.astype(np.uint16) * 257)
    big = size[0] * size[1] * kind.itemsize > _MOST_IN_CLASSIC
    with tifffile.TiffWriter(path, bigtiff=big) as file:
        file.write(_tiles(windows, size, kind), shape=size, dtype=kind, tile=(_SIDE, _SIDE),
                   compression='zlib', maxworkers=1, metadata=None, extratags=georeference,
                   **colours)


def _tiles(windows: Iterable[LabelledWindow], size: tuple[int, int],
           kind: np.dtype) -> Iterator[np.ndarray]:
    """The tiles of the file in their order; those at the right and the bottom are smaller."""
    rest = np.empty((0, size[1]), kind)
    for (start, stop), row in groupby(
            windows, key=lambda window: (window.rows.start, window.rows.stop)):
        band = np.empty((stop - start, size[1]), kind)
        for window in row:
            band[:, window.columns] = window.labels
        rest = np.concatenate([rest, band])
        done = len(rest) if stop == size[0] else len(rest) // _SIDE * _SIDE
        for top in range(0, done, _SIDE):
            for left in range(0, size[1], _SIDE):
                yield rest[top:min(top + _SIDE, done), left:left + _SIDE]
        rest = rest[done:]
