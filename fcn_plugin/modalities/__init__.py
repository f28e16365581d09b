"""Images as they are seen, also beyond three colours, and more than one label map an image."""
from .loading import LoadImageFromFile
from .multichannel import LoadMultichannelImage
from .nyud import LoadRGBD, NYUDv2Dataset
from .scenes import ScenesDataset
from .siftflow import SIFTFlowDataset
from .tasks import LoadTasks, MultiTaskDataset, PackTasks

__all__ = ['LoadImageFromFile', 'LoadMultichannelImage', 'LoadRGBD', 'LoadTasks',
           'MultiTaskDataset', 'NYUDv2Dataset', 'PackTasks', 'SIFTFlowDataset',
           'ScenesDataset']
