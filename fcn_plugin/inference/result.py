"""What is found in one image: labels, and what can be made of them."""
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .. import visualization as vis
from ..masks.reading import LOSSY
from ..utils.errors import InputError
from ..utils.files import check_outputs, replacing
from ..utils.names import plain
from ..utils.paths import IMAGE_SUFFIXES, PathLike

#: A video's legend lists all classes, so that it stands still. More would fill it.
_MOST_IN_LEGEND = 40


@dataclass(eq=False)
class Result:
    """What a segmentor finds in one image.

    Attributes:
        image (np.ndarray): RGB, (H, W, 3) uint8.
        labels (np.ndarray): Class indices, (H, W) of uint8 (int16 above 255 classes).
        class_names (tuple[str]): Of all classes that the model knows.
        palette (list): RGB of all classes, 0 to 255.
        background (int, optional): The class that pictures leave uncoloured.
        scores (np.ndarray, optional): The probability of each class, (C, H, W) float32,
            where they were asked for.
        path (Path, optional): Where the image came from, if it was a file. A data set
            that draws its images in memory has only names there.
        frame (int, optional): Number of the frame, from 0, in the video at ``path``.
        truth (np.ndarray, optional): True class indices, (H, W), from a data set.
        ignore_index (int): Label in ``truth`` that is not judged. Defaults to 255.
        tasks (dict[str, np.ndarray]): As ``labels``, of the network's further tasks.
    """
    image: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    palette: Sequence[Sequence[int]]
    background: int | None = None
    scores: np.ndarray | None = None
    path: Path | None = None
    frame: int | None = None
    truth: np.ndarray | None = None
    ignore_index: int = 255
    tasks: dict[str, np.ndarray] = field(default_factory=dict)

    def __repr__(self) -> str:
        height, width = self.labels.shape
        found = ', '.join(f'{name} {100 * share:.1f} %'
                          for name, share in list(self.shares.items())[:5])
        more = ', ...' if len(self.shares) > 5 else ''
        return f'Result({self.name}, {width}x{height}: {found}{more})'

    @property
    def name(self) -> str:
        """str: The file's name without suffix, with the frame's number in a video;
        'image' for one that was no file."""
        stem = 'image' if self.path is None else self.path.stem
        return stem if self.frame is None else f'{stem}_{self.frame:06d}'

    @property
    def shares(self) -> dict[str, float]:
        """dict[str, float]: The classes found, each with its share of the pixels,
        0 to 1, the largest first."""
        shares = vis.class_shares(self.labels, len(self.class_names))
        return {self.class_names[index]: share for index, share in shares.items()}

    def mask(self, name: str | int) -> np.ndarray:
        """The pixels of one class, (H, W) bool.

        Args:
            name (str or int): The class, by name (any case) or index.
        """
        return self.labels == find_class(name, self.class_names)

    def overlay(self, opacity: float = 0.5, legend: bool = True,
                outlines: bool = True) -> np.ndarray:
        """The classes in colour over the image.

        Args:
            opacity (float): Of the colours, 0 to 1. Defaults to 0.5.
            legend (bool): Whether to add one of the classes found, which makes the
                picture larger than the image; a tiny image is enlarged by a whole
                factor. Without, the picture has the image's size. Defaults to True.
            outlines (bool): Whether regions are outlined. Defaults to True.

        Returns:
            np.ndarray: RGB uint8.
        """
        paint = dict(palette=self.palette, alpha=opacity, outlines=outlines,
                     background=self.background,
                     ignore_index=-1)  # what is predicted is always a class
        if not legend:
            return vis.overlay(self.image, self.labels, **paint)
        image, labels = vis.enlarge(self.image, self.labels)
        return vis.add_legend(
            vis.overlay(image, labels, **paint), self.class_names, self.palette,
            vis.class_shares(labels, len(self.class_names)), background=self.background)

    def heatmap(self, name: str | int) -> np.ndarray:
        """The probability of one class over the image in grey, with a colour bar.

        Args:
            name (str or int): The class, by name (any case) or index.

        Returns:
            np.ndarray: RGB uint8.

        Raises:
            ValueError: If the result has no scores.
        """
        index = find_class(name, self.class_names)
        if self.scores is None:
            raise InputError('a heat map needs scores, which were not asked for: call '
                             'the inferencer with scores=True')
        return vis.heatmap(self.scores[index], self.image,
                           title=f'probability of {self.class_names[index]}')

    def frame_pictures(self, opacity: float = 0.5, heatmap: str | int | None = None
                       ) -> dict[str, np.ndarray]:
        """What a video shows: 'overlay', its legend the same in each frame, and 'heatmap',
        where a class is named for one."""
        overlay = self.overlay(opacity, legend=False)
        if len(self.class_names) <= _MOST_IN_LEGEND:
            overlay = vis.add_legend(overlay, self.class_names, self.palette,
                                     range(len(self.class_names)), background=self.background)
        return dict(overlay=overlay) | (
            {} if heatmap is None else dict(heatmap=self.heatmap(heatmap)))

    def save(self, path: PathLike, opacity: float = 0.5,
             heatmap: str | int | None = None, overwrite: bool = False,
             stem: str | None = None) -> list[Path]:
        """Writes pictures and labels into a folder, or the overlay alone into a file.

        In a folder: ``<name>_overlay.jpg`` (or .png, for images without loss);
        ``<name>_labels.png``, the class indices at the image's size, and those of further
        tasks, ``<name>_labels_<task>.png``; with ``heatmap`` ``<name>_heatmap_<class>.png``.

        Args:
            path (str or Path): A folder, made where it does not exist; or the overlay's
                file, if it ends as images do.
            opacity (float): See :meth:`overlay`. Defaults to 0.5.
            heatmap (str or int, optional): See :meth:`heatmap`. Defaults to None.
            overwrite (bool): Whether files that exist may be replaced. Defaults to
                False.
            stem (str, optional): What the files are called. Defaults to None:
                :attr:`name`.

        Returns:
            list[Path]: The files written.

        Raises:
            FileExistsError: If there is such a file already.
        """
        path = Path(path).expanduser()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir():
            files = dict(overlay=path)
        else:
            files = output_files(path, stem or self.name, self.path, self.class_names,
                                 heatmap, tasks=self.tasks)
        check_outputs(files.values(), overwrite)
        pictures = dict(overlay=self.overlay(opacity))
        if 'heatmap' in files:
            pictures['heatmap'] = self.heatmap(heatmap)
        files['overlay'].parent.mkdir(parents=True, exist_ok=True)
        for kind, file in files.items():
            with replacing(file) as beside:
                if kind in pictures:
                    vis.save_picture(beside, pictures[kind])
                elif kind == 'labels':
                    vis.save_label_png(beside, self.labels, self.palette)
                else:  # of a task, in colours of their own
                    vis.save_label_png(beside, self.tasks[kind.removeprefix('labels_')], ())
        return list(files.values())


def find_class(name: str | int, classes: Sequence[str]) -> int:
    """The index of a class given by its name (in any case, if none has its own) or index."""
    lower, wanted = [c.lower() for c in classes], str(name)
    if wanted in classes:
        return list(classes).index(wanted)
    if wanted.lower() in lower:
        return lower.index(wanted.lower())
    if wanted.isdecimal() and int(wanted) < len(classes):
        return int(wanted)
    raise InputError(f"no class '{name}': the model knows "
                     + ', '.join(f'{i} {c}' for i, c in enumerate(classes)))


def output_files(out_dir: Path, stem: str, source: Path | None,
                 classes: Sequence[str], heatmap: str | int | None = None,
                 video: str | None = None, tasks: Iterable[str] = (),
                 labels: str = '.png') -> dict[str, Path]:
    """What the outputs of an image or a video are called.

    Args:
        out_dir (Path): Their folder.
        stem (str): How their names begin.
        source (Path, optional): The image's file, whose suffix says whether it is
            with loss.
        classes (Sequence[str]): Names of all classes.
        heatmap (str or int, optional): A class, for a heat map. Defaults to None.
        video (str, optional): The suffix of a video's pictures. Defaults to None: it is
            an image.
        tasks (Iterable[str]): Further tasks of the network. Defaults to ().
        labels (str): The suffix of labels. Defaults to '.png'.

    Returns:
        dict[str, Path]: 'overlay'; of an image 'labels' and 'labels_<task>'; 'heatmap'.
    """
    lossy = source is not None and source.suffix.lower() in LOSSY
    files = dict(
        overlay=out_dir / f'{stem}_overlay{video or (".jpg" if lossy else ".png")}')
    if not video:
        files['labels'] = out_dir / f'{stem}_labels{labels}'
        files |= {f'labels_{task}': out_dir / f'{stem}_labels_{task}.png' for task in tasks}
    if heatmap is not None:
        slug = re.sub(r'[^\w-]+', '-', classes[find_class(heatmap, classes)])
        files['heatmap'] = out_dir / f'{stem}_heatmap_{slug}{video or ".png"}'
    return files


def output_stems(paths: Sequence[Path | None]) -> list[str]:
    """A name without suffix for the outputs of each input, no two the same.

    ``a.jpg`` and ``a.png`` become ``a_jpg`` and ``a_png``; what is no file becomes
    ``image``, or ``image_0000`` and so on by its place where there are several. Names that
    differ in capitals alone are the same to Windows and macOS, and so they are here.

    Raises:
        ValueError: If two files have the same name in different folders.
    """
    def same(stem: str) -> str:
        return plain(stem).casefold()
    several = sum(path is None for path in paths) > 1
    bare = [path.stem if path else f'image_{i:04d}' if several else 'image'
            for i, path in enumerate(paths)]
    count = Counter(map(same, bare))
    stems = [stem if count[same(stem)] == 1 or path is None else f'{stem}_{path.suffix[1:]}'
             for stem, path in zip(bare, paths)]
    seen: dict[str, tuple[str, Path | None]] = {}
    for stem, path in zip(stems, paths):
        other, where = seen.setdefault(same(stem), (stem, path))
        # a.jpg and A.JPG can be in one folder only where these are two names.
        apart = other != stem and where and path and where.parent == path.parent
        if where is not path and not apart:
            raise InputError(f"'{where}' and '{path}' would have outputs of the same name: "
                             'predict them into two folders')
    return stems
