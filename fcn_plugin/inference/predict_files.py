"""What ``fcn predict`` calls. An exported file is run without torch being imported."""
import os
from collections.abc import Sequence
from pathlib import Path

from ..checkpoints.naming import say_which
from ..images.live_frames import is_live
from ..images.reading import list_images
from ..utils.errors import InputError
from ..utils.paths import PathLike
from .inferencer import FCNInferencer
from .live import predict_live
from .proposals import write_proposals


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
                     runtime: str = 'auto', format: str | None = None,
                     tolerance: float | None = None, min_area: int = 0,
                     resume: bool = False) -> list[Path]:
    """Predicts images and videos into files, and says how many.

    Args:
        img_path (str, Path or a sequence of these): An image, a video, a folder or a glob; or
            what sends frames: a camera's number, an address or '-' for standard input, see
            :func:`~fcn_plugin.images.live_frames.open_live`.
        weight_path (str or Path, optional): The checkpoint, or 'objects' or 'street'.
            Defaults to None: 'objects'.
        config, backbone, device, cfg_options, fast, tile, overlap, crf, allow_imports,
            runtime: See :class:`FCNInferencer`.
        out_dir (str or Path): Made where it does not exist. Defaults to
            'work_dirs/predict'.
        heatmap, opacity, batch_size, video_suffix, overwrite, resume: See
            :meth:`FCNInferencer.save`.
        format (str, optional): Of a labelling tool, for regions in place of pictures; see
            :func:`~fcn_plugin.inference.proposals.write_proposals`. Defaults to None.
        tolerance, min_area: Of these regions.

    Returns:
        list[Path]: The files written.
    """
    if format is None and (tolerance is not None or min_area):
        raise InputError('--tolerance and --min-area are of regions: give --format, too')
    if format is not None and (heatmap is not None or resume or opacity != 0.5
                               or video_suffix != '.mp4'):
        raise InputError('--format writes regions in place of pictures: leave --heatmap, '
                         '--opacity, --video-suffix and --resume out, which are of these')
    live = is_live(img_path)
    if live and (format is not None or batch_size != 1 or resume):
        raise InputError(f"'{img_path}' is a stream, which is labelled into a video frame by "
                         'frame: leave --format, --batch-size and --resume out')
    # Before the seconds that loading takes.
    inputs = [] if live else list_images(img_path, videos=format is None)
    infer = FCNInferencer(config, weight_path, device, backbone, cfg_options, fast,
                          tile, overlap, crf, allow_imports, runtime)
    say_which(weight_path or config, infer.class_names)
    if live:
        return predict_live(infer, str(img_path), out_dir, opacity, heatmap, overwrite,
                            video_suffix)
    if format is None:
        written = infer.save(inputs, out_dir, batch_size, opacity, heatmap, overwrite,
                             video_suffix, resume=resume)
    else:
        written = write_proposals(infer, inputs, out_dir, format, tolerance, min_area,
                                  batch_size, overwrite)
    print(f'{len(written)} file{"s" * (len(written) != 1)} written to {out_dir}{os.sep}')
    return written
