"""A segmentor as one graph of tensor operations, for export."""
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..images.channels import turned
from ..models.decode_heads import FCNSkipHead
from ..models.feature_maps import image_channels
from ..ops import label_dtype
from ..utils.errors import InputError
from .symbolic_sizes import for_any_size


class DeployedSegmentor(nn.Module):
    """Images of any number and size to labels, without a branch or a loop over sizes.

    Padding to the coarsest stride, and its removal, are in the graph. Scores are
    interpolated as :func:`fcn_plugin.ops.label_scores` defines it, written as two matrix
    products: any offset, stride and size are then the same two operations.

    Args:
        model (nn.Module): An mmseg segmentor in eval mode, with one decode head.
        scores (bool): Whether the probabilities of all classes are returned too, of each
            task behind its labels. Defaults to False.
        preprocess (bool): Whether the input is the image as it was read, (N, H, W, C)
            uint8 RGB, or what the model's preprocessor makes of it, (N, C, H, W)
            float32. Defaults to False.
        resize (tuple, optional): With ``preprocess``, the size (W, H) to which the image
            is resized for the network, as in mmcv's ``Resize``; labels keep the image's
            own size. Defaults to None.
        keep_ratio (bool): As in ``Resize``. Defaults to False.

    Raises:
        ValueError: If the model has a part that no such graph can hold.
    """

    def __init__(self, model: nn.Module, scores: bool = False, preprocess: bool = False,
                 resize: tuple[int, int] | None = None,
                 keep_ratio: bool = False) -> None:
        super().__init__()
        _check_exportable(model)
        self.model = for_any_size(model)
        self.with_scores, self.preprocess = scores, preprocess
        self.channels = image_channels(model.backbone)
        self.resize, self.keep_ratio = resize, keep_ratio
        head = model.decode_head
        self.grid = None
        if isinstance(head, FCNSkipHead):
            # Where the last upsampling is learned, the head itself does it.
            self.grid = head.image_grid or (1, 0.)
        self.fades = self.grid is not None and self.grid[0] > 1 and head.fades
        #: Whether labels keep their places where a runtime computes in 16 bits.
        self.exact_places = self.grid is not None and _is_whole(*self.grid)
        self.divisor = getattr(model, 'size_divisor', 1)
        self.threshold = getattr(head, 'threshold', None)
        self.tasks = dict(getattr(head, 'other_tasks', {}))
        self.label_type = label_dtype(max(head.num_classes, *self.tasks.values(), 0))

    @property
    def outputs(self) -> list[str]:
        """list[str]: Names of what :meth:`forward` gives: 'labels' and 'scores', and behind
        them those of further tasks, 'labels_<task>' and 'scores_<task>'."""
        kinds = ('labels', 'scores') if self.with_scores else ('labels', )
        return [kind + task for task in ('', *(f'_{task}' for task in self.tasks))
                for kind in kinds]

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """An image batch to labels (N, H, W), and scores (N, C, H, W) on request, of each
        task."""
        if self.preprocess:
            out_size = image.shape[1:3]
            image = self._preprocess(image)
        else:
            out_size = image.shape[2:4]
        height, width = image.shape[2:4]
        padded = F.pad(image, (0, -width % self.divisor, 0, -height % self.divisor),
                       mode='replicate')
        head = self.model.decode_head
        scores = head(self.model.extract_feat(padded))
        if isinstance(head, FCNSkipHead) and head.image_grid is None:
            scores = head.to_image(scores, padded.shape[2:4])
        for dim, (size, out) in enumerate(zip((height, width), out_size), start=2):
            stride, start = self.grid or (padded.shape[dim] / scores.shape[dim], 0.)
            scores = _interpolate(scores, dim, size, out, stride, start, self.fades)
        tasks = [scores] if not self.tasks else scores.split(
            [head.out_channels, *self.tasks.values()], 1)
        found = [each for one in tasks for each in self._label(one)]
        return tuple(found) if len(found) > 1 else found[0]

    def _label(self, scores: Tensor) -> list[Tensor]:
        """Scores (N, C, H, W) of a task to its labels, and probabilities on request."""
        if scores.shape[1] == 1:
            scores = scores.sigmoid()
            labels = (scores[:, 0] > self.threshold).to(self.label_type)
            scores = torch.cat([1 - scores, scores], 1)
        else:
            labels = scores.argmax(1).to(self.label_type)
            scores = scores.softmax(1)
        return [labels, scores] if self.with_scores else [labels]

    def _preprocess(self, image: Tensor) -> Tensor:
        """(N, H, W, C) uint8 RGB to what the backbone takes."""
        image = image.permute(0, 3, 1, 2).float()
        if self.resize is not None:
            sizes = image.shape[2:4]
            for dim, (size, out) in enumerate(zip(sizes, self._resized(*sizes)), start=2):
                image = _interpolate(image, dim, size, out, 1, 0.)
            image = image.round()  # as the pipeline's, which is uint8 again
        return normalise(self.model.data_preprocessor, image)

    def _resized(self, height, width) -> tuple:
        """The (H, W) that mmcv's ``Resize`` brings an image to."""
        if not self.keep_ratio:
            return self.resize[::-1]
        # As tensors: numbers would fix the size of the traced image in the graph.
        sides, wanted = (torch.stack([torch.as_tensor(side, dtype=torch.float64)
                                      for side in pair])
                         for pair in ((height, width), self.resize))
        # Not of numbers, by which torch divides in two steps, each of which rounds.
        scale = torch.minimum(wanted.max() / sides.max(), wanted.min() / sides.min())
        return tuple((sides * scale + 0.5).long())


def normalise(preprocessor: nn.Module, image: Tensor) -> Tensor:
    """What the preprocessor does to the values of images (N, C, H, W), red first."""
    if not preprocessor.channel_conversion:  # trained on what mmcv reads: BGR
        image = image[:, turned(image.shape[1])]
    if preprocessor._enable_normalize:
        image = (image - preprocessor.mean) / preprocessor.std
    return image


def _interpolate(scores: Tensor, dim: int, size, out, stride, start: float,
                 fades: bool = False) -> Tensor:
    """Linear interpolation of (N, C, h, w) along dimension 2 or 3.

    Args:
        scores (Tensor): The map.
        dim (int): The dimension.
        size: Pixels of the network's input along it, without padding.
        out: Pixels wanted.
        stride: Input pixels between two scores.
        start, fades: See :func:`fcn_plugin.ops.sample_axis`.
    """
    count = scores.shape[dim]
    cells = torch.arange(count, device=scores.device)
    labels = torch.arange(out, device=scores.device)
    if _is_whole(stride, start):
        # In whole numbers: a runtime may compute all others in 16 bits, and would misplace
        # labels by pixels. One stride is as many parts as `unit` says.
        unit = 2 * stride * out
        place = (2 * labels + 1) * size
        if fades:
            place = _within(place, out, (2 * size - 1) * out)
        place = place + int(2 * start) * out - stride * out
        if not fades:
            place = _within(place, 0, unit * (count - 1))
        apart = (place[:, None] - unit * cells[None]).abs()
        weight = (unit - apart).clamp(min=0).float() / unit  # (out, count)
    else:
        centre = (labels.float() + 0.5) * (size / out)
        if fades:
            centre = _within(centre, 0.5, size - 0.5)
        place = (centre + start) / stride - 0.5
        if not fades:
            place = _within(place, 0, count - 1)
        weight = (1 - (place[:, None] - cells.float()[None]).abs()).clamp(min=0)
    return weight @ scores if dim == 2 else scores @ weight.t()


def _within(values: Tensor, lowest, highest) -> Tensor:
    """``values`` from ``lowest`` to ``highest``, which may be sizes of a traced image."""
    return torch.minimum(values.clamp(min=lowest), torch.ones_like(values) * highest)


def _is_whole(stride, start: float) -> bool:
    return isinstance(stride, int) and float(2 * start).is_integer()


def _check_exportable(model: nn.Module) -> None:
    kind = type(model).__name__
    head = getattr(model, 'decode_head', None)
    if head is None or isinstance(head, (nn.ModuleList, Sequence)):
        raise InputError(f'a {kind} cannot be exported: it has no single decode head')
    if model.test_cfg.get('mode', 'whole') != 'whole':
        raise InputError('a model that predicts in windows cannot be exported: give '
                         '--cfg-options model.test_cfg.mode=whole')
    if getattr(model, 'post_processor', None) is not None:
        raise InputError(f'the {type(model.post_processor).__name__} behind the network '
                         'cannot be exported: leave it out, by --cfg-options '
                         'model.post_processor=None')
    for name, module in model.named_modules():
        if type(module).__name__ == 'MaxUnpool':
            raise InputError(f'{name} is a MaxUnpool, which cannot be exported: train '
                             "with upsampler=dict(type='BilinearDeconv')")
