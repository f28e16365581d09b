"""Images of any number of channels and any values, as pictures; and into files."""
import io
from pathlib import Path

import numpy as np
from PIL import Image

_DARK = 16  # of 256 levels: what stays below cannot be seen


def as_picture(image: np.ndarray) -> np.ndarray:
    """What of an image can be seen: its first three channels.

    Args:
        image (np.ndarray): (H, W, C), red first. uint8 stays as it is. Others do where
            their values lie within 0 to 255, and are stretched from the lowest to the
            highest value where not, as 16 bits rarely use their whole range; and where they
            would be nearly black, such as reflectances from 0 to 1.

    Returns:
        np.ndarray: RGB (H, W, 3) uint8. Of one or two channels the last is repeated.
    """
    image = image[..., :3]
    if image.dtype != np.uint8:
        image = image.astype(np.float32)
        low, high = float(image.min(initial=0)), float(image.max(initial=0))
        if low < 0 or not _DARK <= high <= 255:
            low = float(image.min())
            image = (image - low) * (255 / max(high - low, 1e-6))
        image = np.rint(image).astype(np.uint8)
    missing = [image[..., -1:]] * (3 - image.shape[2])
    return np.ascontiguousarray(np.concatenate([image, *missing], axis=2))


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Writes an RGB picture, (H, W, 3) uint8, by the path's suffix.

    It is whole at once where it is written by :func:`~fcn_plugin.utils.files.replacing`.
    """
    # In memory first: where a disk takes only a part of a JPEG, Pillow says nothing of it.
    content = io.BytesIO()
    # the level halves the time of a large PNG for a few per cent of its size
    Image.fromarray(picture).save(
        content, Image.registered_extensions().get(path.suffix.lower()), quality=92,
        compress_level=3)
    path.write_bytes(content.getvalue())
