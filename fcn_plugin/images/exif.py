"""How cameras say that a picture is turned."""
from PIL import Image

#: Orientations that exchange height and width.
EXCHANGING_SIDES = (5, 6, 7, 8)


def orientation_of(picture: Image.Image) -> int:
    """The orientation in a picture's EXIF data, 1 to 8; 1, not turned, where there is none.

    A TIFF has 1: its size is the one that is shown, and Pillow turns it as it loads.
    """
    if picture.format == 'TIFF':
        return 1
    found = picture.getexif().get(0x0112, 1)
    return int(found) if found in range(2, 9) else 1
