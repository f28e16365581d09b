"""The model that comes with the package."""
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_runs import forget_runs, succeed

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.loading import STREET_MODEL, load_model, read_checkpoint
from fcn_plugin.evaluation.confusion import segmentation_metrics
from fcn_plugin.reports.evaluate_folder import evaluate_folder

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
                                       (x(0), 270)])], (110, 85, 70))
        for column in range(10, 150, 35):
            for row in range(80, 200, 45):
                cv2.rectangle(image, (x(column), row + column // 3),
                              (x(column + 14), row + 20 + column // 4), (85, 72, 62), -1)
    cv2.fillPoly(image, [np.array([(190, 200), (289, 200), (479, 270), (479, 359),
                                   (0, 359), (0, 270)])], (150, 143, 135))
    cv2.fillPoly(image, [np.array([(190, 200), (289, 200), (479, 330), (479, 359),
                                   (0, 359), (0, 330)])], (95, 95, 98))
    noise = np.random.default_rng(0).normal(0, 6, image.shape)
    return cv2.GaussianBlur(image + noise, None, 1).clip(0, 255).astype(np.uint8)


def test_it_is_small_and_says_where_it_comes_from():
    assert STREET_MODEL.stat().st_size < 12e6
    model = load_model(device='cpu')
    assert sum(value.numel() for value in model.parameters()) < 6e6
    notes = read_checkpoint(STREET_MODEL)['meta']['notes']
    assert 'CC BY-NC' in notes['terms'] and notes['mIoU'] > 60
    assert b'/tmp' not in STREET_MODEL.read_bytes()


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
    segment = FCNInferencer(device='cpu')
    assert repr(segment) == (
        'FCNInferencer(11 classes: sky, building, pole, road, pavement, ...)')
    result = segment(street)
    assert result.class_names[ROAD] == 'road' and result.labels.shape == (360, 480)
    for rows, columns, label, share in (
            (slice(0, 40), slice(200, 280), SKY, 0.95),
            (slice(100, 190), slice(5, 100), BUILDING, 0.9),
            (slice(100, 190), slice(380, 475), BUILDING, 0.9),
            (slice(260, 350), slice(150, 330), ROAD, 0.8)):
        assert (result.labels[rows, columns] == label).mean() > share, (rows, columns)


def test_its_terms_are_said_where_nobody_named_it(capsys):
    forget_runs()  # the logger is to write to this test's stdout
    load_model(device='cpu')
    line, = [line for line in capsys.readouterr().out.splitlines() if 'commercial' in line]
    assert 'not for commercial use' in line
    licence = Path(line.split(': ')[-1])
    assert 'CC-BY-NC-4.0' in licence.read_text(encoding='utf-8')
    load_model(checkpoint=STREET_MODEL, device='cpu')
    assert 'commercial' not in capsys.readouterr().out


def test_predict_takes_it_where_none_is_named(street, tmp_path):
    cv2.imwrite(str(tmp_path / 'street.png'), street[..., ::-1])
    out = succeed('predict.py', '--img-path', tmp_path / 'street.png', '--out-dir',
                  tmp_path / 'out', '--device', 'cpu')
    assert 'no weights named: the street model of the package (sky, building, pole' in out
    assert (tmp_path / 'out/street_overlay.png').is_file()


def test_it_can_be_exported(street, tmp_path):
    """By the command of the documentation; labels of sizes other than the traced one."""
    pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")
    file = tmp_path / 'street.onnx'
    assert '100.000 % of labels equal' in succeed('export.py', '--out', file)
    graph, network = FCNInferencer(file, device='cpu'), FCNInferencer(device='cpu')
    for image in (street, street[:131, :97]):
        assert (graph(image).labels == network(image).labels).mean() > 0.9999


def test_a_config_without_weights_is_not_filled_from_it(trained):
    with pytest.raises(ValueError, match='no weights: name a checkpoint beside the config'):
        load_model(trained / 'config.py')
    with pytest.raises(ValueError, match='no weights: name a checkpoint beside the backb'):
        load_model(backbone='vgg16')


def test_its_figure_on_real_streets(test_data):
    found, = evaluate_folder(None, test_data / 'data/camvid/val',
                             test_data / 'data/camvid/valannot', ignore=[11],
                             device='cpu').values()
    measured = 100 * segmentation_metrics(found.matrix)['mIoU']
    noted = read_checkpoint(STREET_MODEL)['meta']['notes']['mIoU']
    assert measured == pytest.approx(noted, abs=0.3)
