"""Images with their masks."""
from pathlib import Path
from typing import NamedTuple


class Pair(NamedTuple):
    """An image, its mask and the split it lies in ('train', 'val', 'test' or None)."""
    image: Path
    mask: Path
    split: str | None


class Pairing(NamedTuple):
    """What was found in a folder.

    Attributes:
        pairs (list[Pair]): By image, in order of their paths.
        lone_images (list[Path]): Images without a mask.
        lone_masks (list[Path]): Masks without an image.
        notes (list[str]): What was assumed.
        unclear (list[list[Path]]): An image, then the masks of which each would fit it; or
            a mask, then such images.
    """
    pairs: list[Pair]
    lone_images: list[Path]
    lone_masks: list[Path]
    notes: list[str]
    unclear: list[list[Path]]


class File(NamedTuple):
    """An image or a mask, and what its name and folders say."""
    path: Path
    split: str | None
    place: tuple[str, ...]  # folders that say neither role nor split
    stem: str
