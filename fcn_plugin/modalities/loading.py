"""Loading images for training and testing as prediction reads them."""
import io
import re

import mmcv.transforms
import numpy as np
from mmengine import fileio
from mmseg.registry import TRANSFORMS
from PIL import Image

from ..images.multichannel import TIFF_MAGIC
from ..images.reading import read_image


@TRANSFORMS.register_module()
class LoadImageFromFile(mmcv.transforms.LoadImageFromFile):
    """mmcv's, but TIFF, CMYK, PGM and PPM are read by Pillow, as prediction reads all images.

    OpenCV, which mmcv reads by, multiplies the colours of a TIFF by its transparency, takes
    LAB for another space of colours, garbles 16-bit grey in tiles, and knows no ZSTD. Its
    colours of a JPEG in CMYK are one grey level off. It passes over what number is white in
    PGM and PPM, such as the 4095 of cameras of 12 bits.

    It steps aside for another ``color_type`` than 'color', another ``imdecode_backend`` than
    'cv2', and the ``file_client_args`` of old. Arguments and keys are mmcv's.
    """

    def transform(self, results: dict) -> dict | None:
        """Adds the image, (H, W, 3) BGR, to a pipeline's dictionary.

        Raises:
            ValueError: If it is one of these and cannot be read.
        """
        own = (self.color_type, self.imdecode_backend) == ('color', 'cv2')
        if not own or self.file_client_args is not None:
            return super().transform(results)
        path = str(results['img_path'])
        try:
            content = fileio.get(path, backend_args=self.backend_args)
            image = (read_image(content)[..., ::-1] if _by_pillow(content) else
                     mmcv.imfrombytes(content))
        except Exception:
            if self.ignore_empty:
                return None
            raise
        assert image is not None, f'failed to load image: {path}'
        image = np.ascontiguousarray(image, np.float32 if self.to_float32 else None)
        results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
        return results


def _by_pillow(content: bytes) -> bool:
    if content[:4] in TIFF_MAGIC or re.match(rb'P[1-6]\s', content):
        return True
    # Files in CMYK have Adobe's mark; most others need no look at their header.
    if content[:2] != b'\xff\xd8' or b'Adobe' not in content[:1 << 16]:
        return False
    with Image.open(io.BytesIO(content)) as file:
        return file.mode == 'CMYK'
