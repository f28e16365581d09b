"""Names of classes in the files that annotation programs leave beside masks."""
import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mmseg.datasets import CityscapesDataset

from ..utils.errors import InputError
from ..utils.files import decoded_text

_COLOUR = re.compile(r'(.+?)\s*:\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*(?::.*)?')
_NUMBER = re.compile('[0-9]{1,9}')
_HEX = re.compile('#[0-9a-fA-F]{6}')
#: Lines that say the value: '7 road', '7: road' and '7. road', or 'road: 7' and 'road=7'.
_NUMBERED = (re.compile(r'(?P<value>[0-9]{1,9})[\s:=;,.)]+(?P<name>[^\W\d].*)'),
             re.compile(r'(?P<name>[^\W\d].*?)\s*[:=;,\t]\s*(?P<value>[0-9]{1,9})'))
_DO_NOT_COUNT = {'void', 'ignore', 'ignored', 'ignoreme', 'unlabelled', 'unlabeled',
                 'notlabelled', 'notlabeled', 'unknown', 'undefined', 'unclassified',
                 'dontcare', 'donotcare', 'outofroi'}
#: Cityscapes numbers 34 kinds, of which these are its classes, in their order.
_LABEL_IDS = 7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33


class ClassNames(NamedTuple):
    """Names of classes, as a file gives them.

    Attributes:
        file (str): Its path in the data set's folder.
        names (dict[int, str]): Name of each value, in the order of the file.
        kind (str): What the values are: 'order' of the lines alone, 'values' of masks, or
            'colours' as 0xRRGGBB.
        silent (Collection[int]): Values of pixels that do not count.
    """
    file: str
    names: dict[int, str]
    kind: str
    silent: Collection[int] = ()


def of_label_ids(masks: Iterable[Path], values: Iterable[int] = _LABEL_IDS
                 ) -> ClassNames | None:
    """Cityscapes' classes, if masks are called, and have numbers, as its labelIds."""
    found, kinds = {*values} - {255}, {*range(34)}
    if not all(mask.stem.endswith('_labelIds') for mask in masks) or not (
            found <= kinds and 2 * len(found & {*_LABEL_IDS}) > len(found)):
        return None
    names = zip(_LABEL_IDS, CityscapesDataset.METAINFO['classes'], strict=True)
    return ClassNames("Cityscapes' labelIds", dict(names), 'values',
                      kinds - {*_LABEL_IDS} | {255})


def read_class_names(root: Path) -> tuple[ClassNames | None, list[str]]:
    """Looks for names in a folder and in those up to five below it.

    ``classes.txt``, labelme's ``class_names.txt`` or ``codes.txt`` (a name a line, or a name
    and its value, as in ``7: road``, on each), ``labelmap.txt`` (CVAT:
    ``name:r,g,b:parts:actions``), ``_classes.csv`` (Roboflow: ``value, name``),
    ``class_dict.csv`` (``name, r, g, b``), CamVid's ``label_colors.txt`` (``r g b name``),
    RUGD's ``RUGD_annotation-colormap.txt`` (``value name r g b``), ADE20K's
    ``objectInfo150.txt`` (tabs, columns Idx and Name), A2D2's ``class_list.json`` (names by
    ``#rrggbb``) or Supervisely's ``obj_class_to_machine_color.json`` (``[r, g, b]`` by name).
    Empty lines and lines that begin with # are left out; labelme's ``__ignore__`` is no class.

    Args:
        root (Path): The folder.

    Returns:
        tuple: The names of the first such file, or None, and notes.

    Raises:
        ValueError: If the file has a name, a value or a colour twice, or a line of another
            form than the others.
    """
    found: list[ClassNames] = []
    notes = []
    named = [file for deep in range(6) for file in root.glob('*/' * deep + '*')
             if file.name.lower() in _READERS and file.is_file()]
    near = len(root.parts) + 2
    for file in sorted(named, key=lambda file: (max(len(file.parts), near), file)):
        reader = _READERS[file.name.lower()]
        shown = file.relative_to(root).as_posix()
        names = reader(shown, decoded_text(file))
        if names is None:
            notes.append(f'{shown} holds no names of the form that its name promises, and is '
                         'not read')
        elif not found:
            found.append(names)
        elif names.names != found[0].names:
            notes.append(f'{shown} differs from {found[0].file} and is not read')
    return (found[0] if found else None), notes


def check_names(names: Sequence[str], where: str) -> None:
    """Raises ValueError if two classes have one name, or one has none.

    Args:
        names (Sequence[str]): Of all classes.
        where (str): What gives them.
    """
    if any(not name.strip() for name in names):
        raise InputError(f'{where}: a class has an empty name')
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        places = [str(i) for i, name in enumerate(names, 1) if name == twice[0]]
        raise InputError(f'{where}: {twice[0]!r} is the name of several classes (number '
                         f'{", ".join(places)}): give each class a name of its own')


def does_not_count(name: str) -> bool:
    """Whether a name sounds like pixels without a label: void, __ignore__, don't care."""
    return re.sub('[^a-z]', '', name.lower()) in _DO_NOT_COUNT


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in re.split('\r\n|\r|\n', text))
    return [line for line in lines if line and not line.startswith('#')]


def _rows(text: str) -> list[list[str]]:
    """Cells of a table, with semicolons between them as programs write them for whom a comma
    stands in numbers."""
    lines = _lines(text)
    mark = ';' if lines and ';' in lines[0] and ',' not in lines[0] else ','
    rows = csv.reader(lines, delimiter=mark, skipinitialspace=True)
    return [[cell.strip() for cell in row] for row in rows if any(map(str.strip, row))]


def _read_order(file: str, text: str) -> ClassNames | None:
    names = _lines(text)
    if names and names[0] == '__ignore__':  # labelme counts it as -1
        names = names[1:]
    for form in _NUMBERED:
        found = [form.fullmatch(name) for name in names]
        if all(found) and len({match['value'] for match in found if match}) == len(names) > 0:
            return _checked(file, [(int(match['value']), match['name'].strip())
                                   for match in found if match], 'values')
    check_names(names, file)
    return ClassNames(file, dict(enumerate(names)), 'order') if names else None


def _read_colours(file: str, text: str) -> ClassNames | None:
    lines = _lines(text)
    found = [_COLOUR.fullmatch(line) for line in lines]
    if not any(found):
        return None
    names: list[tuple[int, str]] = []
    for line, match in zip(lines, found):
        if match is None or max(map(int, match.groups()[1:])) > 255:
            raise InputError(f'{file}: {line!r} is not of the form NAME:R,G,B::, with R, G '
                             'and B from 0 to 255')
        red, green, blue = map(int, match.groups()[1:])
        names.append((red << 16 | green << 8 | blue, match[1].strip()))
    return _checked(file, names, 'colours')


def _read_values(file: str, text: str) -> ClassNames | None:
    rows, columns = _rows(text), 2
    if rows and not rows[0][0].isdigit():  # the header
        columns, rows = len(rows[0]), rows[1:]
    if not rows:
        return None
    names = []
    for row in rows:
        if len(row) < 2 or not _NUMBER.fullmatch(row[0]) or not row[1]:
            raise InputError(f'{file}: {", ".join(row)!r} is not of the form VALUE, NAME')
        # A name with a comma that is not quoted fills two cells; a colour fills three.
        more = columns == 2 and not all(cell.isdigit() for cell in row[2:] if cell)
        names.append((int(row[0]), ', '.join(filter(None, row[1:])) if more else row[1]))
    return _checked(file, names, 'values')


def _read_table(file: str, text: str) -> ClassNames | None:
    rows = _rows(text)
    header = [cell.lower() for cell in rows[0]] if rows else []
    if not {'name', 'r', 'g', 'b'} <= set(header):
        return None
    lines = ([row[header.index(column)] for column in ('name', 'r', 'g', 'b')]
             for row in rows[1:] if len(row) >= len(header))
    found = _read_colours(file, '\n'.join(f'{name}:{r},{g},{b}' for name, r, g, b in lines))
    if found and len(found.names) < len(rows) - 1:
        raise InputError(f'{file}: a line has fewer cells than the first')
    return found


def _read_camvid(file: str, text: str) -> ClassNames | None:
    rows = [line.split(None, 3) for line in _lines(text)]
    return _read_colours(file, '\n'.join(f'{row[3]}:{",".join(row[:3])}' if len(row) == 4
                                         else ' '.join(row) for row in rows))


def _read_rugd(file: str, text: str) -> ClassNames | None:
    rows = [line.split(None, 1)[-1].rsplit(None, 3) for line in _lines(text)]
    return _read_colours(file, '\n'.join(f'{row[0]}:{",".join(row[1:])}' for row in rows))


def _read_ade(file: str, text: str) -> ClassNames | None:
    rows = list(csv.DictReader(_lines(text), delimiter='\t'))
    if not rows or not {'Idx', 'Name'} <= rows[0].keys():
        return None
    names = [(row['Idx'] or '', (row['Name'] or '').strip()) for row in rows]
    for number, name in names:
        if not _NUMBER.fullmatch(number):
            raise InputError(f'{file}: the Idx of {name!r} is {number!r}, expected a number')
    return _checked(file, [(0, 'unlabelled'), *((int(n), name) for n, name in names)],
                    'values')


def _read_hex(file: str, text: str) -> ClassNames | None:
    content = _object(file, text)
    return _read_colours(file, '\n'.join(
        f'{name}:{",".join(map(str, bytes.fromhex(key[1:])))}' if _HEX.fullmatch(key) else key
        for key, name in content.items()))


def _read_supervisely(file: str, text: str) -> ClassNames | None:
    content = _object(file, text)
    found = _read_colours(file, '\n'.join(
        f'{name}:{str(colour).strip("[]")}' for name, colour in content.items()))
    if found and 0 not in found.names:  # which has no line
        found = found._replace(names={0: 'background', **found.names})
    return found


def _object(file: str, text: str) -> dict:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f'{file}: it is no JSON: {error}') from None
    return content if isinstance(content, dict) else {}


def _checked(file: str, names: list[tuple[int, str]], kind: str) -> ClassNames:
    check_names([name for _, name in names], file)
    value, count = Counter(value for value, _ in names).most_common(1)[0]
    if count > 1:
        shown = f'#{value:06x}' if kind == 'colours' else str(value)
        both = ' and '.join(repr(name) for v, name in names if v == value)
        raise InputError(f'{file}: {shown} stands for {both}: give each class its own')
    return ClassNames(file, dict(names), kind)


_READERS = {'classes.txt': _read_order, 'class_names.txt': _read_order,
            'codes.txt': _read_order,
            'labelmap.txt': _read_colours, '_classes.csv': _read_values,
            'class_dict.csv': _read_table, 'class_dict_seg.csv': _read_table,
            'label_class_dict.csv': _read_table, 'label_colors.txt': _read_camvid,
            'rugd_annotation-colormap.txt': _read_rugd, 'objectinfo150.txt': _read_ade,
            'class_list.json': _read_hex,
            'obj_class_to_machine_color.json': _read_supervisely}
