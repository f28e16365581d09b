"""Averaging over views of an image."""
import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models.segmentors import SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import SampleList

from ...utils.errors import InputError
from ..post_processors.base import log_scores
from .fcn_segmentor import FCNSegmentor


@MODELS.register_module()
class FCNTTAModel(SegTTAModel):
    """Test-time augmentation of any segmentor of mmseg: the mean of its probabilities.

    mmseg's ``SegTTAModel`` differs in two things. With a single channel it takes the
    sigmoid of what is a probability already. And beside the labels of all views it returns
    the scores of one.

    Args:
        module (dict | nn.Module): The segmentor. A config of an :class:`FCNSegmentor` need
            not ask for logits.
        **kwargs: As in ``SegTTAModel``.

    Raises:
        ValueError: If ``module`` is an :class:`FCNSegmentor` that gives no logits.
    """

    def __init__(self, module, **kwargs) -> None:
        if isinstance(module, dict):  # mmseg's own segmentors ignore the setting
            module = dict(module, test_cfg=ConfigDict(
                {'mode': 'whole', **(module.get('test_cfg') or {}), 'logits': True}))
        super().__init__(module, **kwargs)
        if isinstance(self.module, FCNSegmentor) and not self.module.test_cfg.logits:
            raise InputError('FCNTTAModel averages probabilities, but the FCNSegmentor gives '
                             'labels alone: build it with test_cfg=dict(logits=True)')

    def merge_preds(self, data_samples_list: list[SampleList]) -> SampleList:
        """The mean over the views of each image.

        Args:
            data_samples_list (list[list[SegDataSample]]): The views of each image, with
                ``seg_logits`` of one size.

        Returns:
            list[SegDataSample]: The first view of each, with ``pred_sem_seg``, data
            (1, H, W), and ``seg_logits``, whose softmax is the mean; with a single
            channel they are the mean itself. Of each further task ``pred_<task>`` and
            ``<task>_logits`` alike.
        """
        return [self._merge(views) for views in data_samples_list]

    def _merge(self, views: SampleList) -> SegDataSample:
        merged = views[0]
        single = len(merged.seg_logits.data) == 1
        for pred, logits in (('pred_sem_seg', 'seg_logits'), *(
                (f'pred_{task}', f'{task}_logits')
                for task in getattr(self.module, 'tasks', ()))):
            each = [view.get(logits).data for view in views]
            mean = torch.stack(each if single else [one.softmax(0) for one in each]).mean(0)
            labels = mean > self.module.decode_head.threshold if single else (
                mean.argmax(0, keepdim=True))
            kind = merged.get(pred).data.dtype
            merged.set_data({pred: PixelData(data=labels.to(kind)), logits: PixelData(
                data=mean if single else log_scores(mean))})
        return merged
