"""Score, upsample, fuse: the head of FCN-32s, FCN-16s and FCN-8s."""
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import ModuleDict
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.losses import accuracy
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from ...utils.errors import InputError
from ..feature_maps import FeatureMap
from ..geometry import Grid, crop_at, crop_to, labels_of_task
from ..upsamplers import BilinearDeconv, BilinearUpsample
from .arguments import as_tuple, check_inputs, check_switches, for_caffe, weights_of
from .cross_entropy import check_channels, is_cross_entropy, upsampled_cross_entropy


@MODELS.register_module()
class FCNSkipHead(BaseDecodeHead):
    r"""The skip architecture of the FCN paper (section 4.2, figure 3).

    A 1x1 **score** layer on each input map; the coarsest scores are
    **upsampled** to the next finer stride and **fused** with its scores by
    summing, until the finest; a last upsampling leads to the image::

        stride 32 --score--> ( ) --upsample x2--+
        stride 16 --score---------------------(sum)--upsample x2--+
        stride  8 --score---------------------------------------(sum)--x8--> image

    One input map makes it FCN-32s, two FCN-16s, three FCN-8s, four FCN-4s: the
    name follows the finest stride. Parameters are called by stride
    (``score.stride16.weight``), so that the checkpoint of a coarser net
    loads into a finer one.

    Args:
        in_channels (Sequence[int]): Channels of the maps used, fine to coarse.
        in_index (Sequence[int]): Their places in the backbone's output.
        in_strides (Sequence[int]): Their strides, ascending, each a multiple of
            the one before.
        num_classes (int): Number of classes C.
        skip_scales (Sequence[float], optional): A factor for each map, in the
            same order, multiplied in before its score layer. The authors' FCN-8s
            trained at once takes (0.0001, 0.01, 1). Defaults to None: no factors.
        upsampler (dict): Type of the upsampling between strides:
            ``BilinearUpsample``, ``BilinearDeconv`` or ``MaxUnpool``. Defaults to
            ``dict(type='BilinearUpsample')``.
        final_upsampler (dict): Type of the last one, to the image. Defaults to
            ``dict(type='BilinearUpsample')``.
        alignment (str): 'same', or 'caffe' behind a backbone of that alignment: the
            transposed convolutions keep their whole result, and maps are cropped
            at offsets computed from the backbone's geometry. Both upsamplers are
            ``BilinearDeconv`` then. Defaults to 'same'.
        switch_index (Sequence[int], optional): For ``MaxUnpool``: places of the
            switches in the backbone's output, one a map from the second finest
            on. ``(3, 4)`` behind ``FullyConvVGG(with_switches=True)``.
        switch_channels (Sequence[int], optional): Channels of those switches.
        zero_init_scores (bool): Whether score layers start as zero, as the
            authors' do. Defaults to False: normal with deviation 0.01.
        dropout_ratio (float): Elementwise dropout on the coarsest map, for
            backbones without one of their own. Defaults to 0.
        with_accuracy (bool): Whether training also reports ``acc_seg``, which costs
            a pass over full-resolution scores. Defaults to False.
        other_tasks (dict[str, int], optional): Further tasks on the same trunk, from a name
            to its number of classes, such as ``dict(geometric=3)`` for SIFT Flow. Each has
            score layers of its own: their channels follow the first task's. Its labels
            are ``gt_<task>`` of a sample, its losses are logged with ``_<task>`` behind
            their names and added. Defaults to None.
        weights_taken_back (float): Share s of the loss's class weights w that predictions
            take back: outside of training s * log(w_c) is subtracted from class c's scores
            (logit adjustment, Menon et al., ICLR 2021). Defaults to 0.
        out_channels, threshold, loss_decode, ignore_index, sampler: As in mmseg's
            ``BaseDecodeHead``.
        init_cfg (dict | list[dict], optional): Replaces the above initialisation.

    Raises:
        ValueError: If the sequences disagree in length, or strides do not ascend
            by whole factors; if tasks would be mixed by learned upsampling; if there are
            no weights to take back.
    """

    def __init__(self,
                 in_channels: Sequence[int],
                 in_index: Sequence[int],
                 in_strides: Sequence[int],
                 num_classes: int,
                 *,
                 skip_scales: Sequence[float] | None = None,
                 upsampler: dict = dict(type='BilinearUpsample'),
                 final_upsampler: dict = dict(type='BilinearUpsample'),
                 alignment: str = 'same',
                 switch_index: Sequence[int] | None = None,
                 switch_channels: Sequence[int] | None = None,
                 zero_init_scores: bool = False,
                 dropout_ratio: float = 0.,
                 with_accuracy: bool = False,
                 other_tasks: dict[str, int] | None = None,
                 weights_taken_back: float = 0.,
                 out_channels: int | None = None,
                 threshold: float | None = None,
                 loss_decode: dict | Sequence[dict] = dict(
                     type='CrossEntropyLoss', avg_non_ignore=True),
                 ignore_index: int = 255,
                 sampler: dict | None = None,
                 init_cfg: dict | Sequence[dict] | None = None) -> None:
        in_index, in_strides = as_tuple(in_index), as_tuple(in_strides)
        in_channels = as_tuple(in_channels)
        check_inputs(in_index, in_channels, in_strides, skip_scales)
        if alignment not in ('same', 'caffe'):
            raise InputError(f"FCNSkipHead: alignment is {alignment!r}, expected 'same' or "
                             "'caffe'")
        if alignment == 'caffe':
            upsampler, final_upsampler = for_caffe(upsampler), for_caffe(final_upsampler)
        unpools = upsampler['type'] == 'MaxUnpool'
        if unpools:
            check_switches(in_strides, switch_index, switch_channels)
        if init_cfg is None:
            init_cfg = dict(type='Normal', std=0.01, layer='Conv2d')
            if zero_init_scores:
                init_cfg['override'] = dict(name='score', type='Constant', val=0.)
        super().__init__(
            in_channels, num_classes, num_classes=num_classes, out_channels=out_channels,
            threshold=threshold, dropout_ratio=0., in_index=in_index,
            input_transform='multiple_select', loss_decode=loss_decode,
            ignore_index=ignore_index, sampler=sampler, init_cfg=init_cfg)
        self.other_tasks = dict(other_tasks or {})
        if self.other_tasks and (self.out_channels == 1 or any(
                each['type'] == 'MaxUnpool' or each.get('learnable')
                for each in (upsampler, final_upsampler))):
            raise InputError(f'FCNSkipHead: other_tasks={self.other_tasks} need two classes '
                             'or more in each task, and upsampling that is fixed')
        width = self.out_channels + sum(self.other_tasks.values())
        del self.conv_seg  # the base class's single classifier; the score layers are ours
        self.dropout = nn.Dropout(dropout_ratio)
        self.in_strides = in_strides
        self.alignment = alignment
        # Set by align(): columns skipped in each skip's scores, and in the logits.
        self.skip_offsets: tuple[int, ...] | None = None
        self.image_offset: int | None = None
        self.skip_scales = (1., ) * len(in_index) if skip_scales is None else tuple(
            skip_scales)
        self.switch_index = tuple(switch_index) if unpools else (None, ) * (
            len(in_index) - 1)
        self.with_accuracy = with_accuracy
        self.register_buffer('_taken_back', None, persistent=False)
        if weights_taken_back:
            weights = torch.tensor(weights_of(self._all_losses, weights_taken_back,
                                            final_upsampler, self.out_channels))
            self._taken_back = F.pad(weights.log() * weights_taken_back,
                                     (0, width - len(weights)))[:, None, None]

        self.score = nn.ModuleDict({
            f'stride{stride}': nn.Conv2d(channels, width, 1)
            for stride, channels in zip(in_strides, in_channels)
        })
        self.upsample = ModuleDict()
        for i, (fine, coarse) in enumerate(zip(in_strides, in_strides[1:])):
            cfg = dict(upsampler, channels=width, factor=coarse // fine)
            if unpools:
                cfg['switch_channels'] = switch_channels[i]
            self.upsample[f'stride{coarse}'] = MODELS.build(cfg)
        self.upsample_image = MODELS.build(dict(
            final_upsampler, channels=width, factor=in_strides[0]))

    # --- the network -------------------------------------------------------

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Scores, upsamples and fuses, coarse to fine.

        Args:
            inputs (Sequence[Tensor]): The backbone's maps, (N, C_i, H / s_i, W / s_i).

        Returns:
            Tensor: Scores (N, C, H / s, W / s) at the finest stride s.
        """
        maps = self._transform_inputs(inputs)
        fused: Tensor | None = None
        for i in reversed(range(len(maps))):
            stride = self.in_strides[i]
            feature = maps[i] if fused is not None else self.dropout(maps[i])
            if feature.shape[1] != self.in_channels[i]:
                raise InputError(
                    f'FCNSkipHead: map {self.in_index[i]} has {feature.shape[1]} channels, '
                    f'expected in_channels[{i}] = {self.in_channels[i]}')
            if self.skip_scales[i] != 1:
                feature = feature * self.skip_scales[i]
            scores = self.score[f'stride{stride}'](feature)
            if fused is None:
                fused = scores
                continue
            where = self.switch_index[i]
            upsampled = self.upsample[f'stride{self.in_strides[i + 1]}'](
                fused, None if where is None else inputs[where])
            if self.alignment == 'caffe':
                # The skip is cropped to what was upsampled, not the other way.
                fused = upsampled + crop_at(scores, self.skip_offsets[i],
                                            upsampled.shape[-2:])
            else:
                fused = crop_to(upsampled, scores.shape[-2:], stride) + scores
        assert fused is not None  # there is a map at least
        return fused if self.training else self.as_predicted(fused)

    def as_predicted(self, scores: Tensor) -> Tensor:
        """What predictions make of scores (N, C, h, w) in training: ``weights_taken_back``."""
        return scores if self._taken_back is None else scores - self._taken_back

    def to_image(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        """The last upsampling: scores (N, C, H / s, W / s) to logits (N, C, H, W).

        Args:
            scores (Tensor): What :meth:`forward` returned.
            size (tuple[int, int]): The image's (H, W).
        """
        if self.alignment == 'caffe':
            return crop_at(self.upsample_image(scores), self.image_offset, size)
        return crop_to(self.upsample_image(scores), size, self.in_strides[0])

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict:
        """The losses of ``loss_decode`` on the scores at the image's resolution.

        Args:
            seg_logits (Tensor): Scores at the finest stride.
            batch_data_samples (list[SegDataSample]): With ``gt_sem_seg`` (1, H, W).

        Returns:
            dict[str, Tensor]: One entry a ``loss_name``; ``acc_seg`` on request.
        """
        size = batch_data_samples[0].gt_sem_seg.shape[-2:]
        # Mixed precision would round the differences that cross-entropy is about.
        scores = seg_logits.to(torch.promote_types(seg_logits.dtype, torch.float32))
        axes = self._matrices(scores, size)
        if axes is None:
            return self.loss_at_image(self.to_image(scores.contiguous(), size),
                                      batch_data_samples)
        with torch.autocast(scores.device.type, enabled=False):
            return self._of_tasks(scores, batch_data_samples, size, axes)

    def loss_at_image(self, logits: Tensor, batch_data_samples: SampleList) -> dict:
        """As :meth:`loss_by_feat`, of logits (N, C, H, W) at the labels' size."""
        return self._of_tasks(logits, batch_data_samples, logits.shape[-2:])

    def _matrices(self, scores: Tensor, size: tuple[int, int]) -> list[Tensor] | None:
        """What leads to an image of ``size`` along both axes; None if logits are needed."""
        upsampler, first = self.upsample_image, self.image_offset or 0
        derived = any(getattr(type(self), name) is not getattr(FCNSkipHead, name)
                      for name in ('to_image', 'loss_at_image'))
        if derived or self.sampler is not None or self.with_accuracy or not (
                type(upsampler) in (BilinearUpsample, BilinearDeconv)
                and all(map(is_cross_entropy, self._all_losses))):
            return None
        axes = []
        for count, length in zip(scores.shape[-2:], size):
            axis = upsampler.matrix(count, scores)
            if axis is None or len(axis) < first + length:  # to_image says what is too small
                return None
            axes.append(axis[first:first + length])
        return axes

    def _of_tasks(self, values: Tensor, samples: SampleList, size: tuple[int, int],
                  axes: Sequence[Tensor] | None = None) -> dict:
        """The losses of every task, by name: its channels follow those of the one before."""
        first, *others = values.split([self.out_channels, *self.other_tasks.values()], 1)
        losses = self._losses(first, self._stack_batch_gt(samples), axes)
        for task, each in zip(self.other_tasks, others):
            labels = labels_of_task(task, samples, size, self.ignore_index)
            of_task = self._losses(each, labels, axes)
            losses.update((f'{name}_{task}', value) for name, value in of_task.items())
        return losses

    @property
    def _all_losses(self) -> Iterable[Any]:
        return self.loss_decode if isinstance(self.loss_decode, nn.ModuleList) else (
            self.loss_decode, )

    def _losses(self, values: Tensor, labels: Tensor,
                axes: Sequence[Tensor] | None = None) -> dict:
        """The losses of one task's logits (N, C, H, W), or of its scores and what leads from
        them to the image, and of labels (N, 1, H, W)."""
        weight = None if self.sampler is None else self.sampler.sample(values, labels)
        labels = labels.squeeze(1)
        losses: dict[str, Tensor] = {}
        for loss in self._all_losses:
            check_channels(loss, values.shape[1])
            value = loss(
                values, labels, weight=weight, ignore_index=self.ignore_index
            ) if axes is None else upsampled_cross_entropy(
                loss, values, labels, axes, self.ignore_index)
            losses[loss.loss_name] = losses.get(loss.loss_name, 0) + value
        if self.with_accuracy:
            losses['acc_seg'] = accuracy(values, labels, ignore_index=self.ignore_index)
        return losses

    def predict_by_feat(self, seg_logits: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Logits (N, C, H, W) of the first task at the size of the network's input.

        Args:
            seg_logits (Tensor): Scores at the finest stride.
            batch_img_metas (list[dict]): ``pad_shape`` or ``img_shape`` is read.
        """
        meta = batch_img_metas[0]
        # mmseg gives a window's size as a torch.Size in sliding inference.
        sliding = type(meta['img_shape']).__name__ == 'Size'
        size = meta['img_shape'] if sliding else meta.get('pad_shape', meta['img_shape'])
        return self.to_image(seg_logits, size[:2])[:, :self.out_channels]

    @property
    def image_grid(self) -> tuple[int, float] | None:
        """tuple[int, float]: Stride and start of the scores in the image, as
        :func:`fcn_plugin.ops.sample_axis` takes them, if the last upsampling only
        interpolates bilinearly; None if it is learned. See :attr:`fades`.
        """
        last, stride = self.upsample_image, self.in_strides[0]
        if isinstance(last, BilinearUpsample):
            return stride, 0.
        if not isinstance(last, BilinearDeconv) or isinstance(last.weight, nn.Parameter):
            return None
        if self.alignment == 'caffe':
            return stride, self.image_offset + (stride - last.weight.shape[-1]) / 2
        return stride, 0.

    @property
    def fades(self) -> bool:
        """bool: Whether the last upsampling sees zeros beyond the border."""
        return isinstance(self.upsample_image, BilinearDeconv)

    # --- what is asked of the backbone -------------------------------------

    def align(self, grids: Sequence[Grid]) -> None:
        """Computes the crop offsets of the caffe alignment.

        For the authors' nets they come out as 19, 27 and 31 in the logits of FCN-32s,
        16s and 8s, 5 in pool4's scores and 9 in pool3's.

        Args:
            grids (Sequence[Grid]): Where the backbone's maps lie.
        """
        grid = grids[self.in_index[-1]]
        offsets: list[int] = []
        for i in reversed(range(len(self.in_index) - 1)):
            upsampler = self.upsample[f'stride{self.in_strides[i + 1]}']
            grid = grid.deconvolve(upsampler.weight.shape[-1], upsampler.factor)
            offsets.insert(0, grids[self.in_index[i]].offset_of(grid))
        last = self.upsample_image
        self.skip_offsets = tuple(offsets)
        self.image_offset = grid.deconvolve(last.weight.shape[-1],
                                            last.factor).offset_of(Grid())

    def check_backbone(self, maps: Sequence[FeatureMap]) -> None:
        """Compares the configured inputs with what the backbone gives.

        Args:
            maps (Sequence[FeatureMap]): From :func:`describe_backbone`.

        Raises:
            ValueError: Listing every mismatch, what the backbone gives, and the
                config lines that would fit.
        """
        faults = []
        for index, channels, stride in zip(self.in_index, self.in_channels,
                                           self.in_strides):
            wanted = f'in_index {index} ({channels} channels at stride {stride})'
            given = _map_at(maps, index)
            if given is None:
                faults.append(f'{wanted}: there are only {len(maps)} maps')
            elif given.switches:
                faults.append(f'{wanted}: these are pooling switches')
            elif (given.channels, given.stride) != (channels, stride):
                faults.append(f'{wanted}: it has {given.channels} at {given.stride}')
        for i, index in enumerate(self.switch_index):
            given = None if index is None else _map_at(maps, index)
            if index is not None and (given is None or not given.switches):
                faults.append(
                    f'switch_index {index}: MaxUnpool needs pooling switches there. '
                    'FullyConvVGG(with_switches=True) gives them; with another backbone '
                    "use upsampler=dict(type='BilinearDeconv')")
            elif index is not None and given.stride != self.in_strides[i + 1]:
                faults.append(f'switch_index {index}: belongs to stride {given.stride}, '
                              f'expected stride {self.in_strides[i + 1]}')
        if faults:
            features = [m for m in maps if m.stride and not m.switches]
            # None finer than was asked for, or finer maps would be fused unasked.
            chosen = [m for m in features if m.stride >= min(self.in_strides)] or features
            raise InputError(
                'the head does not fit the backbone: ' + '; '.join(faults) +
                '. The backbone gives ' + '; '.join(map(str, maps)) +
                '. What would fit: decode_head=dict('
                f'in_index={tuple(m.index for m in chosen)}, '
                f'in_channels={tuple(m.channels for m in chosen)}, '
                f'in_strides={tuple(m.stride for m in chosen)})')


def _map_at(maps: Sequence[FeatureMap], index: int) -> FeatureMap | None:
    return maps[index] if -len(maps) <= index < len(maps) else None
