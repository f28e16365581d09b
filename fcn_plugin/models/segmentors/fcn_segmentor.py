"""EncoderDecoder for images of any size."""
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from mmengine.config import ConfigDict
from mmengine.logging import print_log
from mmengine.structures import PixelData
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import OptSampleList, SampleList
from torch import Tensor

from ...ops import Axis, label_dtype, label_scores, resample_scores, sample_axis
from ...utils.errors import InputError
from ..backbones.image_channels import take_weights_of_three
from ..cuda_graphs import CudaGraphs
from ..decode_heads import FCNSkipHead
from ..feature_maps import describe_backbone
from ..geometry import Window, pad_batch, pad_to_multiple, windows_of
from ..memory_layout import check_channels_last, fastest_layout
from .data_preprocessor import check_label_padding
from .post_processing import PostProcessing

_NOT_IN_TILES = (
    "test_cfg: mode='tile' gives labels only, of one task, with alignment='same': take "
    "mode='whole' for several tasks, and it or 'slide' for logits, for a post processor and "
    "for alignment='caffe'")


@MODELS.register_module()
class FCNSegmentor(PostProcessing, EncoderDecoder):
    """EncoderDecoder that takes any image from 1x1 up and checks that its parts fit.

    The image is padded at the right and the bottom to a multiple of the coarsest
    stride before the backbone sees it; its labels are padded with the ignored one, and
    predictions are cropped to the image. Images of different sizes in one batch are run
    size by size, so that a prediction does not depend on the others of its batch.

    Args:
        test_cfg (dict, optional): As in EncoderDecoder, and ``rescale`` (bool): whether
            predictions are brought to the image's original size (mmseg's way)
            or stay at the size that the pipeline resized to; ``logits`` (bool): whether
            ``seg_logits`` are made, which cost several times as much as labels. Defaults to
            ``dict(mode='whole', rescale=True, logits=False)``. Beside mmseg's modes
            'whole' and 'slide' there is 'tile', for images too large for the memory: the
            network sees windows of ``tile`` (int) pixels a side, neighbouring ones share
            ``2 * overlap`` (int) of them, and each pixel's label comes from the window in
            which it lies at least ``overlap`` from a border that is not the image's.
            It takes the memory of one window. Labels are those of the whole image where
            ``overlap`` covers what the network sees around a pixel. ``tile`` and
            ``overlap`` are rounded to multiples of the coarsest stride; they default to
            1024 and 128.
        channels_last (bool, optional): Whether parameters and images are laid out channels
            last. Defaults to None: images are in training in bfloat16 on a CPU
            (:func:`~fcn_plugin.models.memory_layout.fastest_layout`).
        post_processor (dict, optional): What refines the predictions by looking at the
            image, such as ``dict(type='DenseCRF')``. Defaults to None.
        **kwargs: As in EncoderDecoder.

    Raises:
        ValueError: If head and backbone do not fit, or torch cannot train channels last.
    """

    _graphs: CudaGraphs | None = None

    def __init__(self, *args, test_cfg: dict | None = None,
                 channels_last: bool | None = None, **kwargs) -> None:
        test_cfg = ConfigDict(
            {'mode': 'whole', 'rescale': True, 'logits': False, **(test_cfg or {})})
        super().__init__(*args, test_cfg=test_cfg, **kwargs)
        self.test_cfg: ConfigDict
        take_weights_of_three(self.backbone)
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
        self.tasks: dict[str, int] = getattr(head, 'other_tasks', {})
        self._check_tasks()
        self.tiling = self._check_tiling()
        # The type that the backbone computes in, if it is not that of its input.
        self.feature_dtype: torch.dtype | None = None
        self.memory_format: torch.memory_format | None = (
            None if channels_last is None else torch.contiguous_format)
        if channels_last:
            check_channels_last(self)
            self.use_channels_last()

    def use_channels_last(self) -> None:
        """Lays out parameters, and images from now on, channels last."""
        self.memory_format = torch.channels_last
        self.to(memory_format=torch.channels_last)

    def use_cuda_graphs(self) -> None:
        """Starts a GPU's kernels by one call, for sizes of images that come again."""
        self._graphs = CudaGraphs(self._score)

    def _score(self, padded: Tensor) -> Tensor:
        return self.decode_head(self.extract_feat(padded))

    def _apply(self, *args, **kwargs):
        if self._graphs is not None:  # they would read where the parameters were
            self.use_cuda_graphs()
        return super()._apply(*args, **kwargs)

    def _check_tasks(self) -> None:
        if self.tasks and (self.test_cfg.mode != 'whole' or self.post_processor is not None):
            raise InputError(f"other_tasks={self.tasks} need test_cfg.mode='whole' and no "
                             'post processor')

    def _check_tiling(self) -> tuple[int, int] | None:
        """The core and the overlap of windows in pixels, or None in another mode."""
        config = self.test_cfg
        if config.mode != 'tile':
            return None
        if config.logits:
            raise InputError(_NOT_IN_TILES)
        return self.tiling_of(config.get('tile', 1024), config.get('overlap', 128))

    def tiling_of(self, tile: int, overlap: int) -> tuple[int, int]:
        """The ``tiling`` that :meth:`test_step` takes.

        Args:
            tile, overlap (int): In pixels, as in ``test_cfg``.

        Returns:
            tuple[int, int]: Along each axis, the pixels that a window labels, and those
            that it sees beyond them on each side.

        Raises:
            ValueError: If this network cannot label in tiles, or not in tiles of that size.
        """
        divisor = self.size_divisor
        if self.post_processor is not None or self.tasks or (
                divisor == 1 and isinstance(self.decode_head, FCNSkipHead)):
            raise InputError(_NOT_IN_TILES)
        if not (isinstance(tile, int) and isinstance(overlap, int) and overlap >= 0):
            raise InputError(f'test_cfg: tile={tile!r} and overlap={overlap!r}, expected '
                             'integers, in pixels')
        overlap += -overlap % divisor
        core = tile // divisor * divisor - 2 * overlap
        if core < divisor:
            raise InputError(
                f'test_cfg: tile={tile} leaves nothing between overlaps of {overlap} (a '
                f'multiple of the stride {divisor}), expected at least '
                f'{2 * overlap + divisor}')
        return core, overlap

    def _align(self, head: FCNSkipHead) -> None:
        theirs = getattr(self.backbone, 'alignment', 'same')
        if head.alignment != theirs:
            raise InputError(
                f"the head's alignment is '{head.alignment}', but the backbone's is "
                f"'{theirs}': set the same in both (of the backbones FullyConvVGG and "
                "FullyConvAlexNet know 'caffe')")
        if head.alignment == 'caffe':
            head.align(self.backbone.grids)
            self.size_divisor = 1  # any size has its place in the authors' padding

    def extract_feat(self, inputs: Tensor) -> Sequence[Tensor]:
        """Images (N, C, H, W) to the backbone's (or the neck's) maps."""
        inputs = inputs.contiguous(
            memory_format=self.memory_format or fastest_layout(inputs, self))
        if self.feature_dtype is None:
            return super().extract_feat(inputs)
        maps = super().extract_feat(inputs.to(self.feature_dtype))
        # In float32: the head sums scores, and differences of a hundredth decide.
        return [each.float() if each.is_floating_point() else each for each in maps]

    def loss(self, inputs: Tensor, data_samples: SampleList) -> dict:
        """Losses of the decode head and the auxiliary heads.

        Args:
            inputs (Tensor): (N, C, H, W), any size.
            data_samples (list[SegDataSample]): With ``gt_sem_seg`` (1, H, W).
        """
        return super().loss(self._padded(inputs, data_samples), data_samples)

    def _padded(self, inputs: Tensor, samples: SampleList) -> Tensor:
        """Images of a size that the strides divide; labels of ``samples`` are padded alike."""
        check_label_padding(self.data_preprocessor, samples, self.decode_head)
        return pad_batch(inputs, samples, self.size_divisor, self.decode_head.ignore_index)

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Images of any size to logits, both (N, channels, H, W)."""
        padded = pad_to_multiple(inputs, self.size_divisor)
        # mmseg's heads predict at img_shape if it is a torch.Size.
        metas = [dict(meta, img_shape=padded.shape[-2:]) for meta in batch_img_metas]
        logits = super().encode_decode(padded, metas)
        return logits[..., :inputs.shape[-2], :inputs.shape[-1]]

    # --- prediction ----------------------------------------------------------

    def test_step(self, data: dict, logits: bool | None = None,
                  tiling: tuple[int, int] | None = None,
                  track: Callable[[list], Iterable] = iter) -> SampleList:
        """As in mmengine's ``BaseModel``, or in tiles.

        Args:
            data (dict): 'inputs' and 'data_samples', as pipelines and collating give them.
            logits (bool, optional): As in ``test_cfg``. Defaults to None: its value there.
            tiling (tuple[int, int], optional): From :meth:`tiling_of`. Tiles give labels
                and no logits. Defaults to None: as ``test_cfg`` says.
            track (Callable): Called with the list of an image's windows, and gives them one
                by one; a progress bar, for instance. Defaults to none.

        Returns:
            list[SegDataSample]: See :meth:`predict`.
        """
        tiling = tiling or self.tiling
        if tiling is not None:
            return self._label_tiles(data, tiling, track)
        # a call of the module, so that its forward hooks run
        return self(**self.data_preprocessor(data, False), mode='predict', logits=logits)

    val_step = test_step

    def forward(self, inputs: Tensor, data_samples: OptSampleList = None,
                mode: str = 'tensor', logits: bool | None = None) -> Any:
        """As in mmseg's ``BaseSegmentor``.

        Args:
            inputs, data_samples, mode: As there.
            logits (bool, optional): See :meth:`predict`; used in mode 'predict' alone.
        """
        if mode == 'predict':
            return self.predict(inputs, data_samples, logits)
        return super().forward(inputs, data_samples, mode)

    def predict(self, inputs: Tensor, data_samples: OptSampleList = None,
                logits: bool | None = None) -> SampleList:
        """Labels at the size that ``test_cfg['rescale']`` says.

        One interpolation (:func:`fcn_plugin.ops.label_scores`) leads from the scores at
        the head's stride to the labels. It undoes flipping, padding and resizing, too.

        Args:
            inputs (Tensor): (N, C, H, W), padded to the largest of the batch.
            data_samples (list[SegDataSample], optional): Their meta information.
            logits (bool, optional): As in ``test_cfg``. Defaults to None: its value there.

        Returns:
            list[SegDataSample]: With ``pred_sem_seg``, data (1, H, W) of uint8 (int16 above
            255 classes), and on request (``logits``) ``seg_logits``, float32
            (C, H, W), in the order of the inputs. Of each further task of the head
            ``pred_<task>``, as ``pred_sem_seg``, and on request ``<task>_logits``.
        """
        if data_samples is None:
            data_samples = [SegDataSample() for _ in inputs]
        # a post processor needs logits
        logits = (self.test_cfg.logits if logits is None else logits) or (
            self.post_processor is not None)
        by_size = defaultdict(list)
        for i, sample in enumerate(data_samples):
            left, right, top, bottom = sample.metainfo.get('img_padding_size', (0, ) * 4)
            by_size[inputs.shape[-2] - bottom, inputs.shape[-1] - right].append(i)
        for (height, width), indices in by_size.items():
            images = inputs if len(by_size) == 1 else inputs[torch.tensor(indices)]
            chosen = [data_samples[i] for i in indices]
            scores, stride, start = self.score(images[..., :height, :width], chosen)
            for each, sample in zip(scores, chosen):
                sample.set_metainfo(dict(img_padding_size=(0, ) * 4,
                                         padding_size=(0, ) * 4,
                                         pad_shape=(height, width)))
                self._finish(each, stride, start, sample, (height, width), logits)
            self.post_process(images[..., :height, :width], chosen)
        return data_samples

    def score(self, images: Tensor, data_samples: Sequence[SegDataSample] = ()
              ) -> tuple[Tensor, int, float]:
        """The network's scores, before anything is brought to the image's size.

        Args:
            images (Tensor): (N, C, H, W), any size.
            data_samples (list[SegDataSample]): For heads that read meta information.

        Returns:
            tuple: Scores (N, C, h, w); their stride in pixels; and by how many pixels
            their first cell begins before the image. Stride 1 where the head upsamples
            in a way of its own, or in sliding windows.
        """
        if self.test_cfg.mode != 'slide' and isinstance(self.decode_head, FCNSkipHead):
            grid = self.decode_head.image_grid
            if grid is not None:
                score = self._graphs or self._score
                return score(pad_to_multiple(images, self.size_divisor)), *grid
        size = tuple(images.shape[-2:])
        metas = [dict(sample.metainfo, img_shape=size, ori_shape=size, pad_shape=size,
                      img_padding_size=(0, ) * 4, padding_size=(0, ) * 4)
                 for sample in data_samples] or [dict(img_shape=size, ori_shape=size)
                                                 for _ in images]
        # mmseg's inference() knows no mode 'tile'. To the network a window is an image.
        infer = (self.slide_inference if self.test_cfg.mode == 'slide' else
                 self.whole_inference)
        return infer(images, metas), 1, 0.

    def _axes(self, counts, stride: int, start: float, sample: SegDataSample,
              size: tuple[int, int]) -> list[Axis]:
        """Rows and columns of a prediction among scores of ``counts`` rows, columns."""
        out_size = sample.metainfo.get('ori_shape', size)[:2] if (
            self.test_cfg.rescale) else size
        direction = sample.get('flip_direction') if sample.get('flip') else None
        if direction not in (None, 'horizontal', 'vertical'):
            raise InputError(f"flip_direction is '{direction}', expected 'horizontal' or "
                             "'vertical'")
        fades = stride > 1 and self.decode_head.fades  # with stride 1 the head has done it
        return [sample_axis(count, stride, length, out, start, direction == flipped, fades)
                for count, length, out, flipped in zip(counts, size, out_size,
                                                       ('vertical', 'horizontal'))]

    def _label_tiles(self, data: dict, tiling: tuple[int, int],
                     track: Callable[[list], Iterable]) -> SampleList:
        """Labels images (3, H, W), as they come from the pipeline, window by window.

        Images keep their device and their type. What is computed for a window is freed
        before the next one is cut out.
        """
        for image, sample in zip(data['inputs'], data['data_samples']):
            size, labels = tuple(image.shape[-2:]), None
            windows = list(itertools.product(*(windows_of(length, *tiling)
                                               for length in size)))
            for window in track(windows):
                rows, columns = (slice(each.start, each.stop) for each in window)
                place, whole, found = self.label_window(image[:, rows, columns], window, size,
                                                        sample)
                if labels is None:
                    labels = torch.empty(whole, dtype=label_dtype(self.out_channels))
                labels[place] = found
            sample.pred_sem_seg = PixelData(data=labels[None])
        return data['data_samples']

    def label_window(self, pixels: Tensor, window: Sequence[Window], size: tuple[int, int],
                     sample: SegDataSample | None = None
                     ) -> tuple[tuple[slice, slice], tuple[int, ...], Tensor]:
        """Labels of what a window of an image labels.

        Args:
            pixels (Tensor): (3, h, w) as the pipeline gives them, of the whole window.
            window (Sequence[Window]): Along rows and columns, of :func:`windows_of`.
            size (tuple[int, int]): Of the image.
            sample (SegDataSample, optional): Of the image. Defaults to None: it was neither
                resized nor mirrored.

        Returns:
            tuple: Where they lie among the image's labels; how many those are along each
            axis; and they, (H, W).
        """
        # Each window has its own sample: preprocessors note in it how they pad.
        batch = self.data_preprocessor(dict(inputs=[pixels], data_samples=[SegDataSample()]))
        (scores, ), stride, start = self.score(batch['inputs'])
        axes = self._axes([-(-length // self.size_divisor) * self.size_divisor // stride
                           for length in size], stride, start, sample or SegDataSample(), size)
        rows, columns = (axis.between(each.core_start, each.core_stop)
                         for axis, each in zip(axes, window))
        labels = self._label(scores, *(
            axis[part].within(each.start // stride, count)
            for axis, part, each, count in zip(axes, (rows, columns), window,
                                               scores.shape[-2:])))
        return (rows, columns), tuple(map(len, axes)), labels

    def _finish(self, scores: Tensor, stride: int, start: float, sample: SegDataSample,
                size: tuple[int, int], with_logits: bool) -> None:
        """Scores (C, h, w) of an input of ``size`` to a sample's predictions."""
        axes = self._axes(scores.shape[-2:], stride, start, sample, size)
        if self.tasks:
            scores, *others = scores.split([self.out_channels, *self.tasks.values()])
            for task, each in zip(self.tasks, others):
                sample.set_data({f'pred_{task}': PixelData(
                    data=label_scores(each, *axes)[None])})
                if with_logits:
                    sample.set_data({f'{task}_logits': PixelData(
                        data=resample_scores(each, *axes))})
        if with_logits:
            logits = resample_scores(scores, *axes)
            # With a single channel mmseg's seg_logits are probabilities.
            sample.seg_logits = PixelData(
                data=logits.sigmoid() if self.out_channels == 1 else logits)
        sample.pred_sem_seg = PixelData(data=self._label(scores, *axes)[None])

    def _label(self, scores: Tensor, rows: Axis, columns: Axis) -> Tensor:
        """Scores (C, h, w) to labels (H, W)."""
        if self.out_channels > 1:
            return label_scores(scores, rows, columns)
        probability = resample_scores(scores, rows, columns)[0].sigmoid()
        return (probability > self.decode_head.threshold).to(torch.uint8)


