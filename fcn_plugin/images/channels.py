"""The order of an image's channels, and what is no number in them."""
import numpy as np


def turned(count: int) -> list[int]:
    """Places of ``count`` channels with the first three turned round: RGB to BGR and back.

    Images of more than three channels are held as those of three: in pipelines as mmcv reads
    them, blue, green, red and then the others; in files and elsewhere red first. With
    less than three there is nothing to turn.
    """
    return [2, 1, 0, *range(3, count)] if count > 2 else list(range(count))


def as_numbers(image: np.ndarray) -> np.ndarray:
    """An image with 0 for what is no finite number, as mosaics have NaN where there are no
    data: of one such pixel all scores around it would be none."""
    if image.dtype.kind != 'f':
        return image
    there = np.isfinite(image)
    return image if there.all() else np.where(there, image, image.dtype.type(0))
