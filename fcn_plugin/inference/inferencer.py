"""Segmentation in two lines: an inferencer, and what it is called with."""
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.progress import track

from .. import visualization as vis
from ..checkpoints.naming import is_weights, weights_file
from ..images.inputs import ImageInput, Input, open_inputs
from ..images.video import VideoInput, check_video_suffix, video_output
from ..large_images.inputs import LargeInput, with_large
from ..runtimes.backend import Prediction
from ..runtimes.opening import open_backend
from ..utils.errors import InputError, InputTypeError
from ..utils.files import check_outputs, no_outputs, output_folder
from ..utils.left_out import noting, raise_left_out, without_traceback
from ..utils.paths import PathLike
from .columns import images_of, with_results
from .result import Result, output_files, output_stems

if TYPE_CHECKING:  # an exported file is run without them
    from mmengine.config import Config
    from torch import nn

    from ..runtimes.graph_backend import GraphBackend
    from ..runtimes.torch_backend import TorchBackend

#: Bytes that the results of a video may take when they are returned as a list.
_MOST_IN_MEMORY = 2 << 30


class FCNInferencer:
    """Segments images and videos.

    .. code-block:: python

        from fcn_plugin.apis import FCNInferencer
        segment = FCNInferencer(weights='best.pth')
        result = segment('street.jpg')
        result.labels, result.class_names, result.shares
        result.save('out')

    It does not build on mmengine's ``BaseInferencer``, which mmseg's
    ``MMSegInferencer`` does: that one keeps every prediction until the last image is
    done, so a video or a large folder does not fit into memory; it runs the config
    text found in a checkpoint as Python; and it fills a model from weights that do not
    fit with a warning. Here results come one by one (:meth:`stream`), and models are
    loaded by :func:`~fcn_plugin.checkpoints.loading.load_model`.

    It can be pickled, unless it was made of a model that was built already: what it was made
    of goes along, files by their absolute paths. The process that unpickles it opens the
    model when it first needs it, on the device that 'auto' stands for there.

    Args:
        model (str, Path, Config or nn.Module, optional): A config: its file, the name of
            one of the project's, or the config itself; or a model that ``load_model``
            has returned. Defaults to None: the config kept in the checkpoint.
            A checkpoint (.pth, .pt, 'street', a work dir) may be given here too, and what
            tools/export.py has written: ONNX (.onnx), run by OpenVINO or onnxruntime.
        weights (str or Path, optional): The checkpoint, the work dir of a run, for its best
            one, or the name of a model of the package: 'objects' (photographs, the 20 kinds
            of PASCAL VOC) or 'street'. Defaults to None: with no model either, 'objects'.
        device (str): 'auto' (a GPU where there is one), 'cpu', 'cuda:0', ...
            Defaults to 'auto'.
        backbone (str, optional): 'vgg16', 'vgg19', 'resnet50' or 'resnet101': the
            project's FCN-8s on it, for a checkpoint that keeps no config. Defaults to None.
        cfg_options (dict, optional): Overrides of the config. Defaults to None.
        fast (bool): Whether the model is prepared by
            :func:`~fcn_plugin.models.speed_up.speed_up`: folded batch norms and 16 bits
            where the machine has them, which changes scores a little. An exported file is
            run in bfloat16 by OpenVINO. Defaults to False.
        tile (int, optional): Labels images in tiles of that side, in pixels, so that
            memory does not grow with the image; see
            :class:`~fcn_plugin.models.FCNSegmentor`. There are no scores then. Defaults
            to None: whole.
        overlap (int, optional): Pixels that a tile sees beyond what it labels. Defaults
            to None: 128.
        crf (bool): Whether a dense CRF refines the labels; see
            :func:`~fcn_plugin.models.segmentors.post_processing.use_crf`. Defaults to False.
        allow_imports (Sequence[str]): Packages that a config kept in the checkpoint may
            import, which runs their code: those of your own that it was trained with.
            Defaults to (): only fcn_plugin and OpenMMLab's.
        runtime (str): What runs an exported file: 'openvino', 'onnxruntime' or 'auto', the
            first on an x86 CPU where it is installed, else the second. Defaults to 'auto'.

    Raises:
        FileNotFoundError: If there is no such file or config.
        ValueError: If config and weights do not fit one another, or a config has none; if
            anything but ``device`` is given beside a model, or but ``device``, ``runtime``
            and ``fast`` beside an exported file, which are taken as they are; or a
            ``device`` that is not the model's, or a ``runtime`` for a checkpoint.
    """

    def __init__(self, model: 'PathLike | Config | nn.Module | None' = None,
                 weights: PathLike | None = None, device: str = 'auto',
                 backbone: str | None = None,
                 cfg_options: dict | None = None, fast: bool = False,
                 tile: int | None = None, overlap: int | None = None,
                 crf: bool = False, allow_imports: Sequence[str] = (),
                 runtime: str = 'auto') -> None:
        self._opening: dict[str, Any] = dict(
            model=model, weights=weights, device=device, fast=fast, runtime=runtime,
            backbone=backbone, cfg_options=cfg_options, tile=tile, overlap=overlap, crf=crf,
            allow_imports=allow_imports)
        self._opened: TorchBackend | GraphBackend | None = open_backend(**self._opening)
        # another process may work in another folder
        self._opening.update(model=_absolute(model), weights=_absolute(weights))
        self.channels = self._backend.channels
        meta = self._backend.meta
        self.class_names, self.tasks = tuple(meta['classes']), meta.get('tasks', {})
        self.palette = meta['palette']
        self.background, self.label_map = meta['background'], meta.get('label_map')

    @property
    def _backend(self) -> 'TorchBackend | GraphBackend':
        if self._opened is None:
            opened = open_backend(**self._opening)
            if tuple(opened.meta['classes']) != self.class_names:
                file = self._opening['weights'] or self._opening['model']
                raise InputError('the model has other classes than when the inferencer was '
                                 f'pickled, so {file} was replaced: build it anew')
            self._opened = opened
        return self._opened

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self._opening['model'], 'state_dict'):
            raise InputTypeError('an inferencer of a model that was built already cannot be '
                                 'pickled: give it config and weights in its place')
        return {**self.__dict__, '_opened': None}

    def __repr__(self) -> str:
        names, more = ', '.join(self.class_names[:5]), len(self.class_names) > 5
        return f'FCNInferencer({len(self.class_names)} classes: {names}{", ..." * more})'

    @property
    def gives_scores(self) -> bool:
        """bool: Whether results can have scores: those of tiles cannot, nor those of a file
        that was exported without."""
        return self._backend.gives_scores

    # --- results ------------------------------------------------------------------

    def __call__(self, inputs: Any, batch_size: int = 1, scores: bool = False,
                 progress: bool = True) -> Result | list[Result]:
        """Segments what fits into memory.

        Args:
            inputs: An image: its path, the bytes of its file, a PIL image, or an array
                of uint8, RGB (H, W, 3) or grey (H, W) (OpenCV's are BGR: give
                ``image[..., ::-1]``). A folder or a glob of images and videos, a video's
                path, or a list of any of these. A network of other than three channels
                takes images that have as many, in an array (H, W, C) in the file's order.
                Or a batch of a table, its columns by name, as Ray Data's ``map_batches``
                calls it: images are in 'image' (arrays), 'bytes' (files) or 'path'.
            batch_size (int): How many images are run at once, where they have the same
                size behind the test pipeline. Defaults to 1.
            scores (bool): Whether results have the probabilities of all classes, 4 bytes
                a class and pixel. Defaults to False.
            progress (bool): Whether several images show a bar. Defaults to True.

        Returns:
            Result or list[Result]: One for a single image; else a list, in which a video
            has one for each frame. Of a batch of a table, the batch with the column
            'labels', 'labels_<task>' of further tasks, and 'scores' where they are asked for.

        Raises:
            ValueError: If an image cannot be read, or a video's results would take more
                than 2 GB: :meth:`stream` gives them one by one, :meth:`save` writes them.
        """
        check_batch_size(batch_size)
        if isinstance(inputs, Mapping):
            rows = [ImageInput(one, channels=self.channels) for one in images_of(inputs)]
            found = [result for _, result in self._stream(rows, batch_size, scores, False)]
            return with_results(inputs, [one.labels for one in found], [
                one.scores for one in found if one.scores is not None],
                {task: [one.tasks[task] for one in found] for task in self.tasks})
        opened, single = open_inputs(inputs, self.channels)
        self._check_memory(opened, scores)
        found = [result for _, result in self._stream(opened, batch_size, scores, progress)]
        return found[0] if single else found

    def stream(self, inputs: Any, batch_size: int = 1, scores: bool = False,
               progress: bool = True, failed: list | None = None
               ) -> Iterator[Result]:
        """Segments any number of images, one result at a time.

        Args:
            inputs, batch_size, scores, progress: As when called.
            failed (list, optional): Takes an error for each image that cannot be read, or
                that the test pipeline or the network cannot take; it is left out, and the
                others come. Defaults to None: the first such error is raised, once the
                results before it are given.

        Returns:
            Iterator[Result]: In the order of the inputs.
        """
        check_batch_size(batch_size)  # at once, not with the first result
        opened, _ = open_inputs(inputs, self.channels)
        found = self._stream(opened, batch_size, scores, progress, failed)
        return (result for _, result in found)

    def _stream(self, opened: list[Input], batch_size: int, scores: bool,
                progress: bool, failed: list | None = None
                ) -> Iterator[tuple[int, Result]]:
        """Yields each result with the place of its input in ``opened``."""
        reading: Iterable = _read(opened, failed)
        several = len(opened) != 1 or isinstance(opened[0], VideoInput)
        self._backend.show_tiles(progress and not several)
        if progress and several:
            counts = [item.count for item in opened]
            reading = track(reading, 'predicting', None if None in counts else sum(counts))
        images = iter(reading)
        while batch := list(islice(images, batch_size)):
            for (place, frame, image), found in self._run(batch, scores, opened, failed):
                image = image if self.channels == 3 else vis.as_picture(image)
                tasks = {task: each.labels for task, each in found.tasks.items()}
                yield place, Result(image, found.labels, self.class_names, self.palette,
                                    self.background, found.scores, opened[place].path,
                                    frame, tasks=tasks)

    def _run(self, batch: list, scores: bool, opened: list[Input],
             failed: list | None) -> Iterator[tuple[tuple, Prediction]]:
        """Yields what :func:`_read` gave with what is found in it, unless that fails."""
        try:
            found = self._backend([image for *_, image in batch], scores)
        except Exception as error:  # the network and its pipeline are anybody's
            if len(batch) == 1:
                (place, frame, _), = batch
                name = _name(opened[place], frame)
                if failed is not None:
                    failed.append(without_traceback(error, name))
                    return
                if isinstance(error, ValueError):
                    raise InputError(f'{name}: {error}') from error
                raise
            found = None
        if found is not None:
            yield from zip(batch, found)
            return
        # One of them is at fault, or all are too large together; the error, which would
        # keep what was computed in memory, is gone.
        for one in batch:
            yield from self._run([one], scores, opened, failed)

    def _check_memory(self, opened: list[Input], scores: bool) -> None:
        per_pixel = 4 + (4 * len(self.class_names) if scores else 0)
        need = sum((video.count or 0) * int(np.prod(video.size)) * per_pixel
                   for video in opened if isinstance(video, VideoInput))
        if need > _MOST_IN_MEMORY:
            raise InputError(
                f'the results of all frames would take {need / 2**30:.1f} GB: take them '
                'one by one from FCNInferencer.stream(), or have pictures written by '
                'FCNInferencer.save()')

    # --- files --------------------------------------------------------------------

    def save(self, inputs: Any, out_dir: PathLike, batch_size: int = 1,
             opacity: float = 0.5, heatmap: str | int | None = None,
             overwrite: bool = False, video_suffix: str = '.mp4',
             progress: bool = True, resume: bool = False,
             part: tuple[int, int] = (0, 1)) -> list[Path]:
        """Segments any number of images and videos into files.

        Of an image, those of :meth:`Result.save`; of a video, ``<name>_overlay.mp4``,
        with a legend of all classes (where they are 40 at most), and with ``heatmap``
        ``<name>_heatmap_<class>.mp4``: at its frame rate, without its sound. Of a TIFF
        too large for memory, ``<name>_labels.tif`` and a small overlay (docs/inference.md).

        Args:
            inputs, batch_size, progress: As when called; what is an output is left out.
            out_dir (str or Path): Made where it does not exist.
            opacity (float): Of the colours, 0 to 1. Defaults to 0.5.
            heatmap (str or int, optional): A class, by name (any case) or index, whose
                probability is shown in one more picture. Defaults to None.
            overwrite (bool): Whether existing files may be replaced. Without, one of
                them is an error before anything is predicted. Defaults to False.
            video_suffix (str): '.mp4', '.webm' (for browsers), '.avi', '.mkv' or '.mov'.
                Defaults to '.mp4'.
            resume (bool): Whether inputs whose files are all there are left out, as after
                a run that was killed; a file is there only when it is whole. Defaults to
                False.
            part (tuple[int, int]): Number, from 0, and count of the parts that inputs are
                dealt out to: a process's rank and their number. Defaults to (0, 1): all.

        Returns:
            list[Path]: The files written.

        Raises:
            LeftOutError: A ValueError, when all others are written, if there were images
                that cannot be read, that the test pipeline or the network cannot take, or
                whose results cannot be written under their names.
            ValueError: If these were all.
            OSError: At once, if nothing more can be written: the disk is full, say.
        """
        check_opacity(opacity)
        check_batch_size(batch_size)
        check_video_suffix(video_suffix)
        if overwrite and resume:
            raise InputError('resume leaves out what is there, and overwrite replaces it: '
                             'give one of them')
        if not 0 <= part[0] < part[1]:
            raise InputError(f'part must be a number and a count above it, but is {part}')
        if heatmap is not None and not self.gives_scores:
            raise InputError('a heat map needs scores, which neither tiles have nor a file '
                             'that was exported without --scores: leave the heat map out')
        opened = with_large(open_inputs(inputs, self.channels)[0], self._backend, heatmap)
        out_dir = output_folder(out_dir)
        stems = output_stems([item.path for item in opened])
        outputs = [
            output_files(out_dir, stem, item.path, self.class_names, heatmap,
                         video_suffix if isinstance(item, VideoInput) else None, self.tasks,
                         '.tif' if isinstance(item, LargeInput) else '.png')
            for item, stem in zip(opened, stems)]
        alone = no_outputs([item.path for item in opened],
                           [file for files in outputs for file in files.values()])
        mine = [i for i in alone[part[0]::part[1]]
                if not (resume and all(file.exists() for file in outputs[i].values()))]
        opened, stems = [opened[i] for i in mine], [stems[i] for i in mine]
        outputs = [outputs[i] for i in mine]
        check_outputs([file for files in outputs for file in files.values()],
                      overwrite or resume)
        out_dir.mkdir(parents=True, exist_ok=True)

        written: list[Path] = []
        failed: list[Exception] = []
        stills = [i for i, item in enumerate(opened) if isinstance(item, ImageInput)]
        if stills:
            for place, result in self._stream(
                    [opened[i] for i in stills], batch_size, heatmap is not None,
                    progress, failed):
                stem = stems[stills[place]]
                with noting(failed, _name(opened[stills[place]], None)):
                    written += result.save(out_dir, opacity, heatmap, True, stem)
        for item, files in zip(opened, outputs):
            with noting(failed, str(item.path)):
                if isinstance(item, LargeInput):
                    written += item.save(files, opacity, progress)
                elif isinstance(item, VideoInput):
                    written += self._save_video(item, files, batch_size, opacity, heatmap,
                                                progress)
        raise_left_out(failed, len(opened), f'Of the others {len(written)} files are '
                       f'written to {out_dir}')
        return written

    def _save_video(self, video: VideoInput, files: dict, batch_size: int,
                    opacity: float, heatmap: str | int | None,
                    progress: bool) -> list[Path]:
        with ExitStack() as stack:
            outputs = {kind: stack.enter_context(video_output(file, video.fps))
                       for kind, file in files.items()}
            for _, result in self._stream([video], batch_size, heatmap is not None, progress):
                for kind, picture in result.frame_pictures(opacity, heatmap).items():
                    outputs[kind].write(picture)
        return list(files.values())


def _read(opened: Sequence[Input], failed: list | None
          ) -> Iterator[tuple[int, int | None, np.ndarray]]:
    """Yields the place of the input, the number of the frame, and the image."""
    for place, item in enumerate(opened):
        try:
            for frame, image in item:
                yield place, frame, image
        except Exception as error:  # whatever readers raise
            if failed is None:
                raise
            failed.append(without_traceback(error))


def _name(item: Input, frame: int | None) -> str:
    """What an error calls an image."""
    name = 'an image' if item.path is None else str(item.path)
    return name if frame is None else f'{name}, frame {frame}'


def _absolute(named: Any) -> Any:
    """A file, a work dir's too, by its whole path; names, and anything else, as they are."""
    if is_weights(named) and Path(named).is_dir():
        named = weights_file(named)
    if isinstance(named, (str, os.PathLike)) and Path(named).expanduser().is_file():
        return Path(named).expanduser().absolute()
    return named


def check_opacity(opacity: float) -> None:
    """Raises ValueError unless it is a share."""
    if not 0 <= opacity <= 1:
        raise InputError(f'opacity must be between 0 and 1, but is {opacity}')


def check_batch_size(batch_size: int) -> None:
    """Raises ValueError below 1."""
    if batch_size < 1:
        raise InputError(f'batch_size must be at least 1, but is {batch_size}')
