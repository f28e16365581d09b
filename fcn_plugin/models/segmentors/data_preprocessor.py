"""Images of any size and any number of channels to a batch."""
from typing import Any

from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.utils import SampleList, stack_batch
from torch import nn

from ...images.channels import turned
from ...utils.errors import InputError


@MODELS.register_module()
class FCNDataPreProcessor(SegDataPreProcessor):
    """mmseg's preprocessor that also batches images of different sizes in testing.

    Smaller images are padded at the right and the bottom to the largest of their
    batch; :class:`FCNSegmentor` takes that padding away before its network sees them.
    Of images of more than three channels the first three are turned round by
    ``bgr_to_rgb``; mmseg's would leave them as they are and say nothing.

    Args:
        size, size_divisor: As in ``SegDataPreProcessor``; with neither, a batch is
            padded to its largest image.
        **kwargs: As in ``SegDataPreProcessor`` (mean, std, bgr_to_rgb, ...).

    Raises:
        ValueError: If an image has not as many channels as ``mean`` has values.
    """

    def __init__(self, size=None, size_divisor: int | None = None, **kwargs) -> None:
        if size is None and size_divisor is None:
            size_divisor = 1
        super().__init__(size=size, size_divisor=size_divisor, **kwargs)

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """As in ``SegDataPreProcessor``; the result's inputs are (N, C, H, W)."""
        inputs = data['inputs']
        channels = len(inputs[0])
        if self._enable_normalize and len(self.mean) not in (1, channels):
            raise InputError(f'an image has {channels} channels, but data_preprocessor.mean '
                             f'has {len(self.mean)} values: expected one for each')
        if self.channel_conversion and channels > 3:
            data = dict(data, inputs=[image[turned(channels)] for image in inputs])
            inputs = data['inputs']
        if training or len({image.shape[-2:] for image in inputs}) == 1:
            return super().forward(data, training)
        images, samples = [], []
        for image, sample in zip(inputs, data['data_samples']):
            single = super().forward(dict(inputs=[image], data_samples=[sample]))
            images.append(single['inputs'][0])
            samples += single['data_samples']
        batch, paddings = stack_batch(images, size_divisor=1, pad_val=self.pad_val)
        for sample, padding in zip(samples, paddings):
            sample.set_metainfo(padding)
        return dict(inputs=batch, data_samples=samples)


def check_label_padding(preprocessor: nn.Module, samples: SampleList, head: nn.Module) -> None:
    """Raises ValueError if a preprocessor has padded labels with those of a class.

    Its ``seg_pad_val``, 255 by default, is a class of networks of 256 classes and more.
    """
    label = getattr(preprocessor, 'seg_pad_val', head.ignore_index)
    if label != head.ignore_index and 0 <= label < head.num_classes and any(
            any(sample.metainfo.get('padding_size', ())) for sample in samples):
        raise InputError(
            f'data_preprocessor: labels of images that are smaller than others of their batch '
            f'are padded with seg_pad_val={label}, which is a class: set '
            f'seg_pad_val={head.ignore_index}, the ignore_index of the decode head')
