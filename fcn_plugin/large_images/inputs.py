"""Which images an inferencer labels window by window; imports no torch."""
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..images.inputs import ImageInput, Input
from ..images.multichannel import tiff_size
from ..images.reading import MOST_WHOLE
from ..utils.errors import InputError, UserError
from .tiff_windows import open_windows

if TYPE_CHECKING:
    from ..runtimes.graph_backend import GraphBackend
    from ..runtimes.torch_backend import TorchBackend


class LargeInput:
    """A TIFF that is labelled window by window, into a file.

    Args:
        path (Path): The file.
        backend: What runs the network.
        refused (str): Why that cannot label windows. Defaults to '': it can.
    """
    count = 1

    def __init__(self, path: Path, backend: 'TorchBackend', refused: str = '') -> None:
        self.path, self._backend, self._refused = path, backend, refused

    def save(self, files: dict[str, Path], opacity: float, progress: bool) -> list[Path]:
        """See :func:`~fcn_plugin.large_images.labelling.label_file`.

        Raises:
            ValueError: If the network cannot label windows, or the file cannot be read.
        """
        if self._refused:
            raise InputError(f"'{self.path}' is too large to be read as a whole (more than "
                             f'{MOST_WHOLE / 1e6:.0f} megapixels), and {self._refused}')
        from .labelling import label_file
        return label_file(self.path, self._backend, files, opacity, progress)


def with_large(inputs: Sequence[Input], backend: 'TorchBackend | GraphBackend',
               heatmap: str | int | None = None) -> list:
    """Puts a :class:`LargeInput` in the place of each TIFF that does not fit into memory.

    Those are all with more pixels than are read as a whole; and those with more than are
    labelled as a whole, where network and file allow windows.

    Args:
        inputs (Sequence): From :func:`~fcn_plugin.images.inputs.open_inputs`.
        backend: What runs the network.
        heatmap (str or int, optional): A class that is to be shown. Defaults to None.

    Returns:
        list[ImageInput, VideoInput or LargeInput]: In the same order.
    """
    refused = None
    found: list[Input | LargeInput] = []
    for one in inputs:
        found.append(one)
        if not (isinstance(one, ImageInput) and one.is_file
                and one.path.suffix.lower() in ('.tif', '.tiff')):
            continue
        if refused is None:
            refused, most = _limits(backend, heatmap)
        width, height = tiff_size(str(one.path)) or (0, 0)
        if width * height > MOST_WHOLE or (
                width * height > most and _is_readable(one.path, backend.channels)):
            found[-1] = LargeInput(one.path, backend, refused)
    return found


def _is_readable(path: Path, channels: int) -> bool:
    try:
        with open_windows(path, channels):
            return True
    except UserError:
        return False


def _limits(backend: 'TorchBackend | GraphBackend', heatmap: str | int | None
            ) -> tuple[str, int]:
    """Why a network cannot label windows, if so, and the most pixels of other images."""
    if heatmap is not None:
        return 'a heat map needs it whole: leave the heat map out', MOST_WHOLE
    if not hasattr(backend, 'model'):
        return ('an exported file labels an image as a whole: give the checkpoint that it was '
                'made of'), MOST_WHOLE
    from ..runtimes import torch_backend
    from .labelling import tiling_of
    try:
        tiling_of(backend)
    except ValueError as error:
        return str(error), MOST_WHOLE
    return '', torch_backend.MOST_PIXELS
