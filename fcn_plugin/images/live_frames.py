"""The frames of a camera, an address or a pipe, as they come."""
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from threading import Condition, Thread
from typing import Any

import cv2
import numpy as np

from ..utils.errors import InputError
from ..utils.paths import IMAGE_SUFFIXES
from .video import quiet_opencv

#: Seconds in which an address must answer and a camera must open, and between two frames.
_TIME_LIMIT = 10
_ADDRESS = re.compile(r'(rtsps?|rtmps?|https?|tcp|udp|srt)://(?:[^/@]*@)?(.+)')


def is_live(source: Any) -> bool:
    """Whether images are named by a camera's number, an address or ``-``, the pipe. A file
    of such a name is a file, and the address of one image is no stream."""
    text = str(source)
    return isinstance(source, (str, int)) and not os.path.exists(text) and bool(
        text == '-' or re.fullmatch('[0-9]+', text) or _ADDRESS.fullmatch(text)
        and not text.lower().endswith(IMAGE_SUFFIXES))


class LiveFrames:
    """The newest frame of a stream, whenever one is asked for.

    A thread opens the stream and reads all the time, so that Ctrl-C is heard while a stream
    keeps silent. A frame that is not asked for before the next one comes is gone.

    Args:
        open_capture (Callable): Returns a ``cv2.VideoCapture`` or what reads like one.
        refused (str): What is said where that does not open.
        time_limit (float, optional): Seconds that this may take. Defaults to None: any.

    Attributes:
        fps (float): Frames a second, as the stream says it; 25 where it does not.

    Raises:
        ValueError: If the stream does not open.
    """

    def __init__(self, open_capture: Callable[[], Any], refused: str,
                 time_limit: float | None = None) -> None:
        self.fps = 0.
        self._changed = Condition()
        self._newest: tuple[int, np.ndarray, float] | None = None
        self._ended = self._stopped = False
        self._error: Exception | None = None
        self._thread = Thread(target=self._read, args=(open_capture, ), daemon=True)
        self._thread.start()
        # OpenCV has a limit of its own for addresses, which says the same a little earlier
        self._wait(lambda: bool(self.fps), time_limit and time_limit + 2)
        if not self.fps:
            self._stopped = True
            raise InputError(refused) from self._error

    def _read(self, open_capture: Callable[[], Any]) -> None:
        capture = None
        try:
            capture = open_capture()
            if not capture.isOpened():
                return
            fps, number = capture.get(cv2.CAP_PROP_FPS), 0
            with self._changed:
                self.fps = fps if 0 < fps < 1000 else 25.
                self._changed.notify()
            while not self._stopped:
                found, image = capture.read()
                if not found:
                    return
                with self._changed:
                    self._newest = number, image, time.perf_counter()
                    self._changed.notify()
                number += 1
        except Exception as error:  # whatever a camera's driver makes OpenCV raise
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()
            if capture is not None:
                capture.release()

    def _wait(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
        """Until ``ready`` or the end; in steps, as Windows hears Ctrl-C between them alone."""
        end = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while not (ready() or self._ended or end and time.monotonic() > end):
                self._changed.wait(0.2)

    def __iter__(self) -> Iterator[tuple[int, np.ndarray, float]]:
        """Yields the number of a frame in the stream, its RGB image (H, W, 3) uint8, and the
        ``time.perf_counter()`` at which it came, until the stream ends."""
        while True:
            self._wait(lambda: self._newest is not None)
            with self._changed:
                newest, self._newest = self._newest, None
            if newest is None:
                break
            number, image, came = newest
            yield number, np.ascontiguousarray(image[..., ::-1]), came
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stops reading. A read that still waits for a frame goes with the process."""
        self._stopped = True
        self._thread.join(1)


def open_live(source: str) -> LiveFrames:
    """Opens a camera (``'0'``), an address (``'rtsp://...'``) or ``'-'``, standard input.

    Raises:
        ValueError: If there is no such camera, if the address does not answer within 10
            seconds, or if OpenCV finds no video in what comes.
    """
    limit: float | None = _TIME_LIMIT
    arguments: tuple = (source, cv2.CAP_FFMPEG, [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 1000 * _TIME_LIMIT,
        cv2.CAP_PROP_READ_TIMEOUT_MSEC, 1000 * _TIME_LIMIT])
    if source == '-':
        if sys.stdin is None or sys.stdin.isatty():
            raise InputError("'-' reads a video from a pipe, but standard input is none: "
                             'ffmpeg ... -f matroska - | fcn predict -')
        refused = ('there is no video that OpenCV can decode on standard input: pipe JPEG '
                   'images one after the other, Matroska or MPEG-TS, as '
                   'ffmpeg ... -f matroska - does')
        # a pipe may be silent for as long as it likes
        arguments, limit = ('pipe:0', cv2.CAP_FFMPEG), None
    elif source.isdecimal():
        arguments = (int(source), )
        refused = (f'there is no camera {source} that OpenCV can open here (they are '
                   'numbered from 0; another program may hold it)')
    else:
        refused = (f"'{_without_password(source)}' does not answer within {_TIME_LIMIT} "
                   'seconds, or sends no video that OpenCV can decode')

    def open_capture() -> cv2.VideoCapture:
        with quiet_opencv():
            return cv2.VideoCapture(*arguments)

    return LiveFrames(open_capture, refused, limit)


def _without_password(address: str) -> str:
    return _ADDRESS.sub(r'\1://\2', address)


def stem_of(source: str) -> str:
    """What the files of a stream are called: ``camera_0``, ``pipe``, ``10-0-0-5-live``."""
    if source == '-':
        return 'pipe'
    if source.isdecimal():
        return f'camera_{source}'
    place = _without_password(source).partition('://')[2].partition('?')[0]
    return re.sub(r'[^\w-]+', '-', place).strip('-')[:100] or 'stream'
