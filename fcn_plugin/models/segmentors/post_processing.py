"""A post processor behind a segmentor."""

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from mmseg.utils import OptSampleList, SampleList, add_prefix
from torch import Tensor, nn

from ...utils.errors import InputError, InputTypeError
from ..post_processors.base import PostProcessor, unnormalise


class PostProcessing:
    """Adds ``post_processor`` to a segmentor of mmseg, before which it is inherited.

    A post processor without parameters (:class:`DenseCRF`) refines predictions. One that
    is an ``nn.Module`` (:class:`CRFRNN`) is part of the network, and the loss is taken on
    its scores.

    Args:
        post_processor (dict | PostProcessor, optional): Defaults to None.
        **kwargs: The segmentor's.
    """

    def __init__(self, *args, post_processor: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(post_processor, dict):
            if 'type' not in post_processor:
                raise InputError(f'post_processor={post_processor} has no type, expected one '
                                 "such as 'DenseCRF', which --crf takes")
            post_processor = MODELS.build(post_processor)
        if not isinstance(post_processor, (PostProcessor, type(None))):
            raise InputTypeError(
                f'post_processor is a {type(post_processor).__name__}, expected a dict such '
                "as dict(type='DenseCRF')")
        if isinstance(post_processor, nn.Module) and isinstance(
                self.decode_head, nn.ModuleList):
            raise InputError(f'{type(post_processor).__name__} is trained behind one decode '
                             f'head, but {type(self).__name__} has several')
        self.post_processor = post_processor

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """The segmentor's losses, on the post processor's scores if that is trained.

        Args:
            inputs (Tensor): (N, 3, H, W).
            data_samples (list[SegDataSample]): With ``gt_sem_seg`` (1, H, W).
        """
        if not isinstance(self.post_processor, nn.Module):
            return super().loss(inputs, data_samples)  # type: ignore[misc]
        head = self.decode_head
        features = self.extract_feat(inputs)
        # mmseg's heads predict at img_shape if it is a torch.Size.
        meta = dict(img_shape=inputs.shape[-2:])
        scores = head.predict(features, [meta] * len(inputs), self.test_cfg)
        scores = self.post_processor(scores, unnormalise(inputs, self.data_preprocessor))
        # FCNSkipHead's loss_by_feat takes scores at its finest stride.
        loss = getattr(head, 'loss_at_image', head.loss_by_feat)
        losses = add_prefix(loss(scores, data_samples), 'decode')
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train(features, data_samples))
        return losses

    def predict(self, inputs: Tensor, data_samples: OptSampleList = None) -> SampleList:
        """The segmentor's predictions, refined by the post processor."""
        samples = super().predict(inputs, data_samples)  # type: ignore[misc]
        self.post_process(inputs, samples)
        return samples

    def post_process(self, inputs: Tensor, data_samples: SampleList) -> None:
        """Refines samples with ``seg_logits`` in place, where there is a post processor.

        Args:
            inputs (Tensor): What the network saw, (N, 3, H, W).
            data_samples (list[SegDataSample]): See :meth:`PostProcessor.process`.
        """
        if self.post_processor is not None:
            self.post_processor.process(inputs, data_samples, self.data_preprocessor,
                                        getattr(self.decode_head, 'threshold', None))


def with_post_processing(kind: type) -> type:
    """The segmentor class itself where it has a post processor, else a derived one.

    The derived class is registered as ``<name>WithPostProcessor``; checkpoints of the
    one fit the other.

    Args:
        kind (type): Any segmentor.
    """
    if issubclass(kind, PostProcessing):
        return kind
    name = f'{kind.__name__}WithPostProcessor'
    return MODELS.get(name) or MODELS.register_module(name)(
        type(name, (PostProcessing, kind), dict(__doc__=kind.__doc__)))


def use_crf(config: Config) -> None:
    """Puts a CRF behind a config's segmentor, in place: ``--crf``.

    ``model.post_processor`` becomes a :class:`DenseCRF` with what settings are there
    already; one of another type is kept. Any segmentor is served: one that knows no
    post processor is replaced by :func:`with_post_processing` of it.

    Raises:
        ValueError: If the model's type is no segmentor.
    """
    init_default_scope(config.get('default_scope', 'mmseg'))
    kind = config.model.get('type')
    found = MODELS.get(kind) if isinstance(kind, str) else kind
    if not (isinstance(found, type) and issubclass(found, nn.Module)
            and hasattr(found, 'predict')):
        raise InputError(f'--crf: model.type is {kind!r}, expected a segmentor such as '
                         "'FCNSegmentor' or 'EncoderDecoder'")
    served = with_post_processing(found)
    if served is not found:
        config.model.type = served.__name__
    given = config.model.get('post_processor') or {}
    config.model.post_processor = {'type': 'DenseCRF', **given}
