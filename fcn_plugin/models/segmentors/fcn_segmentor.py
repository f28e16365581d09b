"""EncoderDecoder for images of any size."""
from collections import defaultdict
from typing import Any, Dict, List, Optional

import torch
from mmengine.config import ConfigDict
from mmengine.logging import print_log
from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.utils import OptSampleList, SampleList, stack_batch
from torch import Tensor

from ..decode_heads import FCNSkipHead
from ..feature_maps import describe_backbone
from ..geometry import pad_to_multiple


@MODELS.register_module()
class FCNDataPreProcessor(SegDataPreProcessor):
    """mmseg's preprocessor that also batches images of different sizes in testing.

    Smaller images are padded at the right and the bottom to the largest of their
    batch; :class:`FCNSegmentor` takes the padding away again before it looks.

    Args:
        size, size_divisor: As in ``SegDataPreProcessor``; with neither, a batch is
            padded to its largest image.
        **kwargs: As in ``SegDataPreProcessor`` (mean, std, bgr_to_rgb, ...).
    """

    def __init__(self, size=None, size_divisor: Optional[int] = None, **kwargs) -> None:
        if size is None and size_divisor is None:
            size_divisor = 1
        super().__init__(size=size, size_divisor=size_divisor, **kwargs)

    def forward(self, data: dict, training: bool = False) -> Dict[str, Any]:
        """As in ``SegDataPreProcessor``; the result's inputs are (N, 3, H, W)."""
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


@MODELS.register_module()
class FCNSegmentor(EncoderDecoder):
    """EncoderDecoder that takes any image from 1x1 up and checks what it is built of.

    The image is padded at the right and the bottom to a multiple of the coarsest
    stride before the backbone sees it, labels with it (ignored), and what is
    predicted is cropped again. Images of different size in one batch are run size
    by size, so that a prediction does not depend on its neighbours.

    Args:
        test_cfg (dict, optional): As in EncoderDecoder, and ``rescale`` (bool): whether
            predictions are brought to the image's original size (mmseg's way)
            or stay at the size that the pipeline resized to. Defaults to
            ``dict(mode='whole', rescale=True)``.
        **kwargs: As in EncoderDecoder.

    Raises:
        ValueError: If an :class:`FCNSkipHead` does not fit the backbone.
    """

    def __init__(self, *args, test_cfg: Optional[dict] = None, **kwargs) -> None:
        test_cfg = ConfigDict({'mode': 'whole', 'rescale': True, **(test_cfg or {})})
        super().__init__(*args, test_cfg=test_cfg, **kwargs)
        head = self.decode_head
        self.size_divisor = max(getattr(head, 'in_strides', (32, )))
        if isinstance(head, FCNSkipHead):
            try:
                maps = describe_backbone(self.backbone, getattr(self, 'neck', None))
            except RuntimeError as error:
                # The head still checks channels in its first forward pass.
                print_log(f'{error}; whether it fits the head shows in the first step',
                          logger='current')
            else:
                head.check_backbone(maps)
            self._align(head)

    def _align(self, head: FCNSkipHead) -> None:
        theirs = getattr(self.backbone, 'alignment', 'same')
        if head.alignment != theirs:
            raise ValueError(
                f"the head's alignment is '{head.alignment}', but the backbone's is "
                f"'{theirs}': set the same in both (FullyConvVGG alone knows 'caffe')")
        if head.alignment == 'caffe':
            head.align(self.backbone.grids)
            self.size_divisor = 1  # any size has its place in the authors' padding

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Losses of the decode head and the auxiliary heads.

        Args:
            inputs (Tensor): (N, 3, H, W), any size.
            data_samples (list[SegDataSample]): With ``gt_sem_seg`` (1, H, W).
        """
        padded = pad_to_multiple(inputs, self.size_divisor)
        if padded is not inputs:
            for sample in data_samples:
                labels = sample.gt_sem_seg.pop('data')
                sample.gt_sem_seg.data = pad_to_multiple(
                    labels, self.size_divisor, self.decode_head.ignore_index)
        return super().loss(padded, data_samples)

    def encode_decode(self, inputs: Tensor, batch_img_metas: List[dict]) -> Tensor:
        """Images (N, 3, H, W) of any size to logits (N, C, H, W)."""
        padded = pad_to_multiple(inputs, self.size_divisor)
        # A torch.Size is how mmseg's heads are told the size to predict at.
        metas = [dict(meta, img_shape=padded.shape[-2:]) for meta in batch_img_metas]
        logits = super().encode_decode(padded, metas)
        return logits[..., :inputs.shape[-2], :inputs.shape[-1]]

    def predict(self, inputs: Tensor, data_samples: OptSampleList = None) -> SampleList:
        """Labels, and logits, at the size that ``test_cfg['rescale']`` says.

        Args:
            inputs (Tensor): (N, 3, H, W), padded to the largest of the batch.
            data_samples (list[SegDataSample], optional): Their meta information.

        Returns:
            list[SegDataSample]: With ``pred_sem_seg`` and ``seg_logits``, in the order of
            the inputs.
        """
        if data_samples is None:
            return super().predict(inputs)
        by_size = defaultdict(list)
        for i, sample in enumerate(data_samples):
            left, right, top, bottom = sample.metainfo.get('img_padding_size', (0, ) * 4)
            by_size[inputs.shape[-2] - bottom, inputs.shape[-1] - right].append(i)
        for (height, width), indices in by_size.items():
            chosen = [data_samples[i] for i in indices]
            images = inputs if len(by_size) == 1 else inputs[torch.tensor(indices)]
            for sample in chosen:
                sample.set_metainfo(dict(img_padding_size=(0, ) * 4,
                                         padding_size=(0, ) * 4,
                                         pad_shape=(height, width)))
            super().predict(images[..., :height, :width], chosen)
        return data_samples

    def postprocess_result(self, seg_logits: Tensor,
                           data_samples: OptSampleList = None) -> SampleList:
        """As in EncoderDecoder, but for ``test_cfg['rescale']``."""
        if data_samples is not None and not self.test_cfg.rescale:
            for sample in data_samples:
                sample.set_metainfo(dict(ori_shape=tuple(seg_logits.shape[-2:])))
        return super().postprocess_result(seg_logits, data_samples)
