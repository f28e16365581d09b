"""Data sets that mmsegmentation lacks, and the one that is built in."""
from .camvid import CamVidDataset
from .list_dataset import ListDataset
from .shapes import ShapesDataset

__all__ = ['CamVidDataset', 'ListDataset', 'ShapesDataset']
