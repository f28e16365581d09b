"""Videos, read and written frame by frame by OpenCV."""
import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ..utils.errors import InputError
from ..utils.files import replacing

#: The codec that OpenCV's wheels can write for each kind of file.
_CODECS = {'.mp4': 'mp4v', '.m4v': 'mp4v', '.mov': 'mp4v', '.mkv': 'mp4v',
           '.avi': 'MJPG', '.webm': 'VP90'}


class VideoInput:
    """The frames of a video, decoded one after the other by OpenCV.

    Args:
        path (Path): The file.

    Attributes:
        path (Path): The file.
        count (int, optional): How many frames its header promises, if it does.
        fps (float): Frames a second; 25 where the file does not say.
        size (tuple[int, int]): (H, W) of a frame.

    Raises:
        ValueError: If OpenCV cannot decode it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        capture = self._open()
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.count = count if count > 0 else None
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < 1000 else 25.
        self.size = (int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
                     int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
        capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise InputError(f"cannot read the video '{self.path}': OpenCV finds no "
                             'stream in it that it can decode')
        return capture

    def __iter__(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yields number and RGB image, (H, W, 3) uint8, of each frame."""
        capture, index = self._open(), 0
        try:
            while True:
                found, frame = capture.read()
                if not found:
                    break
                yield index, np.ascontiguousarray(frame[..., ::-1])
                index += 1
        finally:
            capture.release()
        if not index:
            raise InputError(f"cannot read the video '{self.path}': no frame of it can "
                             'be decoded')


class VideoOutput:
    """A video that is written frame by frame; its size is that of the first, to which the
    others are brought.

    Args:
        path (Path): Its suffix chooses the codec: MPEG-4 in .mp4, .m4v, .mov and .mkv,
            VP9 in .webm (what browsers play), Motion JPEG in .avi.
        fps (float): Frames a second.

    Raises:
        ValueError: If the suffix is another.
    """

    def __init__(self, path: Path, fps: float) -> None:
        check_video_suffix(path.suffix)
        self.path, self.fps = path, fps
        self._size, self._written = (0, 0), 0
        self._writer: cv2.VideoWriter | None = None

    def write(self, picture: np.ndarray) -> None:
        """Appends an RGB picture, (H, W, 3) uint8."""
        # codecs halve the resolution of colour, so they want even sizes
        height, width = picture.shape[:2]
        picture = cv2.copyMakeBorder(picture[..., ::-1], 0, height % 2, 0, width % 2,
                                     cv2.BORDER_REPLICATE)
        if self._writer is not None and picture.shape[1::-1] != self._size:
            # it would drop, without a word, what has another size than the first
            picture = cv2.resize(picture, self._size)
        if self._writer is None:
            self._size = picture.shape[1::-1]
            codec = cv2.VideoWriter_fourcc(*_CODECS[self.path.suffix])
            with quiet_opencv():
                writer = cv2.VideoWriter(str(self.path), codec, self.fps, self._size)
            if not writer.isOpened():
                raise InputError(f"cannot write the video '{self.path}': OpenCV has no "
                                 f'encoder for it here; try .mp4 or .avi')
            self._writer = writer
        self._writer.write(picture)
        self._written += 1

    def close(self) -> None:
        """Ends the file.

        Raises:
            OSError: If not all frames can be read again, of which OpenCV says nothing where
                the disk is full.
        """
        if self._writer is None:
            return
        self._writer.release()
        if not self._is_whole():
            raise OSError(errno.EIO, 'the video is not whole: the disk must be full, or fail',
                          str(self.path))

    def _is_whole(self) -> bool:
        with quiet_opencv():
            capture = cv2.VideoCapture(str(self.path))
            # Matroska's number of frames is guessed from the seconds.
            if self.path.suffix in ('.mkv', '.webm'):
                return all(capture.grab() for _ in range(self._written))
            capture.set(cv2.CAP_PROP_POS_FRAMES, self._written - 1)
            # One more, where Ctrl-C came between writing a frame and counting it.
            return capture.get(cv2.CAP_PROP_FRAME_COUNT) >= self._written and capture.grab()


def check_video_suffix(suffix: str) -> None:
    """Raises ValueError for a kind of video that cannot be written."""
    if suffix not in _CODECS:
        raise InputError(f"videos are written as {', '.join(_CODECS)}, not as '{suffix}'")


@contextlib.contextmanager
def video_output(path: Path, fps: float) -> Iterator[VideoOutput]:
    """A video to write, which is at ``path`` once it is complete."""
    with replacing(path) as beside, contextlib.closing(VideoOutput(beside, fps)) as output:
        yield output


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keeps OpenCV from remarking on codec names that it then puts right, and on what an
    error says anyway."""
    logging = cv2.utils.logging
    level = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)
