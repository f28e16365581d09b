"""Masks in the packing of Label Studio's brush."""
import numpy as np


def brushed(mask, block=7, colour=255, alpha=255):
    """Packs RGBA whose alpha is the mask: runs of equal values, and blocks as they are.

    Args:
        mask (np.ndarray): (H, W) bool.
        block (int): Runs shorter than this become blocks. Defaults to 7.
        colour (int): Red, green and blue inside. Defaults to 255.
        alpha (int): Defaults to 255; less as at the edge of a stroke.

    Returns:
        list[int]: Bytes.
    """
    values = np.multiply.outer(mask, [colour, colour, colour, alpha]).ravel()
    bits = f'{values.size:032b}' + f'{7:05b}' + ''.join(f'{n - 1:04b}' for n in (3, 4, 8, 16))
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), values.size]
    for start, end in zip(edges, edges[1:]):
        while start < end:
            length = min(end - start, 2 ** 16)
            if length < block:  # as single values
                bits += '0' + '00' + f'{length - 1:03b}' + f'{values[start]:08b}' * length
            else:
                bits += '1' + '11' + f'{length - 1:016b}' + f'{values[start]:08b}'
            start += length
    bits += '0' * (-len(bits) % 8)
    return [int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)]
