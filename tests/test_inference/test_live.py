"""Streams: real captures, pipes and addresses, without a camera."""
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Semaphore, Thread

import cv2
import numpy as np
import pytest
from process_runs import environment

from fcn_plugin.apis import FCNInferencer, export
from fcn_plugin.images import live_frames
from fcn_plugin.images.live_frames import LiveFrames, is_live, open_live, stem_of
from fcn_plugin.images.video import VideoInput, VideoOutput
from fcn_plugin.inference import live
from fcn_plugin.inference.predict_files import predict_to_files


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C interrupts, also where what has started the tests had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope='module')
def segment(trained):
    return FCNInferencer(weights=trained / 'best.pth', device='cpu')


def grey(number):
    """A frame that says its number in its shade, which Motion JPEG keeps."""
    return np.full((48, 64, 3), 10 * number, np.uint8)


def jpegs(count):
    return [cv2.imencode('.jpg', grey(i))[1].tobytes() for i in range(count)]


class Paced:
    """A capture of a file whose frames come when they are let go."""

    def __init__(self, file):
        self._capture = cv2.VideoCapture(str(file))
        self._may, self._asked = Semaphore(0), Semaphore(0)

    def isOpened(self):
        return self._capture.isOpened()

    def get(self, name):
        return self._capture.get(name)

    def read(self):
        self._asked.release()
        self._may.acquire()
        return self._capture.read()

    def release(self):
        self._capture.release()

    def let_go(self, count):
        """Lets that many frames come, and waits until the stream asks for the next one."""
        for _ in range(count):
            self._asked.acquire()
            self._may.release()
        self._asked.acquire()
        self._asked.release()


@pytest.fixture
def paced(tmp_path):
    output = VideoOutput(tmp_path / 'source.avi', 10)
    for i in range(12):
        output.write(grey(i))
    output.close()
    return Paced(tmp_path / 'source.avi')


# --- what names a stream -----------------------------------------------------------


def test_what_is_a_stream(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert all(map(is_live, (0, '0', '12', '-', 'rtsp://a/b', 'http://a:80/x.mjpg')))
    assert not any(map(is_live, ('photos', 'a.jpg', '-1', 'hf://a/b', '', None, ['0'],
                                 'https://a/b.jpg', tmp_path, 'rtsp://')))
    (tmp_path / '0').write_bytes(b'a file of that name')
    assert not is_live('0')


@pytest.mark.parametrize('source, stem', [
    ('-', 'pipe'), ('3', 'camera_3'),
    ('rtsp://me:secret@10.0.0.5:8554/live?key=hidden', '10-0-0-5-8554-live')])
def test_names_of_outputs_hold_no_password(source, stem):
    assert stem_of(source) == stem


# --- frames ------------------------------------------------------------------------


def shades(frames):
    return [round(int(image[20, 20, 0]) / 10) for _, image, _ in frames]


def test_the_newest_frame_comes_and_the_others_are_dropped(paced):
    stream = LiveFrames(lambda: paced, 'refused')
    frames = iter(stream)
    assert stream.fps == 10
    paced.let_go(1)
    first = next(frames)
    paced.let_go(4)
    newest = next(frames)
    assert (first[0], newest[0]) == (0, 4) and shades([first, newest]) == [0, 4]
    assert newest[2] > first[2]
    for _ in range(8):  # seven more, and the end
        paced._may.release()
    assert [number for number, *_ in frames][-1] == 11  # the last is never lost
    stream.close()
    assert not stream._thread.is_alive()


def test_red_comes_first(tmp_path):
    output = VideoOutput(tmp_path / 'red.avi', 120)
    output.write(np.full((48, 64, 3), (200, 90, 10), np.uint8))
    output.close()
    stream = LiveFrames(lambda: cv2.VideoCapture(str(tmp_path / 'red.avi')), 'refused')
    (_, image, _), = stream
    assert stream.fps == 120
    assert np.abs(image.mean((0, 1)) - (200, 90, 10)).max() < 12


def test_a_driver_that_fails_is_heard(paced):
    def read():
        raise cv2.error('the cable is out')

    stream = LiveFrames(lambda: paced, 'refused')
    paced.let_go(1)
    paced.read = read
    paced._may.release()
    with pytest.raises(cv2.error, match='the cable is out'):
        list(stream)


def test_written_as_long_as_the_stream_was(segment, paced, tmp_path):
    """A labelled frame stands in for those that are dropped behind it."""
    stream = LiveFrames(lambda: paced, 'refused')
    coming = iter([3, 1])

    def busy(*args, **kwargs):
        """The inferencer, during whose work frames come, then Ctrl-C."""
        count = next(coming, 0)
        if not count:
            paced._may.release()
            signal.raise_signal(signal.SIGINT)
        paced.let_go(count)
        return segment(*args, **kwargs)

    paced.let_go(1)
    found = live.write_stream(busy, stream, dict(overlay=tmp_path / 'out.avi'))
    assert found[:2] == (2, 2) and found.interrupted  # 0 and 3; Ctrl-C came during 4
    assert 0 < found.mean <= found.worst
    assert [path.name for path in tmp_path.glob('out*')] == ['out.avi']
    pictures = [image.astype(int) for _, image in VideoInput(tmp_path / 'out.avi')]
    gaps = [np.abs(a - b).mean() for a, b in zip(pictures, pictures[1:])]
    assert len(gaps) == 3 and max(gaps[:2]) < 2 < gaps[2]  # 0 stands for 1 and 2, too
    assert VideoInput(tmp_path / 'out.avi').fps == 10  # the stream's


def test_the_latency_at_worst_is_that_of_the_slowest_frame(segment, tmp_path):
    class Late:
        fps = 10

        def __iter__(self):
            yield from ((i, grey(i), time.perf_counter() - late)
                        for i, late in enumerate((40, 900, 20)))

        def close(self):
            pass

    found = live.write_stream(segment, Late(), dict(overlay=tmp_path / 'out.avi'))
    assert found.frames == 3 and 900 < found.worst < 920 and 320 < found.mean < 340


def test_pictures_are_as_is_asked_for_and_the_stream_is_closed(tmp_path):
    class Stream:
        fps = 10

        def __iter__(self):
            yield 0, grey(0), time.perf_counter()

        def close(self):
            asked.append('closed')

    class Found:
        def frame_pictures(self, *given):
            asked.append(given)
            return dict(overlay=grey(1))

    asked = []
    live.write_stream(lambda image, scores, progress: asked.append(scores) or Found(),
                      Stream(), dict(overlay=tmp_path / 'out.avi'), 0.2, 'ring')
    assert asked == [True, (0.2, 'ring'), 'closed']


@pytest.mark.parametrize('ends, error', [(True, ValueError), (False, KeyboardInterrupt)])
def test_without_a_labelled_frame_nothing_is_left(paced, tmp_path, ends, error):
    def interrupted(*args, **kwargs):
        signal.raise_signal(signal.SIGINT)

    for _ in range(12 if ends else 0):
        paced._capture.read()
    paced._may.release(2)
    with pytest.raises(error):
        live.write_stream(interrupted, LiveFrames(lambda: paced, 'refused'),
                          dict(overlay=tmp_path / 'out.avi'))
    assert list(tmp_path.glob('out*')) == []


def test_frames_of_another_size_are_not_lost(tmp_path):
    output = VideoOutput(tmp_path / 'a.avi', 10)
    for height, width in ((48, 64), (30, 80), (48, 64)):
        output.write(np.full((height, width, 3), 200, np.uint8))
    output.close()
    assert len(list(VideoInput(tmp_path / 'a.avi'))) == 3


# --- pipes and addresses -----------------------------------------------------------


def predict_pipe(weights, out):
    return subprocess.Popen(
        [sys.executable, '-m', 'fcn_plugin', 'predict', '-', '--checkpoint',
         str(weights), '--device', 'cpu', '--out', str(out)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # a shell that starts pytest in the background has it ignore Ctrl-C, and its children
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL), env=environment())


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
    """An exported file, with which a process starts soon."""
    pytest.importorskip('onnx', reason="the extra 'export' is not installed")
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    file = tmp_path_factory.mktemp('exported') / 'best.onnx'
    export(trained / 'best.pth', file, preprocess=True)
    return file


def test_a_pipe_until_ctrl_c(exported, tmp_path):
    """In a process of its own, as a shell does it: exit code 0, and a file that plays."""
    process = predict_pipe(exported, tmp_path)
    stop = Event()
    noise = np.random.randint(0, 256, (48, 64, 3), dtype=np.uint8)
    image = cv2.imencode('.jpg', noise)[1].tobytes()

    def feed():
        with contextlib.suppress(BrokenPipeError):
            while not stop.wait(0.05):
                process.stdin.write(10 * image)
                process.stdin.flush()

    feeding = Thread(target=feed)
    feeding.start()
    file = tmp_path / 'pipe_overlay.part.mp4'
    while process.poll() is None and not (file.exists() and file.stat().st_size > 50_000):
        Event().wait(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.stdout.read().decode(), process.stderr.read().decode()
    stop.set()
    feeding.join()
    process.stdin.close()
    assert process.wait() == 0, err
    assert out.splitlines()[-1].startswith('stopped: ') and 'latency' in out
    assert 'Traceback' not in err and 'interrupted' not in err
    assert [path.name for path in tmp_path.iterdir()] == ['pipe_overlay.mp4']
    assert len(list(VideoInput(tmp_path / 'pipe_overlay.mp4'))) > 1


@pytest.mark.parametrize('suffix', ['.mp4', '.avi', '.webm'])
def test_ctrl_c_between_writing_a_frame_and_counting_it(tmp_path, suffix):
    """The file has one more than was counted, and is whole."""
    file, frame = tmp_path / f'a{suffix}', np.zeros((48, 64, 3), np.uint8)
    output = VideoOutput(file, 10)
    for _ in range(3):
        output.write(frame)
    output._writer.write(frame)
    output.close()
    assert len(list(VideoInput(file))) == 4


@pytest.fixture
def standard_input():
    """Makes bytes what this process reads, as a shell's pipe does."""
    kept = os.dup(0)

    def give(content):
        reading, writing = os.pipe()
        os.dup2(reading, 0)
        os.write(writing, content)  # it fits into the pipe
        os.close(reading)
        os.close(writing)

    yield give
    os.dup2(kept, 0)
    os.close(kept)


def test_a_pipe_of_images(standard_input):
    standard_input(b''.join(jpegs(12)))
    stream = open_live('-')
    frames = list(stream)
    stream.close()
    assert stream.fps == 25 and frames[-1][0] == 11 and shades(frames)[-1] == 11


@pytest.mark.parametrize('content', [b'no video\n' * 1000, b''])
def test_a_pipe_of_something_else(standard_input, content):
    standard_input(content)
    with pytest.raises(ValueError, match='no video that OpenCV can decode on standard input'):
        open_live('-')


class Camera(BaseHTTPRequestHandler):
    """Sends JPEG images as network cameras do."""

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Type', 'multipart/x-mixed-replace;boundary=frame')
        self.end_headers()
        for each in jpegs(20):
            self.wfile.write(b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n'
                             b'\r\n%b\r\n' % (len(each), each))

    def log_message(self, *_):
        pass


def test_an_address_to_its_end(trained, tmp_path, capsys):
    with ThreadingHTTPServer(('127.0.0.1', 0), Camera) as server:
        Thread(target=server.serve_forever).start()
        host = f'127.0.0.1:{server.server_port}'
        arguments = dict(weight_path=trained / 'best.pth', out_dir=tmp_path, device='cpu',
                         heatmap='ring', video_suffix='.avi')
        try:
            written = predict_to_files(f'http://me:secret@{host}/live', **arguments)
            said = capsys.readouterr().out
            with pytest.raises(FileExistsError, match='overwrite'):
                predict_to_files(f'http://{host}/live', **arguments)
        finally:
            server.shutdown()
    stem = host.replace('.', '-').replace(':', '-') + '-live'
    assert [path.name for path in written] == [f'{stem}_overlay.avi',
                                               f'{stem}_heatmap_ring.avi']
    assert all(len(list(VideoInput(path))) for path in written)
    assert 'the stream has ended: ' in said and 'secret' not in said


def test_an_address_that_is_silent(monkeypatch):
    monkeypatch.setattr(live_frames, '_TIME_LIMIT', 1)
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(ValueError, match=r"'tcp://127.0.0.1:\d+' does not answer") as got:
            open_live(f'tcp://me:secret@127.0.0.1:{port}')
    assert 'secret' not in str(got.value)


def test_no_camera():
    with pytest.raises(ValueError, match='no camera 97 that OpenCV can open'):
        open_live('97')


@pytest.mark.parametrize('given', [dict(format='coco'), dict(batch_size=2), dict(resume=True)])
def test_what_a_stream_does_not_take(trained, tmp_path, given):
    with pytest.raises(ValueError, match="'0' is a stream.*leave --format, --batch-size"):
        predict_to_files('0', trained / 'best.pth', out_dir=tmp_path, **given)
