"""The page that labels pictures in a browser: its files, and in Chromium."""
import base64
import io
import json
import os
import re
import shutil
import time
from types import SimpleNamespace

import mmcv
import numpy as np
import pytest
from chromium import chromium, served
from PIL import Image
from tiny_runs import ROOT, run_tool
from tiny_trained import CLASSES

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.naming import BUNDLED
from fcn_plugin.deployment import onnxruntime_web, web
from fcn_plugin.deployment.web import _MODEL, _page, _settings, export_page
from fcn_plugin.runtimes.graph_backend import GraphBackend
from fcn_plugin.runtimes.onnxruntime_graph import OnnxruntimeGraph
from fcn_plugin.utils.errors import MissingPackageError

pytest.importorskip('onnx', reason="the extra 'export' is not installed")
pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")

NATIVE = {'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]}
SHORT_SIDE = {'test_pipeline': [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(999, 64), keep_ratio=True),
    dict(type='PackSegInputs')]}
RUNTIME = [*onnxruntime_web.WASM.values(), *onnxruntime_web.WEBGPU.values()]


@pytest.fixture
def stand_in(tmp_path):
    """A folder that looks like the package of npm."""
    dist = tmp_path / 'package' / 'dist'
    dist.mkdir(parents=True)
    for name in RUNTIME:
        (dist / name).write_text(name)
    return dist.parent


# --- what is refused ---------------------------------------------------------------------


def test_a_folder_that_is_not_the_package(trained, tmp_path, stand_in):
    (stand_in / 'dist' / RUNTIME[1]).unlink()
    with pytest.raises(ValueError, match=f"package' lacks {RUNTIME[1]}.*--onnxruntime-web"):
        export_page(trained / 'best.pth', tmp_path / 'page', stand_in)
    assert [path.name for path in tmp_path.iterdir()] == ['package']


def test_without_npm(trained, tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(MissingPackageError, match='install Node.js.*--onnxruntime-web'):
        export_page(trained / 'best.pth', tmp_path / 'page')
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('script, words', [
    ('echo no network >&2; exit 1', r'did not fetch onnxruntime-web .*\(no network\)'),
    (f'echo other > onnxruntime-web-{onnxruntime_web.VERSION}.tgz', 'its SHA-256 is ')])
def test_an_npm_that_fails_or_fetches_something_else(tmp_path, monkeypatch, script, words):
    if os.name == 'nt':
        pytest.skip('a script of sh stands for npm')
    npm = tmp_path / 'npm'
    npm.write_text(f'#!/bin/sh\n{script}\n')
    npm.chmod(0o755)
    monkeypatch.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')
    with pytest.raises((ValueError, ImportError), match=words):
        onnxruntime_web.copy_runtime(RUNTIME, tmp_path)
    assert list(tmp_path.iterdir()) == [npm]


def test_a_network_that_cannot_be_exported(trained, tmp_path, stand_in):
    with pytest.raises(ValueError, match='without --preprocess and --web'):
        export_page(trained / 'best.pth', tmp_path / 'page', stand_in, cfg_options={
            'test_pipeline': [dict(type='RandomFlip', prob=1.)]})
    assert [path.name for path in tmp_path.iterdir()] == ['package']


def test_what_exists_is_kept(trained, tmp_path, stand_in):
    page = tmp_path / 'page'
    page.mkdir()
    (page / 'index.html').write_text('mine')
    with pytest.raises(FileExistsError, match='--overwrite'):
        export_page(trained / 'best.pth', page, stand_in)
    (tmp_path / 'file').write_text('mine')
    with pytest.raises(ValueError, match="file' is a file: a page is a new folder"):
        export_page(trained / 'best.pth', tmp_path / 'file', stand_in)
    assert (page / 'index.html').read_text() == 'mine'


def test_words_that_need_one_another(trained, tmp_path):
    done = run_tool('export.py', '--weight-path', trained / 'best.pth', '--out',
                    tmp_path / 'a.onnx', '--onnxruntime-web', tmp_path)
    assert done.code == 2 and 'with --web alone' in done.err
    done = run_tool('export.py', '--weight-path', trained / 'best.pth', '--out', 'a.onnx',
                    '--web', 'b')
    assert done.code == 2 and 'not allowed with argument --out' in done.err


# --- what is written ---------------------------------------------------------------------


def test_a_folder_is_complete_and_a_name_cannot_break_out(trained, tmp_path, stand_in,
                                                          capsys):
    shutil.copy(trained / 'best.pth', tmp_path / 'a&b.pth')
    page = tmp_path / 'page'
    export_page(tmp_path / 'a&b.pth', page, stand_in / 'dist', cfg_options=SHORT_SIDE)
    assert {path.name for path in page.iterdir()} == {'index.html', 'model.onnx', *RUNTIME}
    text = (page / 'index.html').read_text(encoding='utf-8')
    settings = json.loads(re.search(r'<script id="settings".*?>(.*?)</script>', text)[1])
    assert settings['resize'] == [999, 64] and settings['keep_ratio'] is True
    assert (settings['heat'][:6], settings['heat'][-6:]) == ('440154', 'fde724')  # viridis
    assert settings['terms'] is None and '<h1>a&amp;b</h1>' in text
    assert {*settings['files']} == {'module', 'wasm', 'model', 'gpu'}
    assert len(text) < (page / _MODEL).stat().st_size / 2  # which is not in it
    assert settings['megabytes'] == round((page / _MODEL).stat().st_size / 1e6)
    assert GraphBackend(OnnxruntimeGraph(page / _MODEL, 'cpu')).meta['scores']
    assert f'python -m http.server -d {page}' in capsys.readouterr().out
    evil = '</script><script>alert(1)</script>'
    assert evil not in _page(dict(settings, classes=[evil], name=evil), {})


def test_the_terms_of_a_model_of_the_package_go_with_it(tmp_path):
    for name in (*onnxruntime_web.WASM.values(), _MODEL):
        (tmp_path / name).write_bytes(bytes(900_000))
    for name, weights in BUNDLED.items():
        found = _settings({}, name, {}, tmp_path, False)
        assert found['terms'] == weights.with_name('LICENSE').read_text('utf-8')
        assert found['megabytes'] == 3


@pytest.fixture
def of_channels(monkeypatch):
    """Makes pages without a network, which is said to take that many channels."""
    def of_channels(count):
        monkeypatch.setattr(web, 'export', lambda weights, file, **_: file.write_bytes(b'net'))
        monkeypatch.setattr(web, 'OnnxruntimeGraph', lambda *_: None)
        monkeypatch.setattr(web, 'GraphBackend', lambda _: SimpleNamespace(
            meta=dict(channels=count, classes=['a', 'b'])))
    return of_channels


def test_a_page_of_the_same_network_is_the_same_file(tmp_path, stand_in, of_channels,
                                                     monkeypatch):
    of_channels(3)
    for day, name in enumerate(('a.htm', 'b.HTML')):
        monkeypatch.setattr('gzip.time.time', lambda day=day: 86400 * day)
        export_page('objects', tmp_path / name, stand_in)
    text = (tmp_path / 'a.htm').read_text('utf-8')
    assert text == (tmp_path / 'b.HTML').read_text('utf-8')
    assert '"megabytes": null' in text  # nothing is left to be loaded
    assert len(list(tmp_path.iterdir())) == 3


def test_a_page_takes_pictures_of_three_channels(tmp_path, stand_in, of_channels):
    of_channels(4)
    with pytest.raises(ValueError, match='of three channels, but the network takes 4'):
        export_page('objects', tmp_path / 'page', stand_in)
    assert [path.name for path in tmp_path.iterdir()] == ['package']


# --- in a browser -------------------------------------------------------------------------


@pytest.fixture(scope='module')
def runtime(tmp_path_factory):
    """onnxruntime-web, from where FCN_ONNXRUNTIME_WEB says or from npm."""
    folder = tmp_path_factory.mktemp('onnxruntime-web')
    try:
        onnxruntime_web.copy_runtime(RUNTIME, folder, os.environ.get('FCN_ONNXRUNTIME_WEB'))
    except MissingPackageError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp('profile')) as opened:
        yield opened


@pytest.fixture(scope='module')
def page(browser, runtime, trained, tmp_path_factory):
    """A folder with the page of a tiny network that resizes by the short side."""
    folder = tmp_path_factory.mktemp('web') / 'page'
    export_page(trained / 'best.pth', folder, runtime, cfg_options=SHORT_SIDE)
    return folder


@pytest.fixture(scope='module')
def address(page):
    with served(page) as found:
        yield found


@pytest.fixture(scope='module')
def picture(tmp_path_factory):
    """A photograph without loss."""
    file = tmp_path_factory.mktemp('picture') / 'street.png'
    Image.open(ROOT / 'resources' / 'street.jpg').crop((0, 0, 400, 301)).save(file)
    return file


def until(browser, condition, calm=True):
    """Waits until JavaScript is true, ``calm`` without an error on the page."""
    end = time.monotonic() + 120
    while not browser.execute_script(f'return Boolean({condition})'):
        said = calm and text_of(browser, 'error')
        assert time.monotonic() < end and not said, said or condition
        time.sleep(0.05)


def text_of(browser, name):
    return browser.execute_script(f"return document.getElementById('{name}').textContent")


def error_of(browser):
    until(browser, "document.getElementById('error').textContent", calm=False)
    return text_of(browser, 'error')


def choose(browser, file):
    browser.find_element('id', 'file').send_keys(str(file))


def labelled(browser, file):
    """Labels (H, W) as they are painted; -1 where nothing is."""
    choose(browser, file)
    until(browser, 'shown && shown.labels')
    pixels = painted(browser)
    palette = np.asarray(browser.execute_script('return settings.palette'))
    found = (pixels[..., None, :3] == palette).all(-1)
    return np.where(found.any(-1) & (pixels[..., 3] == 255), found.argmax(-1), -1)


def painted(browser):
    url = browser.execute_script("return document.getElementById('labels').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(',')[1]))))


def test_labels_are_those_of_the_inferencer(browser, page, address, picture):
    browser.get(address)
    found = labelled(browser, picture)
    expected = FCNInferencer(page / 'model.onnx', device='cpu')(picture, scores=True)
    assert found.shape == (301, 400)
    assert (found == expected.labels).mean() >= 0.999
    assert re.fullmatch(r'400 × 301 · the network saw 85 × 64 · \d+ ms · WebAssembly, '
                        '1 thread', text_of(browser, 'facts'))
    # the legend holds the classes that are there, most pixels first
    counts = np.bincount(found.ravel(), minlength=9)
    rows = browser.execute_script(
        "return [...document.querySelectorAll('#legend li:not([hidden])')].map(row => "
        "[row.querySelector('b').textContent, row.querySelector('i').textContent])")
    assert [name for name, _ in rows] == [
        CLASSES[i] for i in np.argsort(-counts, kind='stable') if counts[i]]
    assert sum(float(share.split()[0]) for _, share in rows) == pytest.approx(100, abs=3)
    # a class of the legend shows its probability
    first = CLASSES.index(rows[0][0])
    button = browser.find_element('css selector', '#legend li:not([hidden]) button')
    button.click()
    until(browser, 'shown.heat')
    assert button.get_attribute('aria-pressed') == 'true'
    table = np.asarray(browser.execute_script('return [...heatColours]'))
    levels = np.searchsorted(np.sort(table), painted(browser).view('<u4')[..., 0])
    levels = np.argsort(table)[levels]
    assert np.abs(levels - 255 * expected.scores[first]).max() < 2
    button.click()
    until(browser, '!shown.heat')
    # the class at a point is named, for a mouse and for the arrow keys
    stage = browser.find_element('id', 'stage')
    from selenium.webdriver import ActionChains, Keys
    ActionChains(browser).move_to_element(stage).perform()
    assert text_of(browser, 'here') in {CLASSES[i] for i in found[149:153, 198:203].ravel()}
    stage.send_keys(Keys.SHIFT, Keys.ARROW_LEFT)
    assert text_of(browser, 'said') == CLASSES[found[150, 199]]
    assert [entry for entry in browser.get_log('browser') if entry['level'] == 'SEVERE'] == []


def test_the_size_that_the_network_sees(browser, address):
    browser.get(address)
    for width, height in ((400, 301), (301, 400), (3000, 20), (64, 64), (31, 7), (1, 1)):
        size = mmcv.imrescale(np.zeros((height, width, 3), np.uint8), (999, 64)).shape[1::-1]
        assert browser.execute_script(f'return seen({width}, {height})') == list(size)


def test_nothing_sticks_out(browser, address, picture):
    """On a phone and on a desk, in light and in dark."""
    browser.get(address)
    labelled(browser, picture)
    for width, dark in ((360, False), (360, True), (1400, False), (1400, True)):
        browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(
            width=width, height=800, deviceScaleFactor=1, mobile=width < 500))
        browser.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(features=[
            dict(name='prefers-color-scheme', value='dark' if dark else 'light')]))
        assert browser.execute_script(
            'return [innerWidth, document.documentElement.scrollWidth]') == [width, width]
        channels = re.findall(r'\d+', browser.execute_script(
            'return getComputedStyle(document.body).backgroundColor'))
        assert (sum(map(int, channels)) < 3 * 128) == dark


def test_pasted_and_dropped(browser, address, picture):
    browser.get(address)
    browser.execute_script("""
        const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));
        self.given = new DataTransfer();
        given.items.add(new File([bytes], 'a.png', {type: 'image/png'}));
        document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: given}))""",
        base64.b64encode(picture.read_bytes()).decode())
    until(browser, 'shown && shown.width === 400')
    browser.execute_script(
        "self.before = shown; document.body.dispatchEvent(new DragEvent('drop', "
        '{dataTransfer: given, bubbles: true, cancelable: true}))')
    until(browser, 'shown && shown !== before && shown.width === 400')
    browser.execute_script("document.dispatchEvent(new ClipboardEvent('paste', "
                           '{clipboardData: new DataTransfer()}))')
    assert error_of(browser) == 'There is no picture in the clipboard.'


def test_one_file_without_a_server(browser, runtime, trained, tmp_path, picture):
    out = tmp_path / 'page.html'
    export_page(trained / 'best.pth', out, runtime, cfg_options=NATIVE)
    assert list(tmp_path.iterdir()) == [out]
    browser.get_log('performance')
    browser.get(out.as_uri())
    found = labelled(browser, picture)
    expected = FCNInferencer(trained / 'best.pth', device='cpu', cfg_options=NATIVE)(picture)
    assert (found == expected.labels).mean() >= 0.999
    asked = {message['params']['request']['url'].split(':')[0]
             for entry in browser.get_log('performance')
             if (message := json.loads(entry['message'])['message'])['method']
             == 'Network.requestWillBeSent'}
    assert asked <= {'file', 'blob', 'data'}


def test_errors_say_what_to_do(browser, address, page, tmp_path, picture):
    browser.get(address)
    (tmp_path / 'notes.txt').write_text('no picture')
    (tmp_path / 'cut.png').write_bytes(picture.read_bytes()[:60])
    choose(browser, tmp_path / 'notes.txt')
    assert error_of(browser).startswith('"notes.txt" is not a picture.')
    choose(browser, tmp_path / 'cut.png')
    until(browser, "document.getElementById('error').textContent.startsWith('\"cut.png\" "
          "cannot be read: it is damaged, too large')", calm=False)
    labelled(browser, picture)  # and goes on, without the error
    assert text_of(browser, 'error') == ''
    browser.find_element('id', 'camera').click()
    assert error_of(browser) == 'There is no camera.'
    browser.get((page / 'index.html').as_uri())
    assert 'python -m http.server' in error_of(browser)
    lacking = tmp_path / 'lacking'
    shutil.copytree(page, lacking)
    (lacking / RUNTIME[1]).unlink()
    with served(lacking) as other:
        browser.get(other)
        assert f'{RUNTIME[1]} was not found beside this page (404)' in error_of(browser)


def test_camera_and_threads(page, tmp_path):
    """Where the server isolates the page."""
    with chromium(tmp_path / 'profile', '--use-fake-device-for-media-stream',
                  '--use-fake-ui-for-media-stream') as browser, served(page, True) as address:
        browser.execute_cdp_cmd('Emulation.setHardwareConcurrencyOverride',
                                dict(hardwareConcurrency=2))
        browser.get(address)
        button = browser.find_element('id', 'camera')
        button.click()
        until(browser, 'shown')
        browser.execute_script('self.before = shown')
        until(browser, 'shown !== before')
        assert text_of(browser, 'facts').endswith('WebAssembly, 2 threads')
        assert button.get_attribute('aria-pressed') == 'true'
        width, height, count = browser.execute_script(
            'return [shown.width, shown.height, shown.labels.length]')
        assert width * height == count > 0
        button.click()
        assert button.text == 'Use the camera' and not browser.execute_script('return stream')
        assert not [entry for entry in browser.get_log('browser')
                    if entry['level'] == 'SEVERE']


@pytest.mark.slow
def test_a_picture_beyond_the_memory_is_reduced(browser, address, tmp_path):
    Image.new('RGB', (2600, 1700)).save(tmp_path / 'large.png')
    browser.get(address)
    choose(browser, tmp_path / 'large.png')
    until(browser, 'shown')
    assert text_of(browser, 'facts').startswith('2600 × 1700, reduced to 2473 × 1617 ')


@pytest.mark.slow
def test_the_street_model_on_a_photograph(browser, runtime, tmp_path):
    export_page('street', tmp_path / 'page', runtime)
    photo = ROOT / 'resources' / 'street.jpg'
    with served(tmp_path / 'page') as address:
        browser.get(address)
        found = labelled(browser, photo)
    expected = FCNInferencer(tmp_path / 'page' / 'model.onnx', device='cpu')(photo)
    assert (found == expected.labels).mean() >= 0.999
    assert 'not for commercial use' in browser.find_element('tag name', 'footer').text
