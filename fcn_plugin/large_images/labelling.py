"""A network's labels of an image, window by window."""
import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import torch
from mmengine.logging import print_log
from rich.progress import track

from .. import visualization as vis
from ..inference.result import Result
from ..models.geometry import windows_of
from ..models.segmentors import FCNSegmentor
from ..runtimes.torch_backend import TorchBackend, run_pipeline
from ..utils.errors import InputError
from ..utils.files import replacing
from .label_tiff import LabelledWindow, write_label_tiff
from .overview import Overview
from .tiff_windows import TiffWindows, open_windows

#: A quarter of the memory of what images in memory are cut into; a third more pixels are seen.
_TILE, _OVERLAP = 1024, 128


def tiling_of(backend: TorchBackend) -> tuple[int, int]:
    """How a network labels an image in windows: their core and their overlap, in pixels.

    Raises:
        ValueError: If it does not see windows as it sees whole images.
    """
    model = backend.model
    if not isinstance(model, FCNSegmentor) or model.test_cfg.mode == 'slide':
        raise InputError("the network is no FCNSegmentor of mode 'whole' or 'tile': make the "
                         'image smaller')
    steps = [type(step).__name__ for step in backend.pipeline.transforms[1:]]
    others = [name for name in steps if name != 'PackSegInputs']
    if others:
        raise InputError(
            f"the network's test pipeline has {', '.join(others)}, which would see windows in "
            'place of the image: make the image smaller, or take a network that sees images '
            'at their own size')
    try:
        return model.tiling or model.tiling_of(_TILE, _OVERLAP)
    except ValueError as error:
        raise InputError("tiles give labels of one task, with alignment='same' and without "
                         'a CRF: make the image smaller') from error


@torch.no_grad()
def label_windows(backend: TorchBackend, image: TiffWindows, tiling: tuple[int, int],
                  tracked: Callable[[list], Iterable] = iter) -> Iterator[LabelledWindow]:
    """Labels as :class:`FCNSegmentor` gives them in tiles, of an image that is not in memory.

    Args:
        backend (TorchBackend): The network.
        image (TiffWindows): The image.
        tiling (tuple[int, int]): From :func:`tiling_of`.
        tracked (Callable): As ``track`` of ``FCNSegmentor.test_step``. Defaults to none.

    Yields:
        LabelledWindow: Row by row.
    """
    model = backend.model
    windows = list(itertools.product(*(windows_of(length, *tiling) for length in image.size)))
    for window in tracked(windows):
        pixels = image.read(*(slice(each.start, each.stop) for each in window))
        inputs = run_pipeline(backend.pipeline, pixels)['inputs']
        (rows, columns), _, labels = model.label_window(inputs, window, image.size)
        inner = tuple(slice(each.core_start - each.start, each.core_stop - each.start)
                      for each in window)
        yield LabelledWindow(rows, columns, pixels[inner], labels.cpu().numpy())


def label_file(path: Path, backend: TorchBackend, files: dict[str, Path], opacity: float,
               progress: bool) -> list[Path]:
    """Labels a TIFF of any size into files.

    Args:
        path (Path): The image.
        backend (TorchBackend): The network.
        files (dict[str, Path]): 'labels', see :func:`write_label_tiff`, and 'overlay', a
            picture of 1,600 pixels at most.
        opacity (float): Of the colours in it.
        progress (bool): Whether a bar shows the windows.

    Returns:
        list[Path]: The files.
    """
    tiling, meta = tiling_of(backend), backend.meta
    shown = partial(track, description=f'tiles of {path.name}') if progress else iter
    with open_windows(path, backend.channels) as image, replacing(files['labels']) as beside:
        print_log(f'{path}, {image.size[1]}x{image.size[0]} pixels: read and labelled in '
                  f'tiles of {tiling[0] + 2 * tiling[1]}', 'current')
        overview = Overview(image.size)
        windows = overview.watch(label_windows(backend, image, tiling, shown))
        write_label_tiff(beside, image.size, windows, meta['palette'], image.georeference)
    result = Result(vis.as_picture(overview.image), overview.labels, tuple(meta['classes']),
                    meta['palette'], meta['background'], path=path)
    with replacing(files['overlay']) as beside:
        vis.save_picture(beside, result.overlay(opacity))
    return list(files.values())
