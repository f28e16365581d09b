"""A check of bytes packed by LZW before imagecodecs unpacks them."""
from typing import Any

import numpy as np

_LZW = 5  # TIFF's number for this packing
_CLEAR, _END = 256, 257
#: Codes from one clearing of the table to the next, at most: 4096 entries, less 258 that it
#: begins with; and some, as imagecodecs's table is larger.
_CODES = 4096


def check_lzw(page: Any, data: bytes | memoryview) -> None:
    """Raises ValueError where a tile or strip names an entry that its table does not have.

    The first code after a clearing of the table stands for a byte. imagecodecs (2026.3.6)
    takes any, and then follows an address that nobody has set: the process may end.
    Codes are found as TIFF 6.0, section 13, has them; and with the lowest bit first, as
    before version 5.

    Args:
        page (tifffile.TiffPage): Whose it is; other packings than LZW are left alone.
        data (bytes or memoryview): The tile or strip as it lies in the file.
    """
    if page.compression != _LZW or len(data) < 2:
        return
    packed = np.frombuffer(data, np.uint8)
    if page.fillorder == 2:
        packed = _TURNED[packed]
    lowest_first = bool(packed[0] == 0 and packed[1] & 1)
    widths, starts = _WIDTHS[lowest_first], _STARTS[lowest_first]
    total = 8 * len(packed)
    place, count = 0, 64
    while place + 9 <= total:
        at = place + starts[:count]
        codes = _codes(packed, at[at + widths[:count] <= total], widths, lowest_first)
        if codes[0] == _CLEAR:  # and so may the next ones be, of nine bits each
            again = codes[:64] != _CLEAR
            place, count = place + 9 * int(again.argmax() or len(again)), 64
            continue
        if codes[0] > _END:
            raise ValueError(f'the code {codes[0]} at bit {place} names an entry of a table '
                             'that is empty')
        ends = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        if len(ends):
            if codes[ends[0]] == _END:
                return
            place, count = int(at[ends[0]] + widths[ends[0]]), 64
        elif len(codes) < count or count == _CODES:
            return
        else:
            count = _CODES


def _codes(packed: np.ndarray, at: np.ndarray, widths: np.ndarray,
           lowest_first: bool) -> np.ndarray:
    """The codes that begin at these bits."""
    byte, bit = at // 8, at % 8
    width = widths[:len(at)]
    # What of these three bytes lies beyond the end is no part of a code.
    parts = [packed[np.minimum(byte + place, len(packed) - 1)].astype(np.int64)
             for place in range(3)]
    if lowest_first:
        joined = (parts[0] | parts[1] << 8 | parts[2] << 16) >> bit
    else:
        joined = (parts[0] << 16 | parts[1] << 8 | parts[2]) >> (24 - bit - width)
    return joined & ((1 << width) - 1)


def _layout(late: int) -> tuple[np.ndarray, np.ndarray]:
    """Widths of the codes after a clearing, and where each starts, in bits.

    A code is as wide as the number of entries needs, from one before the table has so many.
    """
    entries = 257 + np.maximum(np.arange(_CODES), 1)
    widths = 9 + np.searchsorted(np.array([511, 1023, 2047]) + late, entries, side='right')
    return widths, np.concatenate([[0], np.cumsum(widths[:-1])])


#: A byte's bits in the other order.
_TURNED = np.packbits(np.unpackbits(np.arange(256, dtype=np.uint8), bitorder='little'))
_WIDTHS, _STARTS = zip(_layout(0), _layout(1))
