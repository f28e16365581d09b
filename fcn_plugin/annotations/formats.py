"""The table of formats, and what a folder has of them."""
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from ..utils.errors import InputError
from . import coco, cvat, label_studio, labelme, supervisely, yolo
from .files import read_json, read_xml
from .regions import Export

#: Of each format that proposals are written in: its word, and its module, which has
#: ``files_of`` and ``write``.
WRITTEN: dict[str, ModuleType] = dict(
    coco=coco, labelme=labelme, labelstudio=label_studio, cvat=cvat, yolo=yolo)
_JSON = {'labelme': labelme, 'COCO': coco, 'Label Studio': label_studio,
         'Supervisely': supervisely}
#: Of known formats that are not read: keys of an entry, and what is said.
_NOT_READ = (
    ({'filename', 'regions'}, "it is VGG Image Annotator's (VIA), which is not read: "
     'export it there as COCO'),
    ({'annotation_id', 'id'}, "it is Label Studio's JSON-MIN, which is not read: export it "
     'there as JSON'),
    ({'annotations', 'image'}, "it is CreateML's, which has boxes alone, and a box says of no "
     'pixel what it is: draw polygons or masks, and export them as COCO, say'))


class NotReadError(InputError):
    """A file is of a known format that is not read; the message says the way out."""


def read_file(file: Path) -> tuple[str, Export] | None:
    """What a file holds.

    Returns:
        tuple: The format's name and what was read, or None: it is none of the formats.

    Raises:
        ValueError: If it is broken, or :class:`NotReadError`.
    """
    suffix = file.suffix.lower()
    if suffix == '.json':
        content = read_json(file)
        for name, module in _JSON.items():
            if module.is_export(content):
                return name, module.read(content, file)
        if isinstance(content, dict):  # of VIA, by name; a project of it has more
            content = content.get('_via_img_metadata', content)
            content = [*content.values()] if isinstance(content, dict) else content
        entry = content[0] if isinstance(content, list) and content else None
        for keys, text in _NOT_READ:
            if isinstance(entry, dict) and keys <= entry.keys():
                raise NotReadError(f'{file}: {text}')
    elif suffix == '.xml':
        root = read_xml(file)
        if cvat.is_export(root):
            return 'CVAT', cvat.read(root, file)
        if root.find('object/bndbox') is not None:
            raise NotReadError(f'{file}: it has boxes alone, as PASCAL VOC, and a box says of '
                               'no pixel what it is: draw polygons or masks')
    elif suffix in ('.yaml', '.yml') or file.name == 'classes.txt':
        names = yolo.names_in(file)
        if names is not None:
            return 'YOLO', yolo.read(names, file)
    return None


def read_files(files: Iterable[Path]) -> tuple[list[tuple[str, Export]], list[str]]:
    """What those of many files hold that are of a format.

    Returns:
        tuple: Pairs of the format's name and what was read; and what is wrong with files
        that could not be read, of any format or none. Formats that are not read are named
        where there is nothing else.
    """
    found, broken, not_read = [], [], []
    texts: dict[Path, tuple[Path, list[str]]] = {}  # of YOLO: whose names they are read by
    # A folder of YOLO may have data.yaml and classes.txt: the first says it.
    for file in sorted(files, key=lambda file: file.name == 'classes.txt'):
        if file.name == 'classes.txt' and any(
                file.parent == other.parent for other, _ in texts.values()):
            continue
        try:
            export = read_file(file)
        except NotReadError as error:
            not_read.append(str(error))
            continue
        except InputError as error:
            text = str(error)
            broken.append(text if str(file) in text else f'{file}: {text}')
            continue
        if export is not None and export[0] == 'YOLO':
            export = 'YOLO', _read_once(file, export[1], texts, broken)
        if export is not None:
            found.append(export)
    return found, broken if found or broken else not_read


def _read_once(file: Path, export: Export, texts: dict[Path, tuple[Path, list[str]]],
               broken: list[str]) -> Export:
    """What a file of names reads that another has not read, which is a fault where that has
    other names."""
    again = [texts[one.source] for one in export.images if one.source in texts]
    other = next((other for other, names in again if names != export.classes), None)
    if other is not None:
        broken.append(f'{file}: it names other classes than {other}, which are taken for what '
                      'both name: keep the right one of the two')
        return Export([])
    images = [one for one in export.images if one.source not in texts]
    texts.update((one.source, (file, export.classes)) for one in images)
    return export._replace(images=images)
