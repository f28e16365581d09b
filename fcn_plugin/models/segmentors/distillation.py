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

_OF_TEACHERS = ('teachers', 'teacher', 'temperature', 'label_weight', 'blended',
                'teacher_scales', 'teacher_flip')


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
        teacher (dict or Sequence[dict], optional): In what the teachers' segmentor differs
            from the student's, in keys of a config's ``model`` (``neck=None`` where it has
            none), with the same classes; or one for each of them. That of its
            ``data_preprocessor`` is how its images are normalised. Defaults to None: they are
            networks as the student.
        teacher_scales (Sequence[float]): What a teacher's images are resized by, drawn anew in
            each step for each teacher. So the student learns over the steps what they know
            of several sizes, as test-time augmentation does, at the cost of one. Defaults
            to (1,).
        teacher_flip (bool): Whether a teacher sees images mirrored in half of the steps, drawn
            by chance. Defaults to False.
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

    def __init__(self, *, teachers: Sequence[str],
                 teacher: dict | Sequence[dict | None] | None = None,
                 teacher_scales: Sequence[float] = (1.,), teacher_flip: bool = False,
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
        if not teacher_scales or min(teacher_scales) <= 0:
            raise InputError(f'teacher_scales={teacher_scales!r}, expected numbers above 0')
        if self.tasks or self.out_channels == 1 or isinstance(self.post_processor, nn.Module):
            raise InputError('distillation needs one task of two classes or more, with a '
                             'channel of the head for each, and no CRF that is trained')
        _check_alignment(self)
        self.teachers = tuple(teachers)
        self.temperature, self.label_weight = temperature, label_weight
        self.blended = blended
        self.teacher_scales, self.teacher_flip = tuple(teacher_scales), teacher_flip
        each = teacher if isinstance(teacher, Sequence) else [teacher] * len(self.teachers)
        if len(each) != len(self.teachers):
            raise InputError(f'teacher has {len(each)} segmentors for {len(self.teachers)} '
                             'teachers, expected one for each, or one for all')
        self._models = [dict(own, type='FCNSegmentor') | dict(named or {}) for named in each]
        self._same_images = [
            model.get('data_preprocessor') == own.get('data_preprocessor')
            for model in self._models]

    def init_weights(self) -> None:
        """Initialises the student, and reads the teachers: training starts with this."""
        super().init_weights()
        self._read_teachers()

    def _read_teachers(self) -> None:
        here = next(self.parameters()).device
        built = []
        for path, named in zip(self.teachers, self._models, strict=True):
            model = MODELS.build(named)
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
        with torch.no_grad():
            theirs = torch.zeros_like(scores, dtype=torch.float32)
            for model, same_images in zip(self._built, self._same_images, strict=True):
                seen = images if same_images else _normalised_again(
                    images, self.data_preprocessor, model.data_preprocessor)
                each = self._seen_by(model, seen)
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

    def _seen_by(self, model: nn.Module, images: Tensor) -> Tensor:
        """A teacher's scores (N, C, h, w) of images resized, and mirrored, as drawn by chance.

        Over many steps the divergence from these is, but for a constant, that from the mean
        of the softened probabilities of all that may be drawn.
        """
        # Drawn on the CPU: a number from the GPU would have to be waited for.
        scale = self.teacher_scales[int(torch.randint(len(self.teacher_scales), ()))]
        flip = self.teacher_flip and bool(torch.randint(2, ()))
        # Its strides divide them, so that its cells cover the image as the student's do.
        divisor = getattr(model, 'size_divisor', 1)
        size = tuple(max(1, round(side * scale / divisor)) * divisor
                     for side in images.shape[-2:])
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode='bilinear')
        if flip:
            images = images.flip(-1)
        scores = model.decode_head(model.extract_feat(images)).float()
        return scores.flip(-1) if flip else scores


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
