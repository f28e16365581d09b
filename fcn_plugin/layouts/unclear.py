"""Images that several masks would fit, so that names do not say which is theirs."""
import re
from collections import defaultdict
from pathlib import Path

from .pairs import File, Pair
from .roles import strip_role


def several_fit(files: list[File], others: list[File]) -> list[list[Path]]:
    """Each file with those of the others that have its name, or its name and a word more
    (a_1st.png and a_2nd.png of a.jpg), where these are several."""
    of_stem = defaultdict(list)
    for file in others:
        for stem in {file.stem, re.sub('[_. -][^_. -]+$', '', file.stem)}:
            of_stem[stem].append(file.path)
    return [[f.path, *of_stem[f.stem]] for f in files if len(of_stem[f.stem]) > 1]


def of_classes(matched: list[tuple[File, File]], masks: list[File]) -> list[list[Path]]:
    """Takes out pairs whose mask has others of its name in several folders, as of classes:
    masks/a.png beside labels/water/a.png and labels/road/a.png."""
    others = defaultdict(list)
    for mask in set(masks) - {mask for _, mask in matched}:
        others[mask.split, mask.stem].append(mask)
    found = []
    for image, mask in list(matched):
        start, more = len(mask.place), others[mask.split, mask.stem]
        folders = {''.join(one.place[start:]): one.path for one in more
                   if one.place[:start] == mask.place
                   and not re.search('[0-9]', ''.join(one.place[start:]))}
        if len(folders) > 1 and '' not in folders:
            found.append([image.path, mask.path, *sorted(folders.values())])
            matched.remove((image, mask))
    return found


def parts(pairs: list[Pair], lone: list[File]) -> list[list[Path]]:
    """Takes out pairs whose mask is one of several: a_mask.png beside a_mask_1.png."""
    of_mask = {pair.mask.with_suffix(''): pair for pair in pairs
               if strip_role(pair.mask.stem)[1] == 'mask'}
    found: dict[Pair, list[Path]] = {}
    for file in list(lone):
        pair = of_mask.get(file.path.with_name(re.sub(r'[_-]\d+$', '', file.path.stem)))
        if pair:
            found.setdefault(pair, [pair.image, pair.mask]).append(file.path)
            lone.remove(file)
    pairs[:] = [pair for pair in pairs if pair not in found]
    return list(found.values())
