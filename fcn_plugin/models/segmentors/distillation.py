"""Training a segmentor by what others see in the same images."""
import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.runner.checkpoint import load_checkpoint
from mmseg.registry import MODELS
from mmseg.utils import SampleList, add_prefix
from torch import Tensor, nn

from ...images.channels import turned
from ...utils.errors import InputError
from ..decode_heads import FCNSkipHead
from .fcn_segmentor import FCNSegmentor

_OF_TEACHERS = ('teachers', 'teacher', 'temperature', 'label_weight', 'blended')


@MODELS.register_module()
class DistilledFCNSegmentor(FCNSegmentor):
    """FCNSegmentor that learns from teachers beside the labels (knowledge distillation).

    Teachers and student score the same pixels at the student's stride, and the student's
    softened probabilities are drawn to those of the teachers' mean logits (Hinton et al.,
    arXiv 1503.02531). Several teachers that were trained with different seeds know more
    together than each alone, and the student takes a part of it over, at the cost of one.

    What teachers saw in training they know by heart and say no more than the labels. So a
    share of each batch are blends of two images, which nobody has seen (Beyer et al.,
    CVPR 2022); these have no labels, but the teachers' view of them.

    Predictions and checkpoints are the student's alone: the teachers' files are read when
    training starts, and a checkpoint loads into the config of an ``FCNSegmentor``.

    Args:
        teachers (Sequence[str]): Their checkpoints.
        teacher (dict, optional): The teachers' segmentor, as in a config's ``model``, of the
            same classes. Its ``data_preprocessor`` says how its images are normalised; without
            one, as the student's. Defaults to None: the student's own.
        temperature (float): What logits are divided by before they are compared. Defaults
            to 2.
        label_weight (float): Weight of the losses of the labels; that of distillation,
            ``loss_distillation``, is 1. Defaults to 0.5.
        blended (float): Share of a batch that is blended, at least 0 and below 1. Defaults
            to 0.5.
        **kwargs: As in :class:`FCNSegmentor`.

    Raises:
        ValueError: If there is no teacher, a number is out of its range, the head has several
            tasks, a single channel or another alignment than 'same', or a CRF is trained
            behind it.
    """

    # Outside of the modules: neither saved nor set to training.
    _built: Sequence[nn.Module] = ()

    def __init__(self, *, teachers: Sequence[str], teacher: dict | None = None,
                 temperature: float = 2., label_weight: float = 0.5, blended: float = 0.5,
                 **kwargs) -> None:
        own = copy.deepcopy(kwargs)
        super().__init__(**kwargs)
        if isinstance(teachers, str) or not teachers:
            raise InputError(f'teachers={teachers!r}, expected a list of checkpoints')
        if temperature <= 0 or label_weight < 0 or not 0 <= blended < 1:
            raise InputError(
                f'temperature={temperature}, label_weight={label_weight} and '
                f'blended={blended}, expected a number above 0, one of at least 0, and one of '
                'at least 0 and below 1')
        if self.tasks or self.out_channels == 1 or isinstance(self.post_processor, nn.Module):
            raise InputError('distillation needs one task of two classes or more, with a '
                             'channel of the head for each, and no CRF that is trained')
        _check_alignment(self)
        self.teachers = tuple(teachers)
        self.temperature, self.label_weight = temperature, label_weight
        self.blended = blended
        self._teacher = {'data_preprocessor': own.get('data_preprocessor'),
                         **(teacher or dict(own, type='FCNSegmentor'))}
        self._same_images = (self._teacher['data_preprocessor']
                             == own.get('data_preprocessor'))

    def init_weights(self) -> None:
        """Initialises the student, and reads the teachers: training starts with this."""
        super().init_weights()
        self._read_teachers()

    def _read_teachers(self) -> None:
        here = next(self.parameters()).device
        built = []
        for path in self.teachers:
            model = MODELS.build(self._teacher)
            load_checkpoint(model, path, map_location='cpu', strict=True)
            _check_alignment(model)
            if model.out_channels != self.out_channels:
                raise InputError(
                    f'the teacher {path} has {model.out_channels} classes, but the student '
                    f'{self.out_channels}: they must have the same')
            built.append(model.to(here).eval().requires_grad_(False))
        self._built = built

    def _apply(self, *args, **kwargs):
        for model in self._built:
            model._apply(*args, **kwargs)
        return super()._apply(*args, **kwargs)

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Losses of the labels, and ``loss_distillation``.

        Args:
            inputs (Tensor): (N, C, H, W), any size.
            data_samples (list[SegDataSample]): With ``gt_sem_seg`` (1, H, W).
        """
        if not self._built:
            self._read_teachers()
        images = self._padded(inputs, data_samples)
        labelled = len(images) - int(len(images) * self.blended)
        images = _blend(images, labelled)
        maps = self.extract_feat(images)
        scores = self.decode_head(maps)
        samples = data_samples[:labelled]
        losses = add_prefix(
            self.decode_head.loss_by_feat(scores[:labelled], samples), 'decode')
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train(
                [each[:labelled] for each in maps], samples))
        losses = {name: value * self.label_weight if 'loss' in name else value
                  for name, value in losses.items()}
        losses['loss_distillation'] = self._distil(scores, images)
        return losses

    def _distil(self, scores: Tensor, images: Tensor) -> Tensor:
        """How far scores (N, C, h, w), as predicted, are from the teachers' of these images.

        The Kullback-Leibler divergence of a cell, averaged over cells, times the square of
        the temperature, by which softening shrinks gradients (Hinton et al., section 2).
        """
        if not self._same_images:
            images = _normalised_again(images, self.data_preprocessor,
                                       self._built[0].data_preprocessor)
        with torch.no_grad():
            theirs = torch.zeros_like(scores, dtype=torch.float32)
            for model in self._built:
                each = model.decode_head(model.extract_feat(images)).float()
                if each.shape != scores.shape:
                    each = F.interpolate(each, scores.shape[-2:], mode='bilinear')
                theirs += each / len(self._built)
        if isinstance(self.decode_head, FCNSkipHead) and self.decode_head.training:
            scores = self.decode_head.as_predicted(scores)
        # Mixed precision would round the differences that this is about.
        with torch.autocast(scores.device.type, enabled=False):
            ours, theirs = ((each.float() / self.temperature).log_softmax(1)
                            for each in (scores, theirs))
            cells = F.kl_div(ours, theirs, reduction='none', log_target=True).sum(1)
            return cells.mean() * self.temperature ** 2


def _check_alignment(model: nn.Module) -> None:
    if getattr(model.decode_head, 'alignment', 'same') != 'same':
        raise InputError("distillation compares scores cell by cell, which needs "
                         "alignment='same' in the head of the student and of its teachers")


def _normalisation(preprocessor: nn.Module) -> tuple:
    """Means, deviations, and whether channels are turned round before."""
    normal = getattr(preprocessor, '_enable_normalize', False)
    return (preprocessor.mean if normal else 0., preprocessor.std if normal else 1.,
            getattr(preprocessor, 'channel_conversion', False))


def _normalised_again(images: Tensor, before: nn.Module, after: nn.Module) -> Tensor:
    """Images (N, C, H, W) that one data preprocessor has normalised, as another would."""
    mean, std, was_turned = _normalisation(before)
    images = images * std + mean
    mean, std, is_turned = _normalisation(after)
    if was_turned != is_turned:
        images = images[:, turned(images.shape[1])]
    return (images - mean) / std


def _blend(images: Tensor, labelled: int) -> Tensor:
    """Images (N, C, H, W), those from ``labelled`` on blended with others of the batch.

    A blended one keeps a half to all of itself.
    """
    count = len(images) - labelled
    if not count:
        return images
    others = images[torch.randperm(len(images), device=images.device)[:count]]
    share = torch.rand(count, 1, 1, 1, device=images.device, dtype=images.dtype) / 2
    return torch.cat([images[:labelled], torch.lerp(images[labelled:], others, share)])


def without_teachers(model: dict) -> dict:
    """The config of a model that predicts as a :class:`DistilledFCNSegmentor` does.

    Args:
        model (dict): As in a config; another type is left as it is.
    """
    if model['type'] != 'DistilledFCNSegmentor':
        return model
    kept = {key: value for key, value in model.items() if key not in _OF_TEACHERS}
    return dict(kept, type='FCNSegmentor')
