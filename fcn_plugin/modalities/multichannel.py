"""Images of any number of channels: multispectral TIFF, PNG with a fourth channel."""
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmseg.registry import TRANSFORMS

from ..images.channels import as_numbers, turned
from ..images.multichannel import check_channels, read_channels


@TRANSFORMS.register_module()
class LoadMultichannelImage(BaseTransform):
    """Loads an image with all its channels, in place of mmcv's ``LoadImageFromFile``.

    The first three are turned round, as if they were red, green and blue in the file, so
    that ``bgr_to_rgb=True`` of :class:`FCNDataPreProcessor` gives the network the file's
    order, in which ``mean`` and ``std`` are written then. What is no number (NaN) is 0.

    Required key: img_path. Added keys: img (H, W, C), img_shape, ori_shape.

    Args:
        channels (int): How many the file must have.
        backend_args (dict, optional): Of mmengine's ``fileio``. Defaults to None.

    Raises:
        ValueError: If the file has another number.
    """

    def __init__(self, channels: int, backend_args: dict | None = None) -> None:
        self.channels, self.backend_args = channels, backend_args

    def transform(self, results: dict) -> dict:
        """Adds the image to a pipeline's dictionary."""
        path = results['img_path']
        image = read_channels(fileio.get(path, backend_args=self.backend_args), path)
        check_channels(image, self.channels, path)
        image = as_numbers(image)
        results['img'] = np.ascontiguousarray(image[..., turned(self.channels)])
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(channels={self.channels})'
