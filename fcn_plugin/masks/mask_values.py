"""What the pixels of masks are, and which class each value stands for."""
import re
from collections import Counter
from collections.abc import Sequence

import matplotlib.colors
import numpy as np
from mmseg.registry import DATASETS

from ..utils.errors import InputError
from ..visualization import default_palette
from ..visualization.label_png import BORDER_COLOUR
from .class_names import ClassNames, check_names, does_not_count
from .colours import NEAR, as_written, distance, packed, unpacked
from .encoding import IGNORE, Encoding
from .mask_blur import Surroundings, find_levels, nothing_seen

_BORDER = packed(BORDER_COLOUR)
_DEEP_IGNORE = 65535  # stands in 16 bits for what 255 stands for in 8
_MOST_CLASSES = 255  # labels are stored in 8 bits, and 255 is left for ignored pixels
_DARK = 64  # shades of one colour are seldom below, numbers in its channel are
_BLACK = ("black is taken for a class; if it stands for pixels that do not count: "
          "--ignore '#000000'")
_NAMELESS = 'no names are known: --classes NAME ..., in the order of the table, gives them'


def find_encoding(counts: dict[int, int], colours: bool,
                  classes: Sequence[str] | None = None,
                  ignore: Sequence[int | str] = (),
                  names: ClassNames | None = None,
                  around: Surroundings | None = None, lossy: bool = False,
                  blurred: bool = False) -> Encoding:
    """Proposes a class for every value that occurs.

    Args:
        counts (dict[int, int]): Pixels of each value, over all masks.
        colours (bool): Whether the values are 0xRRGGBB.
        classes (Sequence[str], optional): Names of the classes, in the order of their
            values. They take precedence over every guess. Defaults to None: guessed.
        ignore (Sequence[int or str]): Values of pixels that do not count, colours as
            '#rrggbb'. Their classes are left out. Defaults to none; 255 is ignored anyway
            where it cannot be a class.
        names (ClassNames, optional): Names from a file; used where ``classes`` is None.
        around (Surroundings, optional): What lies around the pixels of each value. Defaults
            to None: nothing is taken for blur.
        lossy (bool): Whether most masks are JPEG. Defaults to False.
        blurred (bool): Whether the masks are blurred for certain. Defaults to False.

    Raises:
        ValueError: If ``ignore`` has a value that no mask has, or two classes have one name.
    """
    notes: list[str] = []
    faults: list[str] = []
    if classes is not None:
        check_names(classes, '--classes')
    if names is not None and (classes is not None or not _fits(names, colours, notes)):
        names = None
    source = '--classes'
    if names is not None and names.kind == 'order':
        classes, source, names = list(names.names.values()), names.file, None
    kept = {value: n for value, n in counts.items() if value is not None}
    named = list(names.names) if names else []
    is_blurred = False
    fits = not colours and source == '--classes' and classes is not None and all(
        0 <= v < len(classes) or v == IGNORE for v in counts if v is not None)
    if blurred or not fits:  # else all values have names
        levels = find_levels(counts, colours, around or nothing_seen(), lossy, blurred, named)
        kept, is_blurred = levels.kept, levels.blurred
        notes += filter(None, [levels.note])
        faults += filter(None, [levels.fault])
    left_out = [_ignored(value, kept, colours, is_blurred) for value in ignore]
    if faults:  # without certain labels nothing more can be said
        return Encoding({value: IGNORE for value in kept}, list(classes or ['class 0']), [],
                        colours, notes, faults)
    bits, *others = [i for i in (16, 8, 0) if any(v >> i & 255 for v in kept)] or [0]
    numbers = {value >> bits: n for value, n in kept.items()}
    if names is not None:
        found = _by_names(kept, colours, names, left_out)
    elif colours and len(kept) > 2 and not others and (IGNORE not in numbers or max(
            {*numbers} - {IGNORE}) < max(_DARK, 2 * len(numbers))):
        found = _in_channel(bits, _find_values(numbers, classes, source,
                                               [value >> bits for value in left_out]))
    elif colours:
        found = _find_colours(kept, classes, source, left_out)
    else:
        found = _find_values(kept, classes, source, left_out)
    if len(found.classes) > _MOST_CLASSES:
        found.faults.append(
            f'{len(found.classes)} classes, but at most {_MOST_CLASSES} can be trained: '
            'labels are stored in 8 bits, and 255 stands for ignored pixels. Are these masks '
            'of instances, or pictures?')
    suspects = [value for value, label in found.label_map.items()
                if value in kept and label < len(found.classes)
                and does_not_count(found.classes[label])]
    if suspects:
        shown = ', '.join(repr(found.classes[found.label_map[v]]) for v in suspects)
        options = ' '.join(_quoted(v, colours) for v in suspects)
        found.notes.append(f'{shown} is trained like any class; if its pixels do not count: '
                           f'--ignore {options}')
    return found._replace(notes=notes + found.notes)


def _fits(names: ClassNames, colours: bool, notes: list[str]) -> bool:
    """Whether a file's names can be given to the values in the masks."""
    if colours == (names.kind == 'colours'):
        return True
    has, hold = ('colours', 'values') if names.kind == 'colours' else (
        'no colours', 'colours')
    notes.append(f'the names of {names.file} are not used: it gives {has}, but the masks hold '
                 f'{hold}; --classes NAME ... gives them in the order of the table')
    return False


def _quoted(value: int, colours: bool) -> str:
    return f"'{as_written(value, colours)}'" if colours else str(value)


def _share(value: int, counts: dict[int, int], colours: bool) -> str:
    """A value and its share of the pixels."""
    share = 100 * counts.get(value, 0) / max(1, sum(counts.values()))
    return f'{as_written(value, colours)} ({share:.2g} %)'


def _ignored(value: int | str, counts: dict[int, int], colours: bool,
             blurred: bool) -> int:
    """The value that --ignore names; an error if no mask has it."""
    wanted: int | None = None
    if isinstance(value, str) and re.fullmatch('#[0-9a-fA-F]{6}', value):
        reason = 'is a colour, but the masks hold values'
        wanted = int(value[1:], 16) if colours else None
    elif isinstance(value, str):
        reason = "is no value; expected one such as 11, or a colour such as '#ff0000'"
    else:
        reason = "is no colour, but the masks hold colours; expected one such as '#ff0000'"
        wanted = None if colours else int(value)
    if wanted is not None:
        if wanted in counts:
            return wanted
        near = min(counts, key=lambda v: distance(v, wanted, colours))
        if blurred and distance(near, wanted, colours) <= NEAR:
            return near
        reason = 'is in no mask'
    most = sorted(counts, key=lambda v: (-counts[v], v))
    raise InputError(f'--ignore {value}: that {reason}. There are '
                     + ', '.join(_share(v, counts, colours) for v in most[:12])
                     + (f' and {len(most) - 12} more' if len(most) > 12 else ''))


def _by_names(counts: dict[int, int], colours: bool, names: ClassNames,
              ignored: Sequence[int]) -> Encoding:
    """Classes of a file that gives each value a name."""
    notes, faults = [f'the names are from {names.file}'], []
    map_ = dict.fromkeys([*ignored, *names.silent], IGNORE)
    if names.silent:
        notes.append('values of other things do not count (--classes NAME ... names all)')
    void = _BORDER if colours else IGNORE
    if void in counts and void not in names.names and void not in ignored:
        map_[void] = IGNORE
        notes.append(_void_note(void, colours))
    missing = sorted(set(counts) - set(names.names) - set(map_))
    if missing:
        shown = ', '.join(_share(v, counts, colours) for v in missing[:12])
        more = f' and {len(missing) - 12} more' if len(missing) > 12 else ''
        faults.append(
            f'values without a name in {names.file}: {shown}{more}. Name them there, or '
            'leave their pixels out: --ignore '
            + ' '.join(_quoted(v, colours) for v in missing[:12]))
    unused = [repr(name) for value, name in names.names.items()
              if value not in counts and value not in map_]
    if unused:
        notes.append(f'classes of {names.file} that no mask has: {", ".join(unused)}')
    all_names = {**names.names, **{v: as_written(v, colours) for v in missing}}
    order = [value for value in all_names if value not in map_]
    map_.update({value: i for i, value in enumerate(order)})
    palette = [list(unpacked(value)) for value in order] if colours else []
    return Encoding(map_, [all_names[v] for v in order], palette, colours, notes, faults)


def _void_note(value: int, colours: bool) -> str:
    if colours:
        return f"VOC's border {BORDER_COLOUR} is taken for pixels that do not count"
    return f'{value} is taken for pixels that do not count'


# --- values -------------------------------------------------------------------------


def _find_values(counts: dict[int, int], classes: Sequence[str] | None, source: str,
                 ignored: Sequence[int]) -> Encoding:
    notes: list[str] = [] if source == '--classes' else [f'the names are from {source}']
    faults: list[str] = []
    map_ = dict.fromkeys(ignored, IGNORE)
    values = sorted(set(counts) - set(ignored))
    if values in ([0, IGNORE], [0, _DEEP_IGNORE]) and len(classes or ()) in (0, 2):
        notes.append(f'masks of 0 and {values[1]}: {values[1]} is the object, not ignored')
        names = list(classes or ('background', 'object'))
        return Encoding({**map_, 0: 0, values[1]: 1}, names, [], False, notes, faults)
    whole, gaps = list(values), np.diff(values)
    even = len(values) > 2 and values[-1] == IGNORE and gaps.min() > 8 and np.ptp(gaps) <= 2
    if even and not classes:
        notes.append('values evenly apart up to 255 are taken for one class each, in their '
                     f'order: {", ".join(map(str, values))}. (If 255 stands for pixels that '
                     'do not count: --ignore 255)')
    for void in (IGNORE, _DEEP_IGNORE, -1):
        if even and not classes or classes and whole[-1] == void and (
                len(classes) == len(whole) and whole[-2:][0] >= len(classes)):
            break  # white, a class like the other greys
        # 255 between other values of 16 bits is a class number, or one too many.
        if void in values and (void != IGNORE or max(set(values) - {
                _DEEP_IGNORE}) == void):
            values.remove(void)
            map_[void] = IGNORE
            notes.append(_void_note(void, False))
    if not values:
        faults.append('the masks have no label but ignored ones')
        return Encoding(map_, list(classes or ['class 0']), [], False, notes, faults)
    count = len(classes) if classes else values[-1] + 1
    everything = sorted({*values, *(v for v in ignored if v not in (IGNORE, _DEEP_IGNORE))})
    shift, by_order = 0, False
    if values[0] < 0:
        faults.append(f'there are negative values, such as {values[0]}: give classes others, '
                      f'or leave these pixels out by --ignore {values[0]}')
        values = [value for value in values if value >= 0] or [0]
    elif classes and values[-1] < count:
        pass
    elif classes and values[0] >= 1 and values[-1] == count:
        notes.append(f'labels count from 1 to {count}: 1 is taken off')
        shift = 1
    elif classes and count in (len(values), len(everything)):
        by_order = True
        everything = everything if count == len(everything) else values
        notes.append('values in their order are the classes: '
                     + ', '.join(f'{v} {name}' for v, name in zip(everything, classes)))
    elif classes:
        beyond = [value for value in values if value >= count]
        shown = ', '.join(_share(v, counts, False) for v in beyond[:8])
        of = '' if source == '--classes' else f' of {source}'
        hint = ''
        if source != '--classes' and values == list(range(count + 1)):
            hint = f' If {source} leaves out the background, make it the first line.'
        faults.append(
            f'values beyond the {count} classes{of}: {shown}. Name all classes, or leave '
            f'these pixels out by --ignore {" ".join(map(str, beyond[:8]))}.{hint}')
        map_.update(dict.fromkeys(beyond, IGNORE))
        values = [value for value in values if value < count]
    elif values[0] == 1 and values[-1] == len(values) > 1:  # without a gap
        notes.append(f'labels count from 1 to {values[-1]} and there is no 0: 1 is taken '
                     'off. (If 0 is a class that just does not occur, give --classes)')
        shift, count = 1, values[-1]
    elif even or values[-1] >= 2 * len(everything) and len(values) > 1:
        if not even:
            notes.append('values far apart are taken for one class each, in their order: '
                         + ', '.join(map(str, values))
                         + '. (If they are class numbers, give --classes)')
        by_order, everything, count = True, values, len(values)
    if count > 2 ** 16:  # beyond the names that can be listed
        faults.append(f'{values[-1]} is no number of a class: are these masks?')
        map_.update(dict.fromkeys(values, IGNORE))
        return Encoding(map_, ['class 0'], [], False, notes, faults)
    # Places of all classes; the ignored ones are left out below.
    places = {v: i for i, v in enumerate(everything)} if by_order else {
        v: v - shift for v in everything if 0 <= v - shift < count}
    gone = {places[v] for v in ignored if v in places}
    names = list(classes or _numbered(count))
    order = [i for i in range(count) if i not in gone]
    new = {place: i for i, place in enumerate(order)}
    if not by_order:
        present = set(values)
        absent = [i for i in order if i + shift not in present]
        if absent:
            notes.append('labels that never occur: ' + ', '.join(
                f'{i + shift} ({names[i]})' if classes else str(i + shift) for i in absent))
    if not classes:
        notes.append(_NAMELESS)
    map_.update({v: new[places[v]] for v in values if v in places})
    return Encoding(map_, [names[i] for i in order], [], False, notes, faults)


def _in_channel(bits: int, found: Encoding) -> Encoding:
    """Classes of colours of which one channel alone has values, from those of these."""
    note = (f'only the {("blue", "green", "red")[bits // 8]} channel has values: they are '
            'taken for numbers, not for colours')
    return found._replace(label_map={v << bits: label for v, label in found.label_map.items()},
                          colours=True, notes=[note, *found.notes])


def _numbered(count: int) -> list[str]:
    if count == 2:
        return ['background', 'object']
    return [f'class {i}' for i in range(count)]


# --- colours ------------------------------------------------------------------------


def _find_colours(counts: dict[int, int], classes: Sequence[str] | None, source: str,
                  ignored: Sequence[int]) -> Encoding:
    notes: list[str] = []
    faults: list[str] = []
    map_ = dict.fromkeys(ignored, IGNORE)
    if _BORDER in counts and len(counts) > 2 and _BORDER not in ignored:
        map_[_BORDER] = IGNORE
        notes.append(_void_note(_BORDER, True))
    # Black, mostly the background, is 0. The others follow by frequency, so that the order
    # does not depend on which file is read first.
    found = sorted(set(counts) - set(map_), key=lambda c: (c != 0, -counts[c], c))
    everything = sorted({*found, *ignored} - {_BORDER} | (set(ignored) & {_BORDER}),
                        key=lambda c: (c != 0, -counts[c], c))
    known = _known_palette(found) or _known_palette(everything)
    if classes is None and known:
        note, names, palette = known
        notes.append(note)
        place = {packed(rgb): i for i, rgb in reversed(list(enumerate(palette)))}
        gone = {place[colour] for colour in ignored if colour in place}
        order = [i for i in range(len(names)) if i not in gone]
        map_.update({colour: order.index(place[colour]) for colour in found})
        return Encoding(map_, [names[i] for i in order], [list(palette[i]) for i in order],
                        True, notes, faults)
    if classes is None:
        named = dict(zip(found, _colour_names(found)))
        notes.append(f'{_NAMELESS}; here they are called after their colours')
        if 0 in found and len(found) > 2:
            notes.append(_BLACK)
    elif len(classes) in (len(found), len(everything)):
        named = dict(zip(found if len(classes) == len(found) else everything, classes))
        notes.append('colours, black first and then by frequency, are the classes: '
                     + ', '.join(f'{as_written(c, True)} {name}' for c, name in named.items()))
    else:
        named = dict(zip(found, _colour_names(found)))
        faults.append(f'{len(found)} colours for {len(classes)} classes of {source}: '
                      + ', '.join(as_written(c, True) for c in found[:12]))
    map_.update({colour: i for i, colour in enumerate(found)})
    return Encoding(map_, [named[c] for c in found], [list(unpacked(c)) for c in found], True,
                    notes, faults)


def _known_palette(found: Sequence[int]) -> tuple[str, list[str], list] | None:
    """A note, and the names and colours, of mmseg's data set that has all these colours. Of
    several it is the one with the fewest classes.

    Black may be a class beside those of the data set, if more than half of its colours are
    there: much of what is coloured like Cityscapes has it. Black, red, green and so on are
    what many paint with: of such colours alone, a data set must have no others. So are the
    first colours of VOC, by which tools number classes. Of a tenth of a large table's
    colours nothing follows: it has most of what people choose.
    """
    fits = []
    numbered = {packed(rgb) for rgb in default_palette(len(found))} == set(found)
    plain = all(set(unpacked(colour)) <= {0, 255} for colour in found)
    for kind in DATASETS.module_dict.values():
        if kind.__name__ == 'ShapesDataset':  # drawn here, in colours that many use
            continue
        meta = getattr(kind, 'METAINFO', {})
        palette, names = list(meta.get('palette') or ()), list(meta.get('classes') or ())
        colours = {packed(colour) for colour in palette}
        ours, note = set(found), f'the colours are those of {kind.__name__}'
        note = note.removesuffix('Dataset') + ', and so the names'
        black = 0 in ours - colours and not plain
        if black:
            ours.remove(0)
            palette, names = [[0, 0, 0], *palette], ['background', *names]
            note += f'; {_BLACK}'
        most = 2 if black else 10
        some = not plain and not numbered and most * len(ours) > len(colours)
        if len(ours) >= 4 and ours <= colours and (some or ours == colours):
            fits.append((len(palette), note, names, palette))
    return min(fits)[1:] if fits else None


def _colour_names(found: Sequence[int]) -> list[str]:
    """A name for each colour; equal names are numbered."""
    table = {name: np.array(matplotlib.colors.to_rgb(value)) * 255
             for name, value in matplotlib.colors.CSS4_COLORS.items()}
    names: list[str] = []
    seen: Counter = Counter()
    for colour in found:
        if colour == 0:
            name = 'background'
        else:
            rgb = np.array(unpacked(colour))
            name = min(table, key=lambda n: float(((table[n] - rgb) ** 2).sum()))
        seen[name] += 1
        names.append(f'{name} {seen[name]}' if seen[name] > 1 else name)
    return names
