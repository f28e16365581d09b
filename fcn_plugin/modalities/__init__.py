"""Images beyond three colours, and more than one label map an image."""
from .multichannel import LoadMultichannelImage

__all__ = ['LoadMultichannelImage']
