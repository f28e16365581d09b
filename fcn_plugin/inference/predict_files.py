"""What ``fcn predict`` calls. An exported file is run without torch being imported."""
import os
from collections.abc import Sequence
from pathlib import Path

from ..utils.paths import PathLike
from .images import list_images
from .inferencer import FCNInferencer


def predict_to_files(img_path: PathLike | Sequence[PathLike],
                     weight_path: PathLike | None = None,
                     config: PathLike | None = None, backbone: str | None = None,
                     out_dir: PathLike = 'work_dirs/predict',
                     heatmap: str | None = None, opacity: float = 0.5,
                     device: str = 'auto', batch_size: int = 1,
                     video_suffix: str = '.mp4', overwrite: bool = False,
                     cfg_options: dict | None = None,
                     fast: bool = False, tile: int | None = None,
                     overlap: int | None = None, crf: bool = False,
                     allow_imports: Sequence[str] = (),
                     runtime: str = 'auto') -> list[Path]:
    """Predicts images and videos into files, and says how many.

    Args:
        img_path (str, Path or a sequence of these): An image, a video, a folder or a glob.
        weight_path (str or Path, optional): The checkpoint. Defaults to None: the model
            that comes with the package, for streets.
        config, backbone, device, cfg_options, fast, tile, overlap, crf, allow_imports,
            runtime: See :class:`FCNInferencer`.
        out_dir (str or Path): Made where it does not exist. Defaults to
            'work_dirs/predict'.
        heatmap, opacity, batch_size, video_suffix, overwrite: See
            :meth:`FCNInferencer.save`.

    Returns:
        list[Path]: The files written.
    """
    inputs = list_images(img_path, videos=True)  # before the seconds that loading takes
    infer = FCNInferencer(config, weight_path, device, backbone, cfg_options, fast,
                          tile, overlap, crf, allow_imports, runtime)
    say_which(weight_path, infer.class_names)
    written = infer.save(inputs, out_dir, batch_size, opacity, heatmap, overwrite,
                         video_suffix)
    print(f'{len(written)} file{"s" * (len(written) != 1)} written to {out_dir}{os.sep}')
    return written


def say_which(weight_path: PathLike | None, classes: Sequence[str]) -> None:
    """Prints that the model is the one of the package, where none was named."""
    if weight_path is None:
        print(f'no weights named: the street model of the package ({", ".join(classes)})')
