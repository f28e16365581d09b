"""Data sets and augmentation that mmsegmentation lacks, and the data that is built in."""
from .camvid import CamVidDataset
from .guarded import GuardedDataset
from .list_dataset import ListDataset
from .shapes import ShapesDataset
from .transforms import AlignedResize, KeepSize, RandomCopyPaste, RandomLowLight

__all__ = ['AlignedResize', 'CamVidDataset', 'GuardedDataset', 'KeepSize', 'ListDataset',
           'RandomCopyPaste', 'RandomLowLight', 'ShapesDataset']
