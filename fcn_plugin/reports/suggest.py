"""Which images to label next: those that stand for most that no labelled one stands for."""
import heapq
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from rich.progress import track

from ..checkpoints.loading import load_model
from ..drawn_masks.annotated import read_annotations
from ..images.reading import to_channels
from ..layouts.find_pairs import find_pairs, sort_out
from ..layouts.matching import match
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
    images, labelled = by_labels(folder)
    backend = TorchBackend(load_model(config, checkpoint, device, cfg_options=cfg_options,
                                      allow_imports=allow_imports))
    failed: list[Exception] = []
    seen: dict[Path, tuple[float, np.ndarray]] = {}
    for path in track([*images, *labelled], 'looking at images'):
        with noting(failed, str(path)):
            seen[path] = look_at(backend, to_channels(path, backend.channels))
    new = [path for path in images if path in seen]
    chosen: list[Suggestion] = []
    if new:
        unsure, features = (np.array(each) for each in zip(*(seen[path] for path in new)))
        known = np.array([seen[path][1] for path in labelled if path in seen])
        chosen = [Suggestion(new[i], unsure[i])
                  for i in choose(features, known.reshape(-1, features.shape[1]), unsure,
                                  number)]
        write_text(files[0], ''.join(f'{one.path}\n' for one in chosen))
        with replacing(files[1]) as beside:
            save_picture(beside, contact_sheet(chosen, folder, backend.channels))
        print(f'{len(chosen)} of {len(images)} images without labels: {files[0]} and '
              f'{files[1].name} in {out_dir}{os.sep}')
    raise_left_out(failed, len(images) + len(labelled), f'The others are in {files[0]}')
    return chosen


def by_labels(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images in a folder without labels, and those with a mask or, in a labelling tool's
    files, with regions.

    Raises:
        ValueError: If there are none without.
    """
    roles = sort_out(folder, None, None, [])
    found, broken = read_annotations(folder)
    drawn, images = match(folder, roles['image'] + roles['mask'], roles['image'], [
        one for _, export in found for one in export.images], [], [])
    masked = {pair.image for pair in find_pairs(folder).pairs} if (
        roles['image'] and roles['mask']) else set()
    images = [path for path in images if path not in masked]
    if not images:
        why = [*broken[:1], *([f'{len(masked)} have masks'] if masked else [])]
        raise InputError(f'{folder}: there are no images without labels'
                         + (f' ({"; ".join(why)})' if why else ''))
    return images, sorted(masked | set(drawn))


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
            lambda module, inputs, outputs: maps.extend(
                # pooling switches, which follow the maps, are places and no features
                each for each in (outputs if isinstance(outputs, (tuple, list)) else [outputs])
                if each.is_floating_point()))
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


def choose(features: np.ndarray, labelled: np.ndarray, unsure: np.ndarray, number: int
           ) -> list[int]:
    """Images that stand for as many of the others as can be.

    An image stands for another as far as the cosine of their features says. Each one that is
    chosen adds most to the sum, over all images, of what the best of the chosen and the
    labelled stands for each: facility location, chosen greedily (Wei, Iyer and Bilmes, ICML
    2015). Of doubles that of which the network is less sure comes first.

    Args:
        features (np.ndarray): (N, C), of length 1, of images without labels.
        labelled (np.ndarray): (M, C), of images with labels; M may be 0.
        unsure (np.ndarray): (N, ).
        number (int): How many; all, if there are fewer.

    Returns:
        list[int]: Places in the order of choice.
    """
    covered = np.full(len(features), -1.)
    for other in labelled:
        np.maximum(covered, features @ other, out=covered)

    def entry(i: int) -> tuple[float, float, int, int]:
        gain = np.maximum(features @ features[i] - covered, 0).sum()
        return -round(float(gain), 6), -float(unsure[i]), i, len(chosen)
    chosen: list[int] = []
    queue = [entry(i) for i in range(len(features))]
    heapq.heapify(queue)
    while queue and len(chosen) < number:
        *_, best, known = queue[0]
        # What an image adds falls with each choice: an old figure is at most too large.
        if known < len(chosen):
            heapq.heapreplace(queue, entry(best))
        else:
            heapq.heappop(queue)
            chosen.append(best)
            np.maximum(covered, features @ features[best], out=covered)
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
