"""A training run as a page, and the page in a browser."""
import base64
import io
import json
import os
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from chromium import chromium
from PIL import Image
from tiny_runs import HERE, SHAPES, run_tool, succeed, write_config

from fcn_plugin import visualization as vis
from fcn_plugin.checkpoints.loading import load_model
from fcn_plugin.checkpoints.naming import BUNDLED
from fcn_plugin.inference.predict import build_val_dataset, predict_dataset
from fcn_plugin.inference.result import Result
from fcn_plugin.reports.judge import Evaluation, choose_images, evaluate
from fcn_plugin.reports.report import (
    Run,
    _card,
    _charts,
    _class_rows,
    _confusions,
    _names,
    _picture,
    _rank,
    _table,
    read_run,
    report,
)

TENSORBOARD = """
visualizer = dict(vis_backends=[
    dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')])
"""


CAMVID = {'val_dataloader.dataset': dict(
    _delete_=True, type='CamVidDataset', data_root='nowhere', img_suffix='.png',
    data_prefix=dict(img_path='a', seg_map_path='b'), pipeline=[])}


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
    (dict(cfg_options=CAMVID), 'nowhere.*--images 0'),
    (dict(cfg_options={**CAMVID, 'val_dataloader.dataset.data_root': '.',
                       'val_dataloader.dataset.data_prefix.img_path': ''}),
     'finds no images.*--images 0'),
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
    assert read_run(work_dir, weight_path='street').checkpoint == BUNDLED['street']
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
    run = read_run(moved)
    assert [values['step'] for values in run.train] == [1, 2, 3, 4, 5]
    assert run.train[-1]['loss'] == 9 and run.val[-1]['mIoU'] == 7
    assert run.checkpoint == moved / 'iter_4.pth'  # last_checkpoint names the old place


@pytest.fixture
def two_runs(work_dir, tmp_path):
    """A work dir in which another training was begun later, and cut off at its first step."""
    folder = tmp_path / 'two'
    shutil.copytree(work_dir, folder)
    old, = folder.glob('*/vis_data/config.py')
    new = folder / '20990101_000000/vis_data'
    new.mkdir(parents=True)
    text = old.read_text().replace('max_iters=4', 'max_iters=9')
    (new / 'config.py').write_text(text)
    (new / 'scalars.json').write_text(json.dumps(dict(loss=9., step=1)) + '\n')
    # a copied folder says nothing by its files' times
    (folder / 'another.py').write_text(text)
    for path in (folder / 'another.py', *folder.glob('best_*.pth')):
        os.utime(path, (1, 1))
    return folder


def test_the_config_of_a_run_that_was_gone_on_with(tmp_path):
    """Its last start wrote the one of that text; another is of a run before."""
    for name, resume in (('20260101_000000', False), ('20260102_000000', True)):
        start = tmp_path / name / 'vis_data'
        start.mkdir(parents=True)
        (start / 'config.py').write_text(f'resume = {resume}\n')
        (start / 'scalars.json').write_text('{"loss": 1, "step": 1}\n')
        (start.parent / f'{name}.log').write_text(
            f'System environment:\n    on: {name}\n' + '-' * 60 + '\n')
    (tmp_path / 'before.py').write_text('a = 1\n')
    (tmp_path / 'run.py').write_text('resume = True\n')
    run = read_run(tmp_path)
    assert Path(run.config.filename).name == 'run.py'
    assert run.environment == 'on: 20260102_000000'


def test_the_last_of_two_runs_in_one_folder(two_runs):
    """Its config and its scalars, and none of the other's figures."""
    run = read_run(two_runs)
    assert Path(run.config.filename).name == 'another.py'
    assert run.config.train_cfg.max_iters == 9
    assert [line['loss'] for line in run.train] == [9.] and run.val == []
    assert run.checkpoint is None and run.environment == ''
    with pytest.raises(FileNotFoundError, match='no checkpoint of its last run: give --'):
        report(two_runs, two_runs / 'page.html', device='cpu')
    # validated later than the other was: nothing of that is left before it
    scalars = two_runs / '20990101_000000/vis_data/scalars.json'
    scalars.write_text(json.dumps(dict(mIoU=7., step=3)) + '\n')
    assert [line['step'] for line in read_run(two_runs).val] == [3]
    # where the run was resumed, all before that step is its own
    config = scalars.with_name('config.py')
    for before, now in (('resume=False', 'resume=True'),
                        ('resume=True', 'resume = True')):  # as 0.2 wrote it
        text = config.read_text()
        assert f'\n{before}\n' in text
        config.write_text(text.replace(before, now))
        run = read_run(two_runs, two_runs / 'tiny.py')
        assert [line['step'] for line in run.val] == [2, 3]
    assert run.checkpoint.name.startswith('best_mIoU_')
    shutil.rmtree(two_runs / '20990101_000000')
    run = read_run(two_runs)
    assert Path(run.config.filename).name == 'tiny.py' and len(run.val) == 2
    (two_runs / 'tiny.py').unlink()
    (two_runs / 'third.py').write_text('a = 1')
    with pytest.raises(ValueError, match='several configs .another.py, third.py.*--config'):
        read_run(two_runs)


@pytest.mark.parametrize('left, which', [
    ({'best_mIoU_iter_80.pth': (80, '20260101_000009'),
      'best_mIoU_iter_120.pth': (120, '20260101_000010')}, 'best_mIoU_iter_120.pth'),
    # of the run that was begun anew, which is behind the one before
    ({'best_mIoU_iter_80.pth': (80, '20260103_000000'),
      'best_mIoU_iter_120.pth': (120, '20260101_000000')}, 'best_mIoU_iter_80.pth'),
    # by another figure, later
    ({'best_mIoU_iter_80.pth': (80, '20260101_000000'),
      'best_mAcc_iter_120.pth': (120, '20260102_000000')}, 'best_mIoU_iter_80.pth'),
    # what was cut while it was written
    ({'best_mIoU_iter_80.pth': (80, '20260101_000000'),
      'best_mIoU_iter_120.part.pth': (120, '20260102_000000')}, 'best_mIoU_iter_80.pth'),
    ({'best_own_figure_epoch_3.pth': (80, '20260101_000000')}, 'best_own_figure_epoch_3.pth'),
    ({'iter_4.pth': (4, '20260101_000000')}, 'iter_4.pth'),
    ({}, None)])
def test_which_checkpoint_is_the_best(tmp_path, left, which):
    (tmp_path / 'config.py').write_text('a = 1')
    (tmp_path / 'last_checkpoint').write_text('/where/it/was/iter_4.pth')
    for age, (name, (step, time)) in enumerate(left.items()):
        torch.save(dict(meta=dict(iter=step, time=time)), tmp_path / name)
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    found = read_run(tmp_path).checkpoint
    assert (found and found.name) == which


# --- what is judged ----------------------------------------------------------------


def result(labels, truth):
    return Result(None, np.array(labels, np.uint8), (), (), truth=np.array(truth))


def test_evaluate():
    results = [result([[0, 1]], [[0, 0]]), result([[2, 2]], [[2, 255]])]
    found = evaluate(results, 3)
    assert found.matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert np.allclose(found.iou[0], [0.5, 0, np.nan], equal_nan=True)
    assert found.in_truth.tolist() == [[True, False, False], [False, False, True]]
    assert np.allclose(found.image_iou, [0.25, 1])
    ignoring = replace(result([[0, 2]], [[0, 1]]), ignore_index=1)
    assert evaluate([ignoring], 3).matrix.sum() == 1
    with pytest.raises(ValueError, match='no truth'):
        evaluate([Result(None, np.zeros((1, 1), np.uint8), (), ())], 2)


def test_choose_images():
    """Worst, median and best of all come first, then each class's."""
    iou = np.full((20, 2), np.nan)
    iou[:, 0] = np.linspace(0, 1, 20)[::-1]
    iou[4, 1], iou[5, 1] = 0.1, 0.9
    found = Evaluation(torch.zeros(2, 2), iou, np.isfinite(iou))
    chosen = choose_images(found, 30)
    assert chosen[:3] == [19, 18, 17] and chosen[6:9] == [0, 1, 2]
    assert set(chosen[3:6]) == {4, 10, 11} and {4, 5} < set(chosen)
    assert len(set(chosen)) == len(chosen)
    assert choose_images(found, 4) == chosen[:4]
    found.iou[4], found.iou[13, 1] = (0.8, 0.5), 0.1  # of class 1 the worst is 13
    found.in_truth[13, 1] = True
    assert choose_images(found, 10)[9] == 13 and choose_images(found, 12)[-2:] == [5, 4]
    found.iou[7], found.in_truth[7] = np.nan, False  # nothing to judge in it
    assert 7 not in choose_images(found, 30)


def test_of_each_class_images_that_have_it_are_chosen():
    iou = np.full((20, 2), np.nan)
    iou[:, 0] = np.linspace(0, 1, 20)
    iou[[7, 6, 5, 4, 13], 1] = 0.1, 0.2, 0.6, 0.7, 0.
    in_truth = np.isfinite(iou)
    in_truth[13, 1] = False  # where it is predicted and is not
    found = Evaluation(torch.zeros(2, 2), iou, in_truth)
    means = found.image_iou.argsort()
    all_classes = [*means[:3], *means[8:11], *means[:-4:-1]]
    expected = [0, 7, 19, 4, 10, 5]  # worst, best, median of both
    assert choose_images(found, 30) == list(dict.fromkeys(map(int, [*all_classes, *expected])))


def test_a_card_is_of_its_image():
    image = np.random.randint(0, 256, (300, 320, 3), np.uint8)
    labels, truth = np.zeros((2, 300, 320), np.uint8)
    labels[:150], truth[:200], truth[250:], truth[0, 0] = 1, 1, 3, 2
    labels[0, 9] = 4  # which is predicted alone
    results = [replace(result(labels, truth), image=image, ignore_index=3),
               replace(result(truth, truth), image=image, ignore_index=3)]
    meta = dict(classes='abcde', palette=vis.default_palette(5), background=0)
    found = evaluate(results, 5)
    cards = [_card(one, place, found, meta, 0.9) for place, one in enumerate(results)]
    assert [json.loads(card['ious']) for card in cards] == [
        {'0': 50.0, '1': 75.0, '2': 0.0}, {'0': 100.0, '1': 100.0, '2': 100.0}]
    assert [(card['iou'], card['rank']) for card in cards] == [
        (31.2, 'the worst of 2'), (100.0, 'the best of 2')]
    row = vis.comparison_row(image, labels, truth, meta['palette'], 0.9, 3, 0)
    for shown, picture in zip(cards[0]['pictures'], row, strict=True):
        assert shown == dict(title=shown['title'], **_picture(picture))


@pytest.mark.parametrize('size, shown', [
    ((10, 20), (10, 20)), ((1000, 720), (500, 360)), ((1, 900), (1, 360))])
def test_pictures_are_not_wider_than_a_phone(size, shown):
    found = _picture(np.zeros((*size, 3), np.uint8))
    assert (found['height'], found['width']) == shown


def test_two_losses_of_which_one_is_the_sum_are_one_curve():
    def names(*terms):
        run = Run(None, None, None, [
            {'step': step, 'loss': 1., **dict.fromkeys(terms, 0.5)} for step in range(3)])
        return re.findall(r'>(loss\w*)</text>', _charts(run)[0])

    assert names('loss_ce') == [] and names('loss_ce', 'loss_aux') == [
        'loss', 'loss_ce', 'loss_aux']


def test_rows_are_of_the_truth():
    matrix = torch.tensor([[8, 2, 0], [0, 5, 1], [0, 0, 0]])
    assert _confusions(matrix, 'abc') == [
        dict(truth='a', prediction='b', share='12.50'),
        dict(truth='b', prediction='c', share='6.25')]
    assert _table(matrix) == [[80, 20, 0], [0, 83.3, 16.7], [None] * 3]
    meta = dict(classes='abc', palette=[[1, 2, 3]] * 3, background=0)
    rows = _class_rows(dict(IoU=[0.5] * 3, Acc=[0.25] * 3), matrix, meta)
    assert [row['share'] for row in rows] == [62.5, 37.5, 0]
    assert all((row['iou'], row['acc']) == (50, 25) for row in rows)
    assert [row['colour'] for row in rows] == ['none', '#010203', '#010203']


@pytest.mark.parametrize('values, words', [
    ([.5], ['the only one']),
    ([.5, np.nan], ['the only one']),
    ([.9, .5], ['the best of 2', 'the worst of 2']),
    ([.9, .5, .1], ['the best of 3', 'the median of 3', 'the worst of 3']),
    ([.9, .5, .4, .1], ['the best of 4', 'number 2 of 4 from the best',
                        'number 3 of 4 from the best', 'the worst of 4']),
    ([.9, .8, .5, .2, .1], ['the best of 5', 'number 2 of 5 from the best', 'the median of 5',
                            'number 4 of 5 from the best', 'the worst of 5']),
    ([.5, .5], ['all 2 alike'] * 2),
    ([.9, .5, .5], ['the best of 3'] + ['one of the 2 worst of 3'] * 2),
    ([.9, .9, .5], ['one of the 2 best of 3'] * 2 + ['the worst of 3']),
])
def test_what_is_said_of_an_image(values, words):
    assert [_rank(np.array(values), place) for place in range(len(words))] == words


def test_images_of_the_same_name_are_told_apart():
    def names(*paths):
        return _names([Path(path) for path in paths])

    assert names('d/val/a/1.png', 'd/val/b/1.png') == ['a/1.png', 'b/1.png']
    assert names('/d/val/a/1.png', '/d/val/a/2.png') == ['1.png', '2.png']
    assert names('/d/1.png', '/d/val/1.png') == ['1.png', 'val/1.png']
    assert names('image 3') == ['image 3'] and names() == []


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


def test_judged_at_the_size_at_which_validation_judges(trained, tmp_path):
    """That of the pipeline, where the config says rescale=False: not at the image's own and
    then at that one."""
    loader = f"""dict(batch_size=2, {HERE}, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ShapesDataset', length=3, split='val', image_size=(40, 70), pipeline=[
        dict(type='Resize', scale=(96, 80)), dict(type='PackSegInputs')]))"""
    config = write_config(tmp_path, f"""
_base_ = '{trained}/config.py'
val_dataloader = dict(_delete_=True, **{loader})
test_dataloader = {loader}
val_evaluator = test_evaluator = dict(type='FCNMetric')
val_cfg, test_cfg = dict(type='ValLoop'), dict(type='TestLoop')
""")
    page = report(tmp_path, config=config, weight_path=trained / 'best.pth', device='cpu')
    succeed('test.py', config, trained / 'best.pth', '--work-dir', tmp_path / 'test')
    log, = (tmp_path / 'test').glob('*/*.json')
    metrics = json.loads(log.read_text())
    shown = re.findall(r'<b>([\d.]+)</b>', page.read_text())
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
    captions = re.findall(r'<span class="dim">\((.*?)\)', page)
    assert sorted(captions) == sorted(_rank(shown_ious(page), place) for place in range(3))
    assert 'All 3 images.' in elements.text


def shown_ious(page):
    return np.array([float(iou) for iou in re.findall(r'data-iou="(.*?)"', page)])


def test_pictures_show_what_they_are_called(work_dir, page):
    """Truth is the truth and prediction the prediction."""
    run = read_run(work_dir)
    model = load_model(run.config, run.checkpoint, 'cpu', rescale=False)
    found = {result.path.name: result for result in predict_dataset(
        model, build_val_dataset(model.cfg), range(3))}
    meta = model.dataset_meta
    cards = re.findall(r'<figcaption>.*? · (.*?) <span.*?</figure>', page, re.S)
    assert sorted(cards) == sorted(found)
    for name, card in zip(cards, page.split('<figure ')[1:]):
        result = found[name]
        assert (result.labels != result.truth).any()
        row = vis.comparison_row(result.image, result.labels, None, meta['palette'], 0.6,
                                 255, meta['background'])
        expected = dict(image=row[0], prediction=row[1], truth=vis.comparison_row(
            result.image, result.truth, None, meta['palette'], 0.6, 255,
            meta['background'])[1])
        shown = {title: np.array(Image.open(io.BytesIO(base64.b64decode(code))).convert('RGB'))
                 for code, title in re.findall(r'base64,(.*?)".*?alt="(.*?)"', card)}
        assert set(shown) == {'image', 'truth', 'prediction', 'errors'}
        for title, picture in expected.items():
            picture = cv2.resize(picture, shown[title].shape[1::-1],
                                 interpolation=cv2.INTER_AREA)
            apart = {other: np.abs(shown[other].astype(int) - picture).mean()
                     for other in shown}
            assert min(apart, key=apart.get) == title and apart[title] < 8, apart


@pytest.mark.parametrize('judged, shown, words', [
    (1, 9, 'The only image.'), (2, 9, 'All 2 images.'),
    (3, 1, '1 of 3 images, chosen among the worst')])
def test_pages_of_few_images(work_dir, page, tmp_path, judged, shown, words):
    every = sorted(re.findall(r'<figcaption>.*? · (.*?) <span', page))
    page = report(work_dir, tmp_path / 'page.html', images=shown, max_images=judged,
                  device='cpu').read_text()
    elements = Elements(page)
    names = re.findall(r'<figcaption>.*? · (.*?) <span', page)
    assert len(set(names)) == len(names) == min(shown, judged)
    if judged == 2:  # evenly spread
        assert sorted(names) == [every[0], every[2]]
    assert words in elements.text
    said = re.findall(r'<span class="dim">\((.*?)\)', page)
    assert said == {1: ['the only one'], 2: ['the worst of 2', 'the best of 2'],
                    3: ['the worst of 3']}[judged]


def test_a_page_of_a_run_without_a_log(work_dir, tmp_path):
    folder = tmp_path / 'copied'
    shutil.copytree(work_dir, folder, ignore=shutil.ignore_patterns('2*', 'test'))
    (folder / 'report.html').unlink(missing_ok=True)
    elements = Elements(report(folder, images=0).read_text())
    assert not elements.of_class('figure') and 'best_mIoU' in elements.text


def test_figures_that_are_no_number(work_dir, tmp_path):
    folder = tmp_path / 'copied'
    shutil.copytree(work_dir, folder)
    log, = folder.glob('*/vis_data/scalars.json')
    with log.open('a') as file:
        file.write('{"mIoU": NaN, "aAcc": 50.0, "step": 4}\n')
    page = report(folder, tmp_path / 'page.html', images=0).read_text()
    assert re.findall(r'<b>(.*?)</b>', page) == ['–', '50.00']


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
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp('profile')) as opened:
        opened.get('about:blank')
        opened.get_log('performance')  # takes out what the browser's own first page asked for
        yield opened


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
