"""Images and masks in any folders, named by a list."""
import os.path as osp
from collections.abc import Sequence
from pathlib import Path

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..utils.errors import InputError
from ..utils.files import read_list

LabelMap = Sequence[tuple[int, int]]


@DATASETS.register_module()
class ListDataset(BaseSegDataset):
    """Pairs of an image and a mask, one a line, a tab between the two.

    Unlike mmseg's ``BaseSegDataset`` it takes any names, folders and suffixes, and masks
    whose values are no class numbers. ``tools/misc/check_dataset.py`` writes its lists.

    Args:
        ann_file (str): The list. Paths in it are relative to ``data_root``. A line
            without a tab names an image without truth (``test_mode``).
        label_map (Sequence[tuple[int, int]], optional): Pairs of a value in the masks
            and its class, 255 for pixels that do not count. All are applied at once, so
            that none acts on the result of another.
            ``[(0, 0), (255, 1)]`` reads black and white masks. Defaults to None: values
            are class numbers.
        **kwargs: As in mmseg's ``BaseSegDataset``; ``metainfo`` has the classes.

    Raises:
        FileNotFoundError: If there is no such list.
        ValueError: If a line has no mask, or the list is no text or empty.
    """

    def __init__(self, ann_file: str, label_map: LabelMap | None = None,
                 **kwargs) -> None:
        self.value_map = None if label_map is None else {
            int(value): int(label) for value, label in label_map}
        super().__init__(ann_file=ann_file, **kwargs)

    @property
    def split(self) -> str:
        """The list's name, ``'val'`` of ``lists/val.txt``: what figures are said to be of."""
        return Path(self.ann_file).stem

    def load_data_list(self) -> list[dict]:
        """The pairs of the list, in its order."""
        for path, there, what in ((self.data_root or '.', osp.isdir, 'folder of data'), (
                self.ann_file, osp.isfile, 'list of images and masks')):
            if not there(path):
                raise FileNotFoundError(f'{path}: no such {what}. tools/misc/check_dataset.py '
                                        'FOLDER --out DIR writes a list')
        found = []
        for number, line in enumerate(read_list(Path(self.ann_file)), 1):
            if not line.strip():
                continue
            image, _, mask = line.partition('\t')
            if not mask and not self.test_mode:
                raise InputError(f'{self.ann_file}, line {number}: expected an image and a '
                                 f'mask with a tab between them, not {line!r}')
            item = dict(img_path=self._path(image), label_map=self.value_map,
                        reduce_zero_label=self.reduce_zero_label, seg_fields=[])
            if mask:
                item['seg_map_path'] = self._path(mask)
            found.append(item)
        return found

    def _path(self, name: str) -> str:
        whole, bare = (osp.join(self.data_root or '', each) for each in (name, name.strip()))
        # Lists by hand may have blanks around their tabs, and names may begin with one.
        return whole if whole != bare and osp.exists(whole) else bare
