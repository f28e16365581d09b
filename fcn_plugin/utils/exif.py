"""How cameras say that a picture is turned."""
import numpy as np
from PIL import Image

#: Orientations that exchange height and width.
EXCHANGING_SIDES = (5, 6, 7, 8)


def orientation_of(picture: Image.Image) -> int:
    """The orientation in a picture's EXIF data, 1 to 8; 1, not turned, where there is none."""
    found = picture.getexif().get(0x0112, 1)
    return int(found) if found in range(2, 9) else 1


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
