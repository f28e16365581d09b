"""Reading every pair of a data set once: sizes, values, looks, class shares."""
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..images import exif
from ..images.opening import open_picture
from ..images.reading import why_unknown
from ..layouts.pairs import Pair, Pairing
from ..masks.encoding import IGNORE, Encoding, nearest_labels
from ..masks.mask_blur import MOST_KEPT, Surroundings, count_values, look_around
from ..masks.reading import read_mask
from ..modalities.loading import LoadImageFromFile

# Formats that training reads for certain.
_SURE_FORMATS = ('BMP', 'JPEG', 'PNG', 'PPM')
#: Times the width that an image may be long: at 1024 pixels and half the size, one is left.
_LONGEST = 512
#: Of one pixel of a mask, how many of its image, a side: masks are stored that much smaller.
_SCALES = 1, 2, 3, 4
#: Tabs, what else lists are parted at, and what is no UTF-8.
_NOT_LISTED = re.compile('[\t-\r\x1c-\x1e\x85\u2028\u2029\ud800-\udfff]')


class Inspected(NamedTuple):
    """A pair after reading both files.

    Attributes:
        pair (Pair): The files.
        fault (str | None): Why the pair cannot be used in training.
        size (tuple[int, int]): (H, W) of the image as it is shown.
        orientation (int): How its EXIF data turn it, 1 (not at all) to 8.
        turned (bool): Whether the mask fits the image as it is stored, so that it must be
            turned like the image.
        unsure (bool): Whether the sizes leave that open.
        scale (int): How often the mask fits into the image, a side. Defaults to 1.
        image_mode (str): PIL's mode of the image.
        pages (int): Of the image, of which the first is seen.
        unseen (int): Channels of the image that are no colours.
        most (float): The largest value of an image of 16 bits or more, else 0.
        mask_mode (str): What the mask is, in words.
        digest (str): Of the image's pixels.
        look (np.ndarray): Its 16x16 shades of grey, float32 (256,), of mean 0 and length 1;
            all 0 where they are alike.
        counts (dict[int, int]): Pixels of each value of the mask; ``None`` stands for the
            rarest of more than :data:`~fcn_plugin.masks.mask_blur.MOST_KEPT`.
        around (Surroundings | None): What lies around these values, if they are three or
            more.
        colours (bool): Whether these values are 0xRRGGBB.
        plain (bool): Whether the mask can be read as labels as it is.
        palette (dict[int, int]): 0xRRGGBB of each value of a mask with a palette.
    """
    pair: Pair
    fault: str | None = None
    size: tuple[int, int] = (0, 0)
    orientation: int = 1
    turned: bool = False
    unsure: bool = False
    scale: int = 1
    image_mode: str = ''
    pages: int = 1
    unseen: int = 0
    most: float = 0
    mask_mode: str = ''
    digest: str = ''
    look: np.ndarray = np.zeros(256, np.float32)
    counts: dict[int | None, int] = {}
    around: Surroundings | None = None
    colours: bool = False
    plain: bool = True
    palette: dict[int, int] = {}


class Checked(NamedTuple):
    """What is known of a data set.

    Attributes:
        root (Path): The folder.
        pairing (Pairing): Its files.
        splits (dict[str, list[Inspected]]): The pairs that can be used, by 'train',
            'val' and perhaps 'test'.
        encoding (Encoding): Values to classes.
        weights (list[float]): Suggested class weights.
        notes (list[str]): What was assumed or is worth knowing.
        faults (list[str]): What is wrong.
        convert (bool): Whether masks must be written anew before training.
        drawn (Path | None): The folder of the masks, where they were drawn from regions.
        source (str): What from, in words.
        unlabelled (list[Path]): Images that are to be labelled.
    """
    root: Path
    pairing: Pairing
    splits: dict[str, list[Inspected]]
    encoding: Encoding
    weights: list[float]
    notes: list[str]
    faults: list[str]
    convert: bool
    drawn: Path | None = None
    source: str = ''
    unlabelled: list[Path] = []


def inspect_pairs(pairs: Sequence[Pair], threads: int = 4) -> Iterator[Inspected]:
    """Reads all pairs, several at a time, in their order.

    Args:
        pairs (Sequence[Pair]): From :func:`find_pairs`.
        threads (int): How many at a time. Defaults to 4.
    """
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(_inspect, pairs)


def _inspect(pair: Pair) -> Inspected:
    if _NOT_LISTED.search(f'{pair.image}{pair.mask}'):
        return Inspected(pair, f'{str(pair.image)!r:.200}: a tab, a line break or what is no '
                         'UTF-8 in the name cannot stand in a list; rename it')
    try:
        with open_picture(pair.image) as image:
            halved = exif.is_stored_in_16_bits(image) and image.mode.startswith('RGB')
            pages, unseen = exif.pages_of(image), exif.unseen_of(image)
            image.load()
            deep = halved or image.mode.startswith(('I', 'F'))
            seen = image.convert('RGB') if halved else image  # without transparency
            most = _largest(seen) * (257 if halved else 1) if deep else 0
            mode, size, kind = image.mode, image.size[::-1], image.format
            orientation = exif.orientation_of(image)
            pixels = image.tobytes() + bytes(image.getpalette() or ())
            digest = hashlib.sha1(pixels + repr((mode, size)).encode()).hexdigest()
            look = _look(seen)
    except Image.UnidentifiedImageError:
        return Inspected(pair, f'{pair.image}: {why_unknown(pair.image)}')
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return Inspected(pair, f'{pair.image}: it cannot be read: {error}')
    shown = size[::-1] if orientation in exif.EXCHANGING_SIDES else size
    sure = orientation == 1 and kind in _SURE_FORMATS
    if not sure and (fault := _fault_in_training(pair.image, shown)):
        return Inspected(pair, fault)
    try:
        mask = read_mask(pair.mask)
    except ValueError as error:
        return Inspected(pair, f'{pair.mask}: {error}')
    height, width = mask.values.shape
    scale = next((n for n in _SCALES if (n * height, n * width) in (shown, size)), 0)
    turned = (scale * height, scale * width) == size != shown
    fault = None
    if not scale:
        fault = (f'{pair.mask}: the mask is {width}x{height}, but its image is '
                 f'{shown[1]}x{shown[0]}; resize one of them, masks by nearest neighbour')
    elif min(shown) < 2 or max(shown) > _LONGEST * min(shown):
        fault = (f'{pair.image}: the image is {shown[1]}x{shown[0]}, which is too narrow '
                 'to be scaled in training: cut or pad it')
    counts: dict[int | None, int] = dict(count_values(mask.values).items())
    if len(counts) > MOST_KEPT:
        order = sorted(counts, key=lambda value: (-counts[value], value))
        counts[None] = sum(counts.pop(value) for value in order[MOST_KEPT:])
    around = look_around(mask.values, counts, mask.colours) if len(counts) > 2 else None
    unsure = orientation != 1 and size == shown and not mask.turned
    return Inspected(pair, fault, shown, orientation, turned, unsure, scale, mode, pages,
                     unseen, most, mask.mode, digest, look, counts, around, mask.colours,
                     mask.plain, {v: mask.palette[v] for v in counts
                                  if v is not None and mask.palette})


def _largest(picture: Image.Image) -> float:
    """Of all its values; those that are no numbers are left out."""
    return float(np.fmax.reduce(np.asarray(picture), None))


def _look(picture: Image.Image) -> np.ndarray:
    """By which images of one film or place are told from others; see :class:`Inspected`."""
    deep = picture.mode.startswith(('I', 'F'))
    grey = Image.fromarray(np.asarray(picture, np.float32)) if deep else picture.convert('L')
    values = np.asarray(grey.resize((16, 16), Image.Resampling.BOX), np.float32).ravel()
    values = np.nan_to_num(values - values.mean(), nan=0, posinf=0, neginf=0)
    return values / max(float(np.linalg.norm(values)), 1e-6)


def _fault_in_training(image: Path, shown: tuple[int, int]) -> str | None:
    """Why training would not see the image as Pillow and viewers do."""
    try:
        size = LoadImageFromFile()(dict(img_path=str(image)))['img_shape']
    except Exception as error:  # every decoder has its own
        return f'{image}: training cannot read it ({error}); save it as PNG'
    if size != shown:
        return (f'{image}: it is shown as {shown[1]}x{shown[0]}, but training reads it as '
                f'{size[1]}x{size[0]}; save it as PNG')
    return None


class ClassShares(NamedTuple):
    """Pixels of each class over a split, and images that have the class."""
    pixels: np.ndarray
    images: np.ndarray
    # pixels of all images that have the class, for the median frequency
    beside: np.ndarray


def class_shares(found: Sequence[Inspected], encoding: Encoding) -> ClassShares:
    """Counts classes; pixels that do not count are left out.

    Args:
        found (Sequence[Inspected]): The pairs.
        encoding (Encoding): Of their masks.
    """
    number = len(encoding.classes)
    every = {value for item in found for value in item.counts if value is not None}
    labels: dict[int | None, int] = {None: IGNORE}
    labels.update(nearest_labels(every, encoding).items())
    pixels, images, beside = (np.zeros(number, np.int64) for _ in range(3))
    for item in found:
        of_image: Counter = Counter()
        for value, count in item.counts.items():
            of_image[labels[value]] += count * item.scale ** 2
        of_image.pop(IGNORE, None)
        total = sum(of_image.values())
        for label, count in of_image.items():
            pixels[label] += count
            images[label] += 1
            beside[label] += total
    return ClassShares(pixels, images, beside)


def may_number_objects(found: Sequence[Inspected]) -> bool:
    """Whether values count up from 1 in each mask, further by two in some than in others, as
    the numbers of objects do."""
    tops = set()
    for item in found:
        values = {value for value in item.counts if value}
        unit = min({1, 0x100, 0x10000} & values, default=1)  # or numbers in one channel
        if None in item.counts or values != {unit * (i + 1) for i in range(len(values))}:
            return False
        tops.add(len(values))
    return max(tops, default=0) - min(tops - {0}, default=0) > 1


def median_frequency_weights(shares: ClassShares) -> list[float]:
    """Weights that make rare classes count more: roots of those of Eigen and Fergus (2015).

    Without the root, rare classes are found where they are not. Theirs (ICCV) is the median of
    all classes' frequencies divided by the class's own. The frequency of a class is its share
    of the pixels of those images that have it. The root is kept between 0.1 and 10.

    Args:
        shares (ClassShares): Of the training images. Classes that do not occur get 1.
    """
    occurs = shares.pixels > 0
    frequency = shares.pixels[occurs] / shares.beside[occurs]
    weights = np.ones(len(shares.pixels))
    if occurs.any():
        weights[occurs] = np.clip(np.sqrt(np.median(frequency) / frequency), 0.1, 10)
    return [round(float(weight), 2) for weight in weights]


def common_size(found: Sequence[Inspected]) -> tuple[int, int]:
    """The median height and width."""
    heights, widths = zip(*(item.size for item in found))
    return int(np.median(heights)), int(np.median(widths))
