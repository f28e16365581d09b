"""The models that come with the package."""
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import forget_runs, succeed

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.loading import load_model, open_config, read_checkpoint
from fcn_plugin.checkpoints.naming import BUNDLED, DEFAULT, is_weights, weights_file
from fcn_plugin.checkpoints.publish import publish
from fcn_plugin.diagnosis.doctor import of_config
from fcn_plugin.evaluation.confusion import segmentation_metrics
from fcn_plugin.reports.evaluate_folder import evaluate_folder
from fcn_plugin.utils.errors import InputError
from fcn_plugin.utils.paths import config_names

SKY, BUILDING, ROAD = 0, 1, 3


@pytest.fixture(scope='module')
def street():
    """A bright sky, two rows of houses, pavements and a road, 360x480.

    Pavements are too smooth for the model, and so is a patch of the road.
    """
    image = np.empty((360, 480, 3), np.uint8)
    image[:] = np.linspace((190, 210, 235), (235, 240, 245), 360)[:, None]
    for side in (1, -1):
        def x(value):
            return value if side == 1 else 479 - value
        cv2.fillPoly(image, [np.array([(x(0), 20), (x(190), 150), (x(190), 200),
                                       (x(0), 270)])], (120, 100, 88))
        for column in range(10, 150, 35):
            for row in range(80, 200, 45):
                cv2.rectangle(image, (x(column), row + column // 3),
                              (x(column + 14), row + 20 + column // 4), (70, 60, 55), -1)
    cv2.fillPoly(image, [np.array([(190, 200), (289, 200), (479, 270), (479, 359),
                                   (0, 359), (0, 270)])], (150, 143, 135))
    cv2.fillPoly(image, [np.array([(190, 200), (289, 200), (479, 330), (479, 359),
                                   (0, 359), (0, 330)])], (95, 95, 98))
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    return cv2.GaussianBlur(image + noise, None, 0.7).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize('name, terms', [('objects', 'Flickr'), ('street', 'CC BY-NC')])
def test_they_are_small_and_say_where_they_come_from(name, terms):
    assert BUNDLED[name].stat().st_size < 12e6
    model = load_model(checkpoint=name, device='cpu')
    assert sum(value.numel() for value in model.parameters()) < 6e6
    notes = read_checkpoint(BUNDLED[name])['meta']['notes']
    assert terms in notes['terms'] and notes['mIoU'] > 60
    assert b'/tmp' not in BUNDLED[name].read_bytes()


def test_each_has_a_card_and_is_shipped():
    files = {path.stem for path in BUNDLED['street'].parent.glob('*.safetensors')}
    assert files == set(BUNDLED) and DEFAULT in BUNDLED
    for path in BUNDLED.values():
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f'\n{digest}  {path.name}\n' in path.with_suffix('.md').read_text('utf-8')


def test_one_that_is_not_what_its_card_names_is_refused(tmp_path):
    for path in (BUNDLED['street'], BUNDLED['street'].with_suffix('.md')):
        shutil.copy(path, tmp_path)
    file = tmp_path / 'street.safetensors'
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"is not the file that '.*street.md' names"):
        FCNInferencer(file, device='cpu')


@pytest.mark.parametrize('name, expected', [
    ('street', True), ('x.pth', True), ('hf://user/name', True), ('https://a/b', True),
    ('https://a/b.SAFETENSORS', True), ('https://a/b.py', False), ('http://a/b.ONNX', False),
    ('x.py', False), ('x', False)])
def test_what_names_weights(name, expected):
    assert is_weights(name) is expected


def test_their_names_of_before_are_understood():
    before = BUNDLED['street'].with_suffix('.pth')
    assert weights_file(before) == weights_file(str(before)) == BUNDLED['street']
    assert weights_file('street.pth') == 'street.pth'  # a user's


def test_a_work_dir_stands_for_its_best_checkpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    work = Path('work_dirs/mine')
    work.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="in the folder 'work_dirs/mine': expected"):
        weights_file(work)
    for name in ('iter_20.pth', 'iter_40.pth'):
        (work / name).touch()
    (work / 'last_checkpoint').write_text('/elsewhere/work_dirs/mine/iter_40.pth')
    assert weights_file(work) == work / 'iter_40.pth'
    (work / 'best_mIoU_iter_20.pth').touch()
    assert weights_file('work_dirs/mine') == work / 'best_mIoU_iter_20.pth'
    assert is_weights(work) and is_weights(str(work)) and not is_weights('work_dirs')
    config = next(iter(config_names()))
    work.rename(config)  # whose name says which config it is
    assert not is_weights(config)
    Path('street').mkdir()  # a folder of photographs
    assert weights_file('street') == BUNDLED['street']


def test_which_checkpoint_of_a_work_dir_is_taken_is_said(trained, tmp_path, capsys):
    shutil.copy(trained / 'best.pth', tmp_path / 'best_mIoU_iter_9.pth')
    forget_runs()
    load_model(checkpoint=tmp_path, device='cpu')
    assert f'the checkpoint of {tmp_path} is best_mIoU_iter_9.pth' in capsys.readouterr().out


WITHOUT_TORCHVISION = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, *args):
        return None if name.split('.')[0] == 'torchvision' else super().find_spec(name, *args)

sys.meta_path = [Finder if each is PathFinder else each for each in sys.meta_path]
from fcn_plugin.cli import main
main()
"""


def test_it_needs_no_torchvision(street, tmp_path):
    """Its config names a type of mmpretrain, whose data sets want one."""
    cv2.imwrite(str(tmp_path / 'street.png'), street)
    done = subprocess.run([sys.executable, '-c', WITHOUT_TORCHVISION, 'predict', 'street.png',
                           '--out', 'out'], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / 'out').glob('street*'))


def test_it_labels_a_street_that_was_drawn(street):
    segment = FCNInferencer('street', device='cpu')
    assert repr(segment) == (
        'FCNInferencer(11 classes: sky, building, pole, road, pavement, ...)')
    result = segment(street)
    assert result.class_names[ROAD] == 'road' and result.labels.shape == (360, 480)
    for rows, columns, label, share in (
            (slice(0, 40), slice(200, 280), SKY, 0.95),
            (slice(100, 190), slice(5, 100), BUILDING, 0.8),
            (slice(100, 190), slice(380, 475), BUILDING, 0.6),
            (slice(260, 350), slice(150, 330), ROAD, 0.8)):
        assert (result.labels[rows, columns] == label).mean() > share, (rows, columns)


@pytest.mark.parametrize('named', [None, 'street'])
def test_terms_are_said_where_nobody_named_a_file(named, capsys):
    forget_runs()  # the logger is to write to this test's stdout
    load_model(checkpoint=named, device='cpu')
    line, = [line for line in capsys.readouterr().out.splitlines() if 'commercial' in line]
    assert f'the {named or DEFAULT} model' in line and 'not for commercial use' in line
    licence = Path(line.split(': ')[-1])
    assert 'CC-BY-NC-4.0' in licence.read_text(encoding='utf-8')
    load_model(checkpoint=BUNDLED['street'], device='cpu')
    assert 'commercial' not in capsys.readouterr().out


def test_by_name(street, tmp_path, monkeypatch):
    expected = FCNInferencer(weights='street', device='cpu')(street).labels
    assert (FCNInferencer(BUNDLED['street'], device='cpu')(street).labels == expected).all()
    cv2.imwrite(str(tmp_path / 'street.png'), street[..., ::-1])
    args = ('--img-path', tmp_path / 'street.png', '--device', 'cpu', '--out-dir')
    succeed('predict.py', *args, tmp_path / 'named', '--weight-path', 'street')
    assert (np.asarray(Image.open(tmp_path / 'named/street_labels.png')) == expected).all()
    assert f'no weights named: the {DEFAULT} model of the package (' in succeed(
        'predict.py', *args, tmp_path / 'default')
    assert 'no weights named' not in succeed('predict.py', *args, tmp_path / 'as config',
                                             '--config', 'street')
    with pytest.raises(FileNotFoundError, match="no file 'stret', .+ objects, street"):
        FCNInferencer(weights='stret')
    monkeypatch.chdir(tmp_path)
    Path('street').write_bytes(b'mine')  # a file goes first
    with pytest.raises(ValueError, match="cannot load the checkpoint 'street'"):
        FCNInferencer(weights='street')


def test_commands_that_look_at_a_network_take_them_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path('street').mkdir()  # as `--out street` leaves it: a folder is no checkpoint
    kept = open_config('street', {'model.backbone.frozen_stages': 1}, launcher='pytorch')
    assert kept.model.backbone.frozen_stages == 1 and kept.launcher == 'pytorch'
    assert kept.work_dir == str(Path('work_dirs/street'))
    assert kept.model.decode_head.num_classes == 11
    succeed('misc/describe_backbone.py', 'street')
    assert 'parameters  5.0' in succeed('misc/describe_backbone.py', 'street', '--shape', 32,
                                        32, '--device', 'cpu')
    found = list(of_config('objects'))
    assert [each.what for each in found if 'is read' in each.what or 'built' in each.what] == [
        'it is read', 'the model is built, and the head fits the backbone']
    torch.save(dict(state_dict={}, meta={}), 'bare.pth')
    with pytest.raises(ValueError, match="'bare.pth' keeps no config: name the config"):
        open_config('bare.pth')
    with pytest.raises(FileNotFoundError, match="no file 'stret', .+ objects, street"):
        publish('stret', 'mine.pth')


def test_what_is_published_of_them_keeps_their_terms(tmp_path):
    out = publish('street', tmp_path / 'mine.safetensors', 'float32', dict(license='mine'))
    before, after = read_checkpoint('street'), read_checkpoint(out)
    assert after['meta']['notes'] == before['meta']['notes'] | dict(license='mine')
    assert before['meta']['notes']['terms'] in out.with_suffix('.md').read_text('utf-8')
    for key, value in before['state_dict'].items():
        torch.testing.assert_close(after['state_dict'][key].float(), value.float(), rtol=0,
                                   atol=0)


def test_what_predict_has_written_is_right_for_test_and_evaluate(street, tmp_path):
    for folder in ('val', 'valannot'):
        (tmp_path / folder).mkdir()
    for name, image in dict(a=street, b=street[::2, 100:300], c=street[:40, :7]).items():
        cv2.imwrite(str(tmp_path / 'val' / f'{name}.png'), image[..., ::-1])
        labels = FCNInferencer('street', device='cpu')(image).labels
        Image.fromarray(labels.astype(np.uint8)).save(tmp_path / 'valannot' / f'{name}.png')
    found = succeed('test.py', 'street', 'street', '--work-dir', tmp_path / 'work',
                    '--original-size', '--cfg-options',
                    f'test_dataloader.dataset.data_root={tmp_path}',
                    'test_dataloader.num_workers=0',
                    'test_dataloader.persistent_workers=False')
    assert 'pixel accuracy          100.00' in found
    judged = evaluate_folder('street', tmp_path / 'val', tmp_path / 'valannot', device='cpu')
    matrix = judged['as taken'].matrix
    assert matrix.sum() == matrix.diag().sum() == 360 * 480 + 180 * 200 + 40 * 7


def test_a_config_without_weights_is_not_filled_from_it(trained):
    with pytest.raises(ValueError, match='no weights: name a checkpoint beside the config'):
        load_model(trained / 'config.py')
    with pytest.raises(ValueError, match='no weights: name a checkpoint beside the backb'):
        load_model(backbone='vgg16')


def test_the_figure_on_real_streets(test_data):
    """On every fourth image of those that the notes are of, it is the same."""
    found, = evaluate_folder('street', test_data / 'data/camvid/val',
                             test_data / 'data/camvid/valannot', ignore=[11],
                             device='cpu', max_images=25).values()
    measured = 100 * segmentation_metrics(found.matrix)['mIoU']
    noted = read_checkpoint(BUNDLED['street'])['meta']['notes']['mIoU']
    assert measured == pytest.approx(noted, abs=0.1)


def test_the_figure_on_real_photographs(test_data):
    """On every tenth image of those that chose the recipe."""
    voc = test_data / 'data/voc'
    names = (voc / 'ImageSets/Segmentation/dev.txt').read_text().split()[::10]
    segment, right, pixels = FCNInferencer(device='cpu'), 0, 0
    for name in names:
        labels = segment(voc / f'JPEGImages/{name}.jpg').labels
        truth = np.asarray(Image.open(voc / f'SegmentationClass/{name}.png'))
        right += (labels == truth).sum()
        pixels += (truth != 255).sum()
    noted = read_checkpoint(BUNDLED['objects'])['meta']['notes']['aAcc']
    assert 100 * right / pixels == pytest.approx(noted, abs=3)
