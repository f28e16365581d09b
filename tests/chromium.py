"""A headless Chromium, and a server for pages."""
import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

ARGUMENTS = (
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
    '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--hide-scrollbars')


@contextmanager
def chromium(folder, *arguments):
    """A driver whose profile is in ``folder``; the test is skipped where there is none."""
    webdriver = pytest.importorskip('selenium.webdriver',
                                    reason="the extra 'browser' is not installed")
    driver = shutil.which('chromedriver')
    binary = next(filter(None, map(shutil.which, (
        'chromium', 'chromium-browser', 'google-chrome'))), None)
    if not (driver and binary):
        pytest.skip('no Chromium with its chromedriver on the PATH')
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (*ARGUMENTS, f'--user-data-dir={folder}', *arguments):
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', dict(browser='ALL', performance='ALL'))
    opened = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=driver))
    try:
        yield opened
    finally:
        opened.quit()


class _Handler(SimpleHTTPRequestHandler):
    isolated = False

    def end_headers(self):
        if self.isolated:
            self.send_header('Cross-Origin-Opener-Policy', 'same-origin')
            self.send_header('Cross-Origin-Embedder-Policy', 'require-corp')
        super().end_headers()

    def log_message(self, *_):
        pass


class _IsolatedHandler(_Handler):
    isolated = True


@contextmanager
def served(folder, isolated=False):
    """The address of a folder on a server of this process.

    Args:
        folder (Path): What is served.
        isolated (bool): Whether its pages may share memory between threads.
    """
    handler = partial(_IsolatedHandler if isolated else _Handler, directory=str(folder))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_port}'
        finally:
            server.shutdown()
            thread.join()
