"""Writes a data set to disk in the layout of PASCAL VOC."""
from pathlib import Path

import cv2
from mmengine.utils import ProgressBar
from mmseg.datasets import BaseSegDataset

from ..utils.files import replacing, write_bytes, write_text
from ..visualization import save_label_png


def write_voc(out_dir: str | Path,
              subsets: dict[str, BaseSegDataset],
              overwrite: bool = False,
              quality: int = 95) -> None:
    """Writes data sets as the subsets of one in VOC layout.

    ::

        OUT_DIR/
          JPEGImages/NAME.jpg              the images
          SegmentationClass/NAME.png       their labels, indices into a palette,
                                           255 for pixels that do not count
          ImageSets/Segmentation/SUBSET.txt    the NAMEs of a subset, one a line
          classes.txt                      the names of the classes, one a line

    mmseg's ``BaseSegDataset`` reads it, with ``metainfo=dict(classes=
    'OUT_DIR/classes.txt')`` for the names.

    Args:
        out_dir (str or Path): Created where it does not exist.
        subsets (dict[str, BaseSegDataset]): By name. Their items have ``img``
            (H, W, 3) BGR uint8, ``gt_seg_map`` (H, W) uint8 and ``img_path``, so
            their pipelines end before the packing. The names and the palette of the
            classes are the first one's.
        overwrite (bool): Write into a folder that is not empty. Files of the same
            names are replaced, others stay. Defaults to False.
        quality (int): Of the JPEG images, 1 to 100. Defaults to 95.

    Raises:
        NotADirectoryError: Where ``out_dir`` is a file.
        FileExistsError: Where ``out_dir`` is not empty and ``overwrite`` is not set.
    """
    out_dir = Path(out_dir)
    if out_dir.exists() and not out_dir.is_dir():
        raise NotADirectoryError(f'{out_dir} is a file, expected a folder to write to')
    if out_dir.is_dir() and any(out_dir.iterdir()) and not overwrite:
        raise FileExistsError(f'{out_dir} is not empty: name another folder, or '
                              'allow replacing files in it with --overwrite')
    images, labels = out_dir / 'JPEGImages', out_dir / 'SegmentationClass'
    lists = out_dir / 'ImageSets' / 'Segmentation'
    for folder in (images, labels, lists):
        folder.mkdir(parents=True, exist_ok=True)

    metainfo = next(iter(subsets.values())).metainfo
    progress = ProgressBar(sum(map(len, subsets.values())))
    for subset, dataset in subsets.items():
        names = []
        for index in range(len(dataset)):
            item = dataset[index]
            # Each subset numbers its images from zero, so its name is part of theirs.
            names.append(f"{subset}_{Path(item['img_path']).stem}")
            _, content = cv2.imencode(
                '.jpg', item['img'], [cv2.IMWRITE_JPEG_QUALITY, quality])
            write_bytes(images / f'{names[-1]}.jpg', content.tobytes())
            with replacing(labels / f'{names[-1]}.png') as beside:
                save_label_png(beside, item['gt_seg_map'], metainfo['palette'])
            progress.update()
        # Last, so that a list never names what an interrupted run left unwritten.
        write_text(lists / f'{subset}.txt', '\n'.join(names) + '\n')
    progress.file.write('\n')
    write_text(out_dir / 'classes.txt', '\n'.join(metainfo['classes']) + '\n')
