"""What the names of files and folders say of them: images, masks, splits."""
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence

#: Words to the split that they stand for.
SPLITS = dict(train='train', training='train', trn='train', val='val', valid='val',
              validation='val', dev='val', test='test', testing='test', tst='test')
#: What may follow the word of a split in one word with it.
_OF_SPLITS = {'crop', 'data', 'dataset', 'set', 'split'}
_MASK_WORDS = {'mask', 'label', 'gt', 'groundtruth', 'truth', 'annotation', 'annot', 'ann',
               'seg', 'segmentation', 'lbl', 'target', 'gtfine', 'labelid', 'labeltrainid',
               'labellevel3id', 'semantic', 'anno', 'manual', 'manual1'}
_IMAGE_WORDS = {'image', 'img', 'jpegimage', 'photo', 'picture', 'rgb', 'input', 'frame',
                'leftimg8bit', 'sat', 'original'}
#: Words in the names of pictures of regions that are of no class.
REGIONS = {'instance', 'instanceid', 'instancelevel3id', 'panoptic', 'superpixel'}
#: Words in the names of further pictures that stand beside the masks of classes.
OTHERS = REGIONS | {
    'object', 'color', 'colour', 'colormap', 'overlay', 'vis', 'viz', 'visualization',
    'visualisation', 'polygon', 'human', 'edge', 'contour', 'boundary', 'inv',
    'reversed'}
#: Words in the names of folders of images that no camera for colours has taken, or that have
#: no masks: of other weather, beside those that are labelled.
NOT_SEEN = REGIONS | {
    'ref', 'depth', 'disparity', 'dsm', 'ndsm', 'dem', 'nir', 'infrared', 'thermal', 'hha',
    'ndvi', 'evi', 'lidar', 'edge', 'contour', 'overlay', 'visualization', 'visualisation'}
_MOST_COMPARED = 4_000_000  # names with names; more would take minutes


def words(name: str) -> list[str]:
    """A name's words in lower case and the singular: 'trainMasks_2' to train, mask, 2."""
    name = re.sub('-TR$|(?<=s)Tr$', '-train', name)  # of DUTS, and nnU-Net's imagesTr
    name = re.sub('-TE$|(?<=s)Ts$', '-test', name)
    spaced = re.sub(r'([a-z])([A-Z])', r'\1 \2', name).lower()
    found = []
    for word in re.findall(r'[a-z0-9]+', spaced):
        for split in ('train', 'val', 'test'):  # CamVid's trainannot
            rest = word.removeprefix(split)
            if rest != word and (rest in _OF_SPLITS
                                 or rest.rstrip('s') in _MASK_WORDS | _IMAGE_WORDS
                                 or re.fullmatch('20[0-9]{2}', rest)):  # COCO's train2017
                found.append(split)
                word = rest
        found.append(word[:-1] if word.endswith('s') and len(word) > 3 else word)
    whole = re.sub('[^a-z0-9]', '', name.lower()).rstrip('s')
    if whole in _MASK_WORDS | _IMAGE_WORDS:  # ground_truth, leftImg8bit
        found.append(whole)
    return found


def role_of(name: str) -> str | None:
    """'mask' or 'image', if a word of the name says so; 'mask' if words say both."""
    found = set(words(re.split('[-_ ]with[-_ ]', name)[0]))  # images_with_masks
    if found & _MASK_WORDS:
        return 'mask'
    return 'image' if found & _IMAGE_WORDS else None


def strip_role(stem: str) -> tuple[str, str | None]:
    """A stem without the word of a role at its end or start: 'a_mask' to ('a', 'mask')."""
    role = None
    while True:
        last = re.match(r'(.+?)[_\-. ]+([A-Za-z0-9]+)$', stem)
        first = re.match(r'([A-Za-z]+)[_\-. ]+(.+)$', stem)
        if last and role_of(last[2]):
            role, stem = role or role_of(last[2]), last[1]
        elif first and role_of(first[1]):
            role, stem = role or role_of(first[1]), first[2]
        else:
            return stem, role


def common_end(names: list[str]) -> str:
    """The words that all names end in: '_L' of a_L and bc_L."""
    end = os.path.commonprefix([name[::-1] for name in names])[::-1]
    return re.sub('^[A-Za-z0-9]+', '', end)


def without_ends(names: list[str]) -> list[str]:
    """Names without the words that all have at an end: 21_training, 22_training to 21, 22.

    Numbers stay: 2023_01 and 2024_01 are not the same.
    """
    start = re.sub('[A-Za-z0-9]+$', '', os.path.commonprefix(names))
    end = common_end(names)
    if len(names) == 1 or any(word.isdigit() for word in words(f'{start} {end}')):
        return names
    return [name[len(start):len(name) - len(end)] or name for name in names]


def without_affix(affix: tuple[str, str], stem: str) -> str:
    """A stem without the prefix and suffix that :func:`common_affix` has found."""
    start, end = affix
    around = stem.startswith(start) and stem.endswith(end)
    return stem[len(start):len(stem) - len(end)] if around else stem


def _cuts_a_number(start: str, name: str, end: str) -> bool:
    return any(before.isdigit() and after.isdigit()
               for before, after in ((start[-1:], name[:1]), (name[-1:], end[:1])))


def common_affix(images: Iterable[str], masks: Sequence[str]) -> tuple[str, str] | None:
    """The prefix and suffix that most masks, or those of most images, have around an image's
    name, if one pair of them serves all. A number is in no longer one: 1 is not in 10."""
    names = sorted(set(images), key=lambda name: (-len(name), name))
    if len(names) * len(masks) > _MOST_COMPARED:  # a sample shows it, too
        masks = masks[::len(names) * len(masks) // _MOST_COMPARED + 1]
    found: Counter = Counter()
    for mask in masks:
        around = (mask.partition(name) for name in names if name in mask)
        start, _, end = next((parts for parts in around if not _cuts_a_number(*parts)),
                             ('', '', ''))
        if start or end:
            found[start, end] += 1
    (affix, count), = found.most_common(1) or [(None, 0)]
    most = max(found.total(), min(len(names), len(masks)))
    return affix if count > most / 2 else None


def split_of(names: Iterable[str]) -> str | None:
    """The split that the first of some names of folders says that says one alone."""
    for name in names:
        found = {SPLITS[word] for word in words(name) if word in SPLITS}
        if len(found) == 1:
            return found.pop()
    return None
