"""Which images to label next: those that a network is unsure of, spread over a folder."""
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from rich.progress import track

from ..annotations.matching import match
from ..checkpoints.loading import load_model
from ..inference.images import to_channels
from ..own_data.annotated import read_annotations
from ..own_data.find_pairs import find_pairs, sort_out
from ..runtimes.torch_backend import TorchBackend, prediction_of, run_pipeline, step_options
from ..utils.errors import InputError
from ..utils.files import check_outputs, output_folder, replacing, write_text
from ..utils.left_out import noting, raise_left_out
from ..utils.paths import PathLike
from ..visualization import as_picture, save_picture
from ..visualization.text import Canvas, line_height, shorten

_COLUMNS, _SIDE, _GAP, _TEXT = 5, 240, 10, 14
#: Probabilities whose entropy is computed at once.
_BAND = 1 << 20


class Suggestion(NamedTuple):
    """An image to be labelled.

    Attributes:
        path (Path): Its file.
        uncertainty (float): Mean entropy of the probabilities of its pixels, at the size
            that the network sees, as a share of the most that there can be, 0 to 1.
    """
    path: Path
    uncertainty: float


def suggest(checkpoint: PathLike, folder: PathLike, number: int = 50,
            out_dir: PathLike = 'work_dirs/suggest', config: PathLike | None = None,
            device: str = 'auto', overwrite: bool = False, cfg_options: dict | None = None,
            allow_imports: Sequence[str] = ()) -> list[Suggestion]:
    """Chooses images and writes ``suggested.txt``, a path a line, and a contact sheet.

    Args:
        checkpoint (str or Path): The network's.
        folder (str or Path): Images, in folders of it too. Those that a labelling tool's
            files in it say are labelled are left out, and those with a mask.
        number (int): How many. Defaults to 50.
        out_dir (str or Path): Made where it does not exist. Defaults to
            'work_dirs/suggest'.
        config, device, cfg_options, allow_imports: See ``FCNInferencer``.
        overwrite (bool): Whether existing files may be replaced. Defaults to False.

    Returns:
        list[Suggestion]: The most useful first.

    Raises:
        NotADirectoryError: If there is no such folder.
        LeftOutError: A ValueError, when all else is done, if there were images that cannot
            be read or segmented.
        ValueError: If all are labelled, or ``number`` is less than 1.
    """
    folder, out_dir = Path(folder), output_folder(out_dir)
    if number < 1:
        raise InputError(f'-n must be at least 1, but is {number}')
    if not folder.is_dir():
        raise NotADirectoryError(f'{folder}: no such folder')
    if Path(checkpoint).suffix.lower() == '.onnx':
        raise InputError(f"'{checkpoint}' is an exported file, whose features cannot be seen: "
                         'give the checkpoint that it was made of')
    files = out_dir / 'suggested.txt', out_dir / 'suggested.png'
    check_outputs(files, overwrite)
    images = unlabelled_images(folder)
    backend = TorchBackend(load_model(config, checkpoint, device, cfg_options=cfg_options,
                                      allow_imports=allow_imports))
    failed: list[Exception] = []
    seen, unsure, features = [], [], []
    for path in track(images, 'looking at images'):
        with noting(failed, str(path)):
            uncertainty, feature = look_at(backend, to_channels(path, backend.channels))
            seen.append(path)
            unsure.append(uncertainty)
            features.append(feature)
    chosen: list[Suggestion] = []
    if seen:
        chosen = [Suggestion(seen[i], unsure[i]) for i in choose(
            np.array(unsure), np.stack(features), number)]
        write_text(files[0], ''.join(f'{one.path}\n' for one in chosen))
        with replacing(files[1]) as beside:
            save_picture(beside, contact_sheet(chosen, folder, backend.channels))
        print(f'{len(chosen)} of {len(images)} images without labels: {files[0]} and '
              f'{files[1].name} in {out_dir}{os.sep}')
    raise_left_out(failed, len(images), f'The others are in {files[0]}')
    return chosen


def unlabelled_images(folder: Path) -> list[Path]:
    """The images in a folder that have neither labels in a labelling tool's files nor a mask.

    Raises:
        ValueError: If there are none.
    """
    roles = sort_out(folder, None, None, [])
    found, broken = read_annotations(folder)
    _, images = match(folder, roles['image'] + roles['mask'], roles['image'], [
        one for _, export in found for one in export.images], [], [])
    masked = {pair.image for pair in find_pairs(folder).pairs} if (
        roles['image'] and roles['mask']) else set()
    images = [path for path in images if path not in masked]
    if not images:
        why = [*broken[:1], *([f'{len(masked)} have masks'] if masked else [])]
        raise InputError(f'{folder}: there are no images without labels'
                         + (f' ({"; ".join(why)})' if why else ''))
    return images


@torch.no_grad()
def look_at(backend: TorchBackend, image: np.ndarray) -> tuple[float, np.ndarray]:
    """How unsure a network is of an image, and what it sees there.

    Args:
        backend (TorchBackend): The network.
        image (np.ndarray): (H, W, C), as :func:`to_channels` gives it.

    Returns:
        tuple: See :class:`Suggestion`; and the mean of the deepest map of the backbone,
        (C, ), of length 1.
    """
    item = run_pipeline(backend.pipeline, image)
    size = tuple(item['inputs'].shape[-2:])
    # Scores of all classes at the size of a photograph would take a GB.
    item['data_samples'].set_metainfo(dict(ori_shape=size))
    maps: list[torch.Tensor] = []
    with ExitStack() as stack:
        handle = backend.model.backbone.register_forward_hook(
            lambda module, inputs, outputs: maps.append(
                outputs[-1] if isinstance(outputs, (tuple, list)) else outputs))
        stack.callback(handle.remove)
        found, = backend.model.test_step(
            dict(inputs=[item['inputs']], data_samples=[item['data_samples']]),
            **step_options(backend.model, size, True))
    scores = prediction_of(found, size, True, backend.meta).scores
    bands = np.array_split(scores, -(-scores.size // _BAND), axis=1)
    entropy = -sum(float((band * np.log(np.maximum(band, 1e-12))).sum(dtype=np.float64))
                   for band in bands) / np.prod(size)
    feature = maps[-1].float().mean((0, 2, 3)).cpu().numpy()
    return float(entropy / np.log(len(scores))), feature / max(np.linalg.norm(feature), 1e-12)


def choose(unsure: np.ndarray, features: np.ndarray, number: int) -> list[int]:
    """Images of which a network is unsure, unlike one another.

    The first is the one it is least sure of. Each further one has the largest product of
    uncertainty and distance to the nearest of those chosen: the greedy choice of k centres
    (Sener and Savarese, ICLR 2018), weighed.

    Args:
        unsure (np.ndarray): (N, ) of each image.
        features (np.ndarray): (N, C).
        number (int): How many; all, if there are fewer.

    Returns:
        list[int]: Places in the order of choice.
    """
    far = np.ones(len(unsure))
    chosen: list[int] = []
    while len(chosen) < min(number, len(unsure)):
        # Doubles of what is chosen are as good as one another: then the least sure.
        order = np.lexsort((unsure, unsure * far))
        best = next(int(i) for i in order[::-1] if i not in chosen)
        chosen.append(best)
        distance = np.linalg.norm(features - features[best], axis=1)
        far = distance if len(chosen) == 1 else np.minimum(far, distance)
    return chosen


def contact_sheet(chosen: Sequence[Suggestion], folder: Path, channels: int = 3
                  ) -> np.ndarray:
    """Small pictures with their place, name and uncertainty, in rows of five.

    Returns:
        np.ndarray: RGB uint8.
    """
    cell = _SIDE + line_height(_TEXT) + _GAP
    columns, rows = min(_COLUMNS, len(chosen)), -(-len(chosen) // _COLUMNS)
    sheet = Canvas(rows * cell + _GAP, columns * (_SIDE + _GAP) + _GAP)
    for place, one in enumerate(chosen):
        top = _GAP + place // _COLUMNS * cell
        left = _GAP + place % _COLUMNS * (_SIDE + _GAP)
        image = as_picture(to_channels(one.path, channels))
        picture = ImageOps.contain(Image.fromarray(image), (_SIDE, _SIDE))
        sheet.picture(np.asarray(picture), top, left)
        name = f'{place + 1}  {one.uncertainty:.2f}  {one.path.relative_to(folder)}'
        sheet.text(shorten(name, _TEXT, _SIDE), top + picture.height, left, _TEXT)
    return sheet.array()
