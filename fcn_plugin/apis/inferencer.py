"""Segmentation in two lines: an inferencer, and what it is called with."""
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
from mmengine.config import Config
from rich.progress import track
from torch import nn

from .. import visualization as vis
from ..models.speed_up import speed_up
from ..utils.errors import InputError
from ..utils.files import replacing
from .backends import GraphBackend, OnnxBackend, ProgramBackend, TorchBackend
from .images import Input, VideoInput, VideoOutput, check_video_suffix, open_inputs
from .loading import PathLike, load_model
from .result import Result, check_outputs, output_files

#: Bytes that the results of a video may take when they are returned as a list.
_MOST_IN_MEMORY = 2 << 30
#: A video's legend lists all classes, so that it stands still. More would fill it.
_MOST_IN_LEGEND = 40


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
    loaded by :func:`~fcn_plugin.apis.loading.load_model`.

    Args:
        model (str, Path, Config or nn.Module, optional): A config: its file, the name of
            one of the project's, or the config itself; or a model that ``load_model``
            has returned. Defaults to None: the config kept in the checkpoint.
            A checkpoint (.pth, .pt) may be given here too, and what tools/export.py has
            written: ONNX (.onnx), run by onnxruntime, or a program (.pt2).
        weights (str or Path, optional): The checkpoint. Defaults to None: with no model
            either, the one that comes with the package, for streets.
        device (str): 'auto' (a GPU where there is one), 'cpu', 'cuda:0', ...
            Defaults to 'auto'.
        backbone (str, optional): 'vgg16', 'vgg19', 'resnet50' or 'resnet101': the
            project's FCN-8s on it, for a checkpoint that keeps no config.
        cfg_options (dict, optional): Overrides of the config.
        fast (bool): Whether the model is prepared by
            :func:`~fcn_plugin.models.speed_up.speed_up`: folded batch norms and 16 bits
            where the machine has them, which changes scores a little. Defaults to False.
        tile (int, optional): Labels images in tiles of that side, in pixels, so that
            memory does not grow with the image; see
            :class:`~fcn_plugin.models.FCNSegmentor`. There are no scores then. Defaults
            to None: whole.
        overlap (int): Pixels that a tile sees beyond what it labels. Defaults to 128.
        crf (bool): Whether a dense CRF refines the labels; see
            :func:`~fcn_plugin.apis.config.use_crf`. Defaults to False.

    Raises:
        FileNotFoundError: If there is no such file or config.
        ValueError: If config and weights do not fit one another, or a config has none.
    """

    def __init__(self, model: Union[PathLike, Config, nn.Module, None] = None,
                 weights: Optional[PathLike] = None, device: str = 'auto',
                 backbone: Optional[str] = None,
                 cfg_options: Optional[dict] = None, fast: bool = False,
                 tile: Optional[int] = None, overlap: int = 128,
                 crf: bool = False) -> None:
        if tile is not None:
            tiles = dict(mode='tile', tile=tile, overlap=overlap)
            cfg_options = {**(cfg_options or {}), 'model.test_cfg': tiles}
        self._backend = _open_backend(model, weights, device, backbone, cfg_options, fast,
                                      crf)
        meta = self._backend.meta
        self.class_names = tuple(meta['classes'])
        self.palette = meta['palette']
        self.background = meta['background']

    def __repr__(self) -> str:
        names, more = ', '.join(self.class_names[:5]), len(self.class_names) > 5
        return f'FCNInferencer({len(self.class_names)} classes: {names}{", ..." * more})'

    # --- results ------------------------------------------------------------------

    def __call__(self, inputs: Any, batch_size: int = 1, scores: bool = False,
                 progress: bool = True) -> Union[Result, List[Result]]:
        """Segments what fits into memory.

        Args:
            inputs: An image: its path, the bytes of its file, a PIL image, or an array
                of uint8, RGB (H, W, 3) or grey (H, W) (OpenCV's are BGR: give
                ``image[..., ::-1]``). A folder or a glob of images and videos, a video's
                path, or a list of any of these.
            batch_size (int): How many images are run at once, where they have the same
                size behind the test pipeline. Defaults to 1.
            scores (bool): Whether results have the probabilities of all classes, 4 bytes
                a class and pixel. Defaults to False.
            progress (bool): Whether several images show a bar. Defaults to True.

        Returns:
            Result or list[Result]: One for a single image; else a list, in which a video
            has one for each frame.

        Raises:
            ValueError: If an image cannot be read, or a video's results would take more
                than 2 GB: :meth:`stream` gives them one by one, :meth:`save` writes them.
        """
        check_batch_size(batch_size)
        opened, single = open_inputs(inputs)
        self._check_memory(opened, scores)
        found = [result for _, result in self._stream(opened, batch_size, scores,
                                                      progress)]
        return found[0] if single else found

    def stream(self, inputs: Any, batch_size: int = 1, scores: bool = False,
               progress: bool = True, unreadable: Optional[list] = None
               ) -> Iterator[Result]:
        """Segments any number of images, one result at a time.

        Args:
            inputs, batch_size, scores, progress: As when called.
            unreadable (list, optional): Takes the error of each image that cannot be
                read, which is then left out. Without it the first such error is raised.

        Returns:
            Iterator[Result]: In the order of the inputs.
        """
        check_batch_size(batch_size)  # at once, not with the first result
        found = self._stream(open_inputs(inputs)[0], batch_size, scores, progress,
                             unreadable)
        return (result for _, result in found)

    def _stream(self, opened: List[Input], batch_size: int, scores: bool,
                progress: bool, unreadable: Optional[list] = None
                ) -> Iterator[Tuple[int, Result]]:
        """Yields each result with the place of its input in ``opened``."""
        reading: Iterable = _read(opened, unreadable)
        several = len(opened) > 1 or isinstance(opened[0], VideoInput)
        self._backend.show_tiles(progress and not several)
        if progress and several:
            counts = [item.count for item in opened]
            reading = track(reading, 'predicting',
                            None if None in counts else sum(counts))
        images = iter(reading)
        while batch := list(islice(images, batch_size)):
            try:
                found = self._backend([image for _, _, image in batch], scores)
            except ValueError as error:
                names = ', '.join(str(opened[place].path or 'an image')
                                  for place, _, _ in batch)
                raise InputError(f'{names}: {error}') from error
            for (place, frame, image), (labels, probabilities) in zip(batch, found):
                yield place, Result(image, labels, self.class_names, self.palette,
                                    self.background, probabilities, opened[place].path,
                                    frame)

    def _check_memory(self, opened: List[Input], scores: bool) -> None:
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
             opacity: float = 0.5, heatmap: Union[str, int, None] = None,
             overwrite: bool = False, video_suffix: str = '.mp4',
             progress: bool = True) -> List[Path]:
        """Segments any number of images and videos into files.

        Of an image, those of :meth:`Result.save`; of a video, ``<name>_overlay.mp4``,
        with a legend of all classes (where they are 40 at most), and with ``heatmap``
        ``<name>_heatmap_<class>.mp4``: at its frame rate, without its sound.

        Args:
            inputs, batch_size, progress: As when called.
            out_dir (str or Path): Made where it does not exist.
            opacity (float): Of the colours, 0 to 1. Defaults to 0.5.
            heatmap (str or int, optional): A class, by name (any case) or index, whose
                probability is shown in one more picture. Defaults to None.
            overwrite (bool): Whether existing files may be replaced. Without, one of
                them is an error before anything is predicted. Defaults to False.
            video_suffix (str): '.mp4', '.webm' (for browsers), '.avi', '.mkv' or '.mov'.
                Defaults to '.mp4'.

        Returns:
            list[Path]: The files written.

        Raises:
            ValueError: After all others have been predicted, if images could not be read.
        """
        check_opacity(opacity)
        check_batch_size(batch_size)
        check_video_suffix(video_suffix)
        opened, out_dir = open_inputs(inputs)[0], Path(out_dir).expanduser()
        stems = output_stems([item.path for item in opened])
        outputs = [
            output_files(out_dir, stem, item.path, self.class_names, heatmap,
                         video_suffix if isinstance(item, VideoInput) else None)
            for item, stem in zip(opened, stems)]
        check_outputs([file for files in outputs for file in files.values()], overwrite)
        out_dir.mkdir(parents=True, exist_ok=True)

        written: List[Path] = []
        unreadable: List[ValueError] = []
        stills = [i for i, item in enumerate(opened) if not isinstance(item, VideoInput)]
        if stills:
            for place, result in self._stream(
                    [opened[i] for i in stills], batch_size, heatmap is not None,
                    progress, unreadable):
                written += result.save(out_dir, opacity, heatmap, True,
                                       stems[stills[place]])
        for item, files in zip(opened, outputs):
            if isinstance(item, VideoInput):
                try:
                    written += self._save_video(item, files, batch_size, opacity, heatmap,
                                                progress)
                except ValueError as error:
                    unreadable.append(error)
        raise_unreadable(unreadable, len(opened), f'Of the others {len(written)} files '
                         f'are written to {out_dir}')
        return written

    def _save_video(self, video: VideoInput, files: dict, batch_size: int,
                    opacity: float, heatmap: Union[str, int, None],
                    progress: bool) -> List[Path]:
        with ExitStack() as stack:
            outputs = {}
            for kind, file in files.items():
                beside = stack.enter_context(replacing(file))
                outputs[kind] = VideoOutput(beside, video.fps)
                stack.callback(outputs[kind].close)
            for _, result in self._stream([video], batch_size, heatmap is not None,
                                          progress):
                picture = result.overlay(opacity, legend=False)
                if len(self.class_names) <= _MOST_IN_LEGEND:
                    picture = vis.add_legend(picture, self.class_names, self.palette,
                                             range(len(self.class_names)),
                                             background=self.background)
                outputs['overlay'].write(picture)
                if heatmap is not None:
                    outputs['heatmap'].write(result.heatmap(heatmap))
        return list(files.values())


def _open_backend(model, weights, device, backbone, cfg_options, fast, crf
                  ) -> Union[TorchBackend, GraphBackend]:
    """See :class:`FCNInferencer`."""
    if isinstance(model, nn.Module):
        return TorchBackend(model)
    graph = _path_of(('.onnx', '.pt2'), model, weights)
    if graph is not None:
        if None not in (model, weights) or (
                backbone or cfg_options or fast or crf):
            raise InputError(f"'{graph}' holds weights and settings already: give "
                             'nothing but the device beside it')
        if not graph.is_file():
            raise FileNotFoundError(f"there is no file '{graph}'")
        return OnnxBackend(graph, device) if graph.suffix == '.onnx' else (
            ProgramBackend(graph))
    if weights is None and _path_of(('.pth', '.pt'), model):
        model, weights = None, model
    if weights is None and model is not None:
        raise InputError('no weights: name a checkpoint, as in '
                         f"FCNInferencer({model!r}, weights='best.pth')")
    loaded = load_model(model, weights, device, backbone, cfg_options, crf=crf)
    return TorchBackend(speed_up(loaded) if fast else loaded)


def _path_of(suffixes: Sequence[str], *arguments) -> Optional[Path]:
    """The first argument that is a path with one of the suffixes."""
    paths = [Path(one) for one in arguments if isinstance(one, (str, Path))]
    return next((path for path in paths if path.suffix in suffixes), None)


def _read(opened: Sequence[Input], unreadable: Optional[list]
          ) -> Iterator[Tuple[int, Optional[int], np.ndarray]]:
    """Yields the place of the input, the number of the frame, and the image."""
    for place, item in enumerate(opened):
        try:
            for frame, image in item:
                yield place, frame, image
        except ValueError as error:
            if unreadable is None:
                raise
            unreadable.append(error)


def output_stems(paths: Sequence[Optional[Path]]) -> List[str]:
    """A name without suffix for the outputs of each input, no two the same.

    ``a.jpg`` and ``a.png`` become ``a_jpg`` and ``a_png``; what is no file becomes
    ``image``, or ``image_0000`` and so on by its place where there are several.

    Raises:
        ValueError: If two files have the same name in different folders.
    """
    several = sum(path is None for path in paths) > 1
    plain = [path.stem if path else f'image_{i:04d}' if several else 'image'
             for i, path in enumerate(paths)]
    stems = [stem if plain.count(stem) == 1 or path is None
             else f'{stem}_{path.suffix[1:]}'
             for stem, path in zip(plain, paths)] if len(set(plain)) < len(plain) else (
                 plain)
    seen: Dict[str, Optional[Path]] = {}
    for stem, path in zip(stems, paths):
        if stem in seen:
            raise InputError(f"'{seen[stem]}' and '{path}' would have outputs of the "
                             'same name: predict them into two folders')
        seen[stem] = path
    return stems


def check_opacity(opacity: float) -> None:
    """Raises ValueError unless it is a share."""
    if not 0 <= opacity <= 1:
        raise InputError(f'opacity must be between 0 and 1, but is {opacity}')


def check_batch_size(batch_size: int) -> None:
    """Raises ValueError below 1."""
    if batch_size < 1:
        raise InputError(f'batch_size must be at least 1, but is {batch_size}')


def raise_unreadable(errors: Sequence[Exception], total: int, written: str) -> None:
    """Raises one ValueError for all images that could not be read, if any.

    Args:
        errors (Sequence[Exception]): Of the images that could not be read.
        total (int): How many images there were.
        written (str): In words, what came of the others.
    """
    if errors:
        raise InputError(f'{len(errors)} of {total} images could not be read: '
                         + '; '.join(map(str, errors[:3]))
                         + ('; ...' if len(errors) > 3 else '') + f'. {written}')
