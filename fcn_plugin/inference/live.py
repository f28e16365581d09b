"""Labelling what a camera, an address or a pipe sends, as fast as labels come."""
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from ..images.live_frames import LiveFrames, open_live, stem_of
from ..images.video import check_video_suffix, video_output
from ..utils.errors import InputError
from ..utils.files import check_outputs, output_folder
from ..utils.paths import PathLike
from .inferencer import FCNInferencer, check_opacity
from .result import output_files


class Labelled(NamedTuple):
    """What became of a stream.

    Attributes:
        frames (int): How many were labelled.
        dropped (int): How many came before the last of these and were not.
        mean, worst (float): Seconds from the arrival of a frame to its pictures.
        interrupted (bool): Whether Ctrl-C ended it.
    """
    frames: int
    dropped: int
    mean: float
    worst: float
    interrupted: bool

    def __str__(self) -> str:
        return (f'{self.frames} frame{"s" * (self.frames != 1)} labelled, {self.dropped} '
                f'dropped, latency {1e3 * self.mean:.0f} ms (at worst {1e3 * self.worst:.0f} '
                'ms)')


def write_stream(infer: FCNInferencer, stream: LiveFrames, files: dict[str, Path],
                 opacity: float = 0.5, heatmap: str | int | None = None) -> Labelled:
    """Labels frames until the stream ends or Ctrl-C, and writes them as videos.

    A labelled frame stands in for those that are dropped behind it, so that the videos take
    as long as the stream did.

    Args:
        infer (FCNInferencer): Labels a frame.
        stream (LiveFrames): It is closed.
        files (dict[str, Path]): From :func:`~fcn_plugin.inference.result.output_files`. They
            are there, and whole, in the end.
        opacity, heatmap: See :meth:`FCNInferencer.save`.

    Raises:
        KeyboardInterrupt: At Ctrl-C before the first frame is labelled.
        ValueError: If the stream ends before its first frame.
    """
    found, total, last = Labelled(0, 0, 0., 0., False), 0., -1
    pictures: dict[str, np.ndarray] = {}
    bar = Progress(TextColumn('{task.description}'), TimeElapsedColumn(), transient=True)
    with ExitStack() as stack:
        stack.callback(stream.close)
        outputs = {kind: stack.enter_context(video_output(file, stream.fps))
                   for kind, file in files.items()}
        try:
            task = stack.enter_context(bar).add_task('waiting for a frame')
            for number, image, came in stream:
                result = infer(image, scores=heatmap is not None, progress=False)
                for kind, picture in pictures.items():
                    for _ in range(number - last - 1):
                        outputs[kind].write(picture)
                pictures, last = result.frame_pictures(opacity, heatmap), number
                for kind, picture in pictures.items():
                    outputs[kind].write(picture)
                frames, latency = found.frames + 1, time.perf_counter() - came
                total += latency
                found = Labelled(frames, number + 1 - frames, total / frames,
                                 max(found.worst, latency), False)
                bar.update(task, description=f'{found}; Ctrl-C ends it')
        except KeyboardInterrupt:
            if not found.frames:
                raise
            found = found._replace(interrupted=True)
        if not found.frames:
            raise InputError('the stream ended before its first frame')
    return found


def predict_live(infer: FCNInferencer, source: str, out_dir: PathLike, opacity: float = 0.5,
                 heatmap: str | int | None = None, overwrite: bool = False,
                 video_suffix: str = '.mp4') -> list[Path]:
    """Labels a stream into a video until it ends or Ctrl-C, and says how that went.

    Args:
        infer (FCNInferencer): Labels a frame.
        source (str): See :func:`~fcn_plugin.images.live_frames.open_live`, errors too.
        out_dir, opacity, heatmap, overwrite, video_suffix: See :meth:`FCNInferencer.save`.

    Returns:
        list[Path]: The files written.
    """
    check_opacity(opacity)
    check_video_suffix(video_suffix)
    if infer.channels != 3:
        raise InputError('a stream has three channels, but the network takes '
                         f'{infer.channels}: give it images')
    out_dir = output_folder(out_dir)
    files = output_files(out_dir, stem_of(source), None, infer.class_names, heatmap,
                         video_suffix)
    check_outputs(files.values(), overwrite)
    stream = open_live(source)
    out_dir.mkdir(parents=True, exist_ok=True)
    found = write_stream(infer, stream, files, opacity, heatmap)
    print(f'{"stopped" if found.interrupted else "the stream has ended"}: {found}; written to '
          + ' and '.join(map(str, files.values())))
    return list(files.values())
