"""Downloads from a server in this process that misbehaves as asked."""
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from fcn_plugin.downloads.download import check_digest, download

CONTENT = np.random.default_rng(0).bytes(1_000_003)
MD5 = 'md5:' + hashlib.md5(CONTENT).hexdigest()
SHA256 = 'sha256:' + hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves :data:`CONTENT` on the loopback.

    Attributes:
        ranges (bool): Answers to requests for a part of it.
        length (bool): Says how much is to come.
        cut (list): After how many bytes to hang up, one a request, None for never.
        status (list): Status codes to answer with first.
        shift (int): Added to where it says that a part begins.
        seen (list): Where the parts that were asked for begin, None for all.
    """
    daemon_threads = True

    def __init__(self):
        super().__init__(('127.0.0.1', 0), Handler)
        self.content, self.ranges, self.length, self.shift = CONTENT, True, True, 0
        self.cut, self.status, self.seen = [], [], []

    def handle_error(self, request, client_address):
        """Says nothing: tests hang up on it."""

    @property
    def url(self):
        return f'http://127.0.0.1:{self.server_port}/data.tar'


class Handler(BaseHTTPRequestHandler):

    def do_GET(self):
        server, content = self.server, self.server.content
        asked = re.fullmatch(r'bytes=(\d+)-', self.headers.get('Range', ''))
        server.seen.append(int(asked[1]) if asked else None)
        start = int(asked[1]) if asked and server.ranges else 0
        if server.status:
            self.send_error(server.status.pop(0))
            return
        if start >= len(content):
            self.send_response(416)
            self.send_header('Content-Range', f'bytes */{len(content)}')
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        self.send_response(206 if asked and server.ranges else 200)
        if asked and server.ranges:
            self.send_header('Content-Range', f'bytes {start + server.shift}-'
                             f'{len(content) - 1}/{len(content)}')
        if server.length:
            self.send_header('Content-Length', str(len(content) - start))
        self.end_headers()
        cut = server.cut.pop(0) if server.cut else None
        self.wfile.write(content[start:][:cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01, ))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'new' / 'data.tar'


def left(path):
    """What lies in the folder, by name."""
    return {p.name: p.read_bytes() for p in path.parent.iterdir()}


# --- all goes well ---------------------------------------------------------


@pytest.mark.parametrize('checksum', [MD5, SHA256, MD5.upper().replace('MD5', 'md5'), None])
@pytest.mark.parametrize('length', [True, False])
def test_full(server, path, checksum, length):
    server.length = length
    assert download(server.url, path, checksum) == path
    assert left(path) == {'data.tar': CONTENT}
    assert server.seen == [None]


def test_there_already(server, path):
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    download(server.url, path, MD5)
    assert server.seen == []


def test_goes_on_by_itself(server, path):
    server.cut = [300_000, 200_000, 400_000]  # at last more are there than lacked
    download(server.url, path)
    assert left(path) == {'data.tar': CONTENT}
    assert server.seen == [None, 300_000, 500_000, 900_000]


def test_goes_on_from_an_earlier_run(server, path):
    path.parent.mkdir()
    (path.parent / 'data.tar.part').write_bytes(CONTENT[:700_000])
    download(server.url, path, MD5)
    assert left(path) == {'data.tar': CONTENT}
    assert server.seen == [700_000]


def test_complete_but_not_renamed(server, path):
    path.parent.mkdir()
    (path.parent / 'data.tar.part').write_bytes(CONTENT)
    download(server.url, path, MD5)
    assert left(path) == {'data.tar': CONTENT}
    assert server.seen == [len(CONTENT)]


def test_longer_than_the_file(server, path):
    """The part of something else: anew."""
    path.parent.mkdir()
    (path.parent / 'data.tar.part').write_bytes(CONTENT + b'more')
    download(server.url, path, MD5)
    assert left(path) == {'data.tar': CONTENT}
    assert server.seen == [len(CONTENT) + 4, None]


def test_server_without_ranges(server, path):
    """It begins anew, and that is not appended."""
    server.ranges, server.cut = False, [300_000, 400_000]
    download(server.url, path, MD5)
    assert left(path) == {'data.tar': CONTENT}
    assert server.seen == [None, 300_000, 400_000]


# --- and what does not -----------------------------------------------------


def test_server_without_ranges_that_always_cuts(server, path):
    """No endless loop."""
    server.ranges, server.cut = False, [300_000] * 9
    with pytest.raises(OSError, match='ended after 300000 of 1000003 bytes'):
        download(server.url, path, MD5)
    assert server.seen == [None, 300_000]


def test_nothing_more_comes(server, path):
    server.cut = [300_000, 0]
    with pytest.raises(OSError, match=r'300000 bytes are in \S*data.tar.part, and the '
                       'same command goes on'):
        download(server.url, path, MD5)
    assert left(path) == {'data.tar.part': CONTENT[:300_000]}
    download(server.url, path, MD5)
    assert left(path) == {'data.tar': CONTENT}


def test_nothing_comes_at_all(server, path):
    server.cut = [0]
    with pytest.raises(OSError, match='ended after 0 of 1000003 bytes'):
        download(server.url, path, MD5)
    assert left(path) == {}


def test_wrong_checksum(server, path):
    server.content = CONTENT[:-1] + b'?'
    found = hashlib.md5(server.content).hexdigest()
    with pytest.raises(ValueError, match=f'{server.url}: .* has the MD5 {found}, expected '
                       f'{MD5[4:]}. The file has been removed'):
        download(server.url, path, MD5)
    assert left(path) == {}


def test_wrong_file_there_already(server, path):
    """It is the user's, and stays."""
    path.parent.mkdir()
    path.write_bytes(b'mine')
    with pytest.raises(ValueError, match='expected .*: move it away'):
        download(server.url, path, MD5)
    assert left(path) == {'data.tar': b'mine'}
    assert download(server.url, path) == path


@pytest.mark.parametrize('status', [403, 404])
def test_refused(server, path, status):
    server.status = [status]
    with pytest.raises(OSError, match=f'{server.url}: the server answers {status} '):
        download(server.url, path, MD5)
    assert left(path) == {}


def test_refused_later(server, path):
    path.parent.mkdir()
    (path.parent / 'data.tar.part').write_bytes(CONTENT[:1000])
    server.status = [404]
    with pytest.raises(OSError, match='answers 404'):
        download(server.url, path, MD5)
    assert left(path) == {'data.tar.part': CONTENT[:1000]}


@pytest.mark.parametrize('status', [500, 503])
def test_server_error(server, path, status):
    server.status = [status]
    with pytest.raises(OSError, match=f'answers {status} .*the same command goes on'):
        download(server.url, path, MD5)
    assert left(path) == {}


def test_no_server(path, monkeypatch):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with Server() as gone:
        url = gone.url
    with pytest.raises(OSError, match='no connection '):
        download(url, path, MD5)
    assert left(path) == {}


def test_another_part_than_asked_for(server, path):
    server.cut, server.shift = [300_000], 7
    with pytest.raises(OSError, match='asked for the bytes from 300000 on, but got '
                       "'bytes 300007-1000002/1000003'"):
        download(server.url, path, MD5)
    assert left(path) == {'data.tar.part': CONTENT[:300_000]}


@pytest.mark.parametrize('url', ['file:///etc/hostname', 'ftp://127.0.0.1/a', 'data.tar'])
def test_other_addresses(path, url):
    with pytest.raises(ValueError, match='expected http:// or https://'):
        download(url, path)


def test_interrupted(server, path, monkeypatch):
    """What has arrived is kept."""
    class Interrupting:
        calls = 0

        def update(self, *args, **kwargs):
            Interrupting.calls += 1
            if Interrupting.calls == 3:
                raise KeyboardInterrupt

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def add_task(self, *args, **kwargs):
            return 0

    monkeypatch.setattr('fcn_plugin.downloads.download.byte_progress', Interrupting)
    with pytest.raises(KeyboardInterrupt):
        download(server.url, path, MD5)
    part = left(path)['data.tar.part']
    assert 0 < len(part) < len(CONTENT) and CONTENT.startswith(part)
    download(server.url, path, MD5)
    assert left(path) == {'data.tar': CONTENT}
    assert server.seen == [None, len(part)]


def test_digest(tmp_path):
    (tmp_path / 'empty').touch()
    check_digest(tmp_path / 'empty', 'md5:d41d8cd98f00b204e9800998ecf8427e')
    with pytest.raises(ValueError, match='has the SHA1 da39a3ee.*, expected abc'):
        check_digest(tmp_path / 'empty', 'sha1:abc')
