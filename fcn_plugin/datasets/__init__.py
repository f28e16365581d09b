"""Data sets and augmentation that mmsegmentation lacks, and the data that is built in."""
from .camvid import CamVidDataset
from .list_dataset import ListDataset
from .shapes import ShapesDataset
from .transforms import RandomLowLight

__all__ = ['CamVidDataset', 'ListDataset', 'RandomLowLight', 'ShapesDataset']
