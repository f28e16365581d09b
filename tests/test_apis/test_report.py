"""A training run as a page, and the page in a browser."""
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_runs import SHAPES, run_tool, succeed, write_config

from fcn_plugin.apis.judge import Evaluation, choose_images, evaluate
from fcn_plugin.apis.report import read_run, read_scalars, report
from fcn_plugin.apis.result import Result

TENSORBOARD = """
visualizer = dict(vis_backends=[
    dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')])
"""


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    """Of a training of four iterations, validated twice on three images."""
    folder = tmp_path_factory.mktemp('report')
    config = write_config(folder, SHAPES + TENSORBOARD)
    succeed('train.py', config, '--work-dir', folder / 'run')
    return folder / 'run'


@pytest.fixture(scope='module')
def page(work_dir):
    return report(work_dir, device='cpu').read_text(encoding='utf-8')


class Elements(HTMLParser):
    """Collects (tag, attributes) and text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ''
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of_class(self, name):
        return [attrs for _, attrs in self.tags
                if name in (attrs.get('class') or '').split()]


# --- the run -----------------------------------------------------------------------


@pytest.mark.parametrize('arguments, words', [
    (dict(work_dir='none'), "no folder 'none'"),
    (dict(work_dir='.'), 'holds no config .*--config'),
    (dict(weight_path='none.pth'), "no checkpoint 'none.pth'"),
    (dict(images=-1), '--images must be at least 0'),
    (dict(max_images=0), '--max-images at least 1'),
    (dict(cfg_options={'val_dataloader.dataset': dict(
        _delete_=True, type='CamVidDataset', data_root='nowhere', img_suffix='.png',
        data_prefix=dict(img_path='a', seg_map_path='b'), pipeline=[])}),
     'nowhere.*--images 0'),
])
def test_bad_arguments(work_dir, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    given = dict(work_dir=work_dir, out=tmp_path / 'page.html', device='cpu')
    with pytest.raises((ValueError, OSError), match=words):
        report(**{**given, **arguments})
    assert not (tmp_path / 'page.html').exists()


def test_nothing_is_overwritten(work_dir, page):
    with pytest.raises(FileExistsError, match='report.html.*--overwrite'):
        report(work_dir)


def test_read_run(work_dir):
    run = read_run(work_dir)
    assert [values['step'] for values in run.train] == [1, 2, 3, 4]
    assert [values['step'] for values in run.val] == [2, 4]
    assert run.checkpoint.name.startswith('best_mIoU_')
    assert 'PyTorch: ' in run.environment and 'seed' in run.environment


def test_resumed_run(work_dir, tmp_path):
    """What was done again counts once; a line that was cut off does not."""
    moved = tmp_path / 'moved'
    shutil.copytree(work_dir, moved)
    for best in moved.glob('best_*'):
        best.unlink()
    scalars = moved / '20990101_000000' / 'vis_data' / 'scalars.json'
    scalars.parent.mkdir(parents=True)
    lines = [dict(loss=9., lr=1., step=step) for step in (3, 4, 5)]
    lines.append(dict(mIoU=7., step=4))
    scalars.write_text('\n'.join(map(json.dumps, lines)) + '\n{"loss": 1')
    assert len(read_scalars(scalars)[0]) == 3
    run = read_run(moved)
    assert [values['step'] for values in run.train] == [1, 2, 3, 4, 5]
    assert run.train[-1]['loss'] == 9 and run.val[-1]['mIoU'] == 7
    assert run.checkpoint == moved / 'iter_4.pth'  # last_checkpoint names the old place


# --- what is judged ----------------------------------------------------------------


def result(labels, truth):
    return Result(None, np.array(labels, np.uint8), (), (), truth=np.array(truth))


def test_evaluate():
    results = [result([[0, 1]], [[0, 0]]), result([[2, 2]], [[2, 255]])]
    found = evaluate(results, [4, 9], 3)
    assert found.matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert np.allclose(found.iou[0], [0.5, 0, np.nan], equal_nan=True)
    assert found.in_truth.tolist() == [[True, False, False], [False, False, True]]
    assert np.allclose(found.image_iou, [0.25, 1])
    with pytest.raises(ValueError, match='no truth'):
        evaluate([Result(None, np.zeros((1, 1), np.uint8), (), ())], [0], 2)


def test_choose_images():
    """Worst, median and best of all come first, then each class's."""
    iou = np.full((20, 2), np.nan)
    iou[:, 0] = np.linspace(0, 1, 20)[::-1]
    iou[4, 1], iou[5, 1] = 0.1, 0.9
    found = Evaluation(torch.zeros(2, 2), list(range(20)), iou, np.isfinite(iou))
    chosen = choose_images(found, 30)
    assert chosen[:3] == [19, 18, 17] and set(chosen[6:9]) == {0, 1, 2}
    assert set(chosen[3:6]) == {4, 10, 11} and {4, 5} < set(chosen)
    assert len(set(chosen)) == len(chosen)
    assert choose_images(found, 4) == chosen[:4]
    found.iou[7], found.in_truth[7] = np.nan, False  # nothing to judge in it
    assert 7 not in choose_images(found, 30)


# --- the page ----------------------------------------------------------------------


def test_figures_are_those_of_the_test_tool(work_dir, page):
    config, = work_dir.glob('*.py')
    checkpoint, = work_dir.glob('best_*')
    succeed('test.py', config, checkpoint, '--work-dir', work_dir / 'test',
            '--cfg-options', 'test_dataloader.dataset.split=val',
            'test_dataloader.dataset.length=3')
    log, = (work_dir / 'test').glob('*/*.json')
    metrics = json.loads(log.read_text())
    shown = re.findall(r'<b>([\d.]+)</b>', page)
    assert shown == [f'{metrics[name]:.2f}' for name in ('mIoU', 'aAcc', 'mAcc', 'fwIoU')]


def test_page_is_self_contained(page):
    elements = Elements(page)
    for tag, attrs in elements.tags:
        for name in ('src', 'href', 'xlink:href', 'action'):
            assert attrs.get(name, '#').startswith(('#', 'data:')), (tag, attrs)
    assert "default-src 'none'" in page and not re.search(r'@import|url\((?!#)', page)
    assert 'ShapesDataset' in elements.text and 'PyTorch: ' in elements.text
    assert len(elements.of_class('card')) == 3  # all there are
    assert len([tag for tag, _ in elements.tags if tag == 'svg']) == 3
    assert len(elements.of_class('track')) == 9
    assert 'the best of 3' in page and 'the worst of 3' in page


def test_page_without_predictions(work_dir, tmp_path):
    file = report(work_dir, tmp_path / 'page.html', images=0)
    text = file.read_text()
    assert 'last validation, after 4 iterations' in text and '<svg' in text
    assert 'class="card"' not in text and not list(tmp_path.glob('*.part'))


def test_tool(work_dir, tmp_path):
    out = tmp_path / 'page.html'
    printed = succeed('analysis_tools/report.py', work_dir, '--out', out, '--images', 1,
                      '--max-images', 2, '--device', 'cpu')
    assert f'{out} (' in printed
    assert 'on 2 of 3 validation images' in out.read_text()
    done = run_tool('analysis_tools/report.py', tmp_path / 'none')
    assert done.code == 2 and done.err.startswith('error: there is no folder')


def test_tensorboard_by_config(work_dir):
    loader = pytest.importorskip(
        'tensorboard.backend.event_processing.event_accumulator')
    events = loader.EventAccumulator(
        str(next(work_dir.glob('*/vis_data/events.out.tfevents*')).parent))
    events.Reload()
    assert [event.step for event in events.Scalars('loss')] == [1, 2, 3, 4]
    assert [event.step for event in events.Scalars('mIoU')] == [2, 4]


# --- in a browser ------------------------------------------------------------------


@pytest.fixture(scope='module')
def browser():
    webdriver = pytest.importorskip('selenium.webdriver')
    driver = shutil.which('chromedriver')
    binary = next(filter(None, map(shutil.which, (
        'chromium', 'chromium-browser', 'google-chrome'))), None)
    if not (driver and binary):
        pytest.skip('no Chromium with its chromedriver on the PATH')
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage',
                     '--hide-scrollbars'):
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', dict(browser='ALL', performance='ALL'))
    opened = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(executable_path=driver))
    yield opened
    opened.quit()


@pytest.mark.parametrize('width', [390, 1200])
def test_page_in_a_browser(browser, work_dir, page, width):
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(
        width=width, height=800, deviceScaleFactor=1, mobile=width < 500))
    browser.get(Path(work_dir, 'report.html').as_uri())
    run = browser.execute_script
    assert run('return [innerWidth, document.documentElement.scrollWidth]') == [
        width, width]  # nothing sticks out
    broken = ('return [...document.images].filter('
              'i => !i.complete || !i.naturalWidth).length')
    assert run(broken) == 0 and run('return document.images.length') == 12
    columns = "return getComputedStyle(document.querySelector('.pictures'))" \
        ".gridTemplateColumns.split(' ').length"
    assert run(columns) == (2 if width < 500 else 4)
    # what a class's filter shows, and in which order
    names = [option['value'] for option in run(
        "return [...document.querySelectorAll('#class option')].map("
        "o => ({value: o.value}))")]
    assert len(names) == 10
    for value in names[1:]:
        run("const s = document.getElementById('class'); s.value = arguments[0];"
            's.dispatchEvent(new Event("change"))', value)
        shown = run("return [...document.querySelectorAll('.card:not([hidden])')].map("
                    "c => JSON.parse(c.dataset.ious)[arguments[0]])", value)
        expected = sorted(iou for iou in run(
            "return [...document.querySelectorAll('.card')].map("
            "c => JSON.parse(c.dataset.ious)[arguments[0]])", value) if iou is not None)
        assert shown == expected
        assert run("return document.getElementById('count').textContent").startswith(
            f'{len(shown)} of 3')
    assert [entry for entry in browser.get_log('browser')] == []
    requests = [json.loads(entry['message'])['message']
                for entry in browser.get_log('performance')]
    asked = {request['params']['request']['url'].split(':')[0] for request in requests
             if request['method'] == 'Network.requestWillBeSent'}
    assert asked <= {'file', 'data'}
