"""Data sets that mmsegmentation lacks, and the one that is built in."""
from .camvid import CamVidDataset
from .shapes import ShapesDataset

__all__ = ['CamVidDataset', 'ShapesDataset']
