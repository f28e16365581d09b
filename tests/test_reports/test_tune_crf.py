"""Fitting the CRF: what is searched, on which images, and what is printed."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from tiny_runs import BUILT_IN, CONFIGS

from fcn_plugin.checkpoints.loading import load_model
from fcn_plugin.datasets.shapes import ShapesDataset
from fcn_plugin.evaluation import boundary_distance
from fcn_plugin.inference.predict import build_val_dataset
from fcn_plugin.inference.result import Result
from fcn_plugin.models.segmentors.post_processing import use_crf
from fcn_plugin.reports import tune_crf as tuning
from fcn_plugin.reports.stride_ceiling import print_stride_ceiling


def peak(settings):
    """Highest at one place of the grid, further down with each step from it."""
    target = dict(appearance_weight=2, sigma_rgb=10, sigma_xy=25, smoothness_weight=3,
                  smoothness_sigma=1)
    away = sum(abs(tuning.SEARCHED[name].index(settings[name])
                   - tuning.SEARCHED[name].index(value)) for name, value in target.items())
    return 0.9 - 0.01 * away


def test_search_finds_the_peak(capsys):
    best, value, tried = tuning.search(peak)
    assert value == 0.9 == peak(best)
    assert len(capsys.readouterr().out.splitlines()) == tried < 60


def test_search_goes_on_until_nothing_moves():
    """The best weight follows the deviation, which is searched after it."""
    def value_of(settings):
        weight, deviation = (tuning.SEARCHED[name].index(settings[name])
                             for name in ('appearance_weight', 'sigma_rgb'))
        return 0.9 - 0.01 * abs(weight - deviation) - 0.02 * abs(deviation - 4)

    best, value, _ = tuning.search(value_of)
    assert value == 0.9 and (best['appearance_weight'], best['sigma_rgb']) == (7, 13)


def test_search_counts_no_setting_twice():
    seen = []
    tuning.search(lambda settings: seen.append(tuple(settings.items())) or 0.5)
    assert len(seen) == len(set(seen))
    without = [dict(s) for s in seen if not dict(s)['smoothness_weight']]
    assert len({s['smoothness_sigma'] for s in without}) == 1


def test_the_block_is_a_config():
    settings = dict(tuning.START, steps=5)
    config = Config.fromstring(tuning.config_block(settings), '.py')
    built = MODELS.build(config.model.post_processor)
    assert built.steps == 5 and built.kernels.sigma_xy == tuning.START['sigma_xy']


def test_training_images_without_anything_random():
    config = Config.fromfile(BUILT_IN)
    config.train_dataloader.dataset.pipeline.insert(-1, dict(type='RandomFlip', prob=1.))
    config.train_dataloader.dataset = dict(  # wrapped, as VOC and SBD are
        type='ConcatDataset', datasets=[config.train_dataloader.dataset])
    dataset = tuning.build_plain_dataset(config, 'train')
    assert all(part.test_mode for part in dataset.datasets)
    plain = ShapesDataset(length=20000, image_size=128)
    for index in range(4):
        image = dataset[index]['inputs'].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(image, plain[index]['img'])


@pytest.mark.parametrize('read', [
    lambda config, path: tuning.build_plain_dataset(config, 'train'),
    lambda config, path: build_val_dataset(config),
    lambda config, path: print_stride_ceiling(str(path))])
def test_a_folder_of_other_images(tmp_path, read):
    """mmengine fails at putting none together."""
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'a.webp').write_bytes(b'')
    data = (f"dict(dataset=dict(type='BaseSegDataset', data_root='{tmp_path}', pipeline=["
            "dict(type='LoadAnnotations')], data_prefix=dict(img_path='images')))")
    path = tmp_path / 'config.py'
    path.write_text(f'train_dataloader = {data}\nval_dataloader = {data}\n')
    with pytest.raises(ValueError, match=r"of 1 files in .+a.webp, none ends in '.jpg'"):
        read(Config.fromfile(path), path)


def test_a_split_that_is_not_there():
    config = Config.fromfile(BUILT_IN)
    config.test_dataloader = None
    with pytest.raises(ValueError, match='no test_dataloader .*another --split'):
        tuning.build_plain_dataset(config, 'test')


def test_pixels_near_a_boundary_alone(trained):
    """Less than so many pixels from it, as in the metrics."""
    model = load_model(None, trained / 'best.pth', 'cpu', rescale=False)
    dataset = build_val_dataset(model.cfg)
    example, = tuning.collect(model, dataset, [1], trimap=3)
    truth = dataset.draw(1)[1]
    distance = boundary_distance(truth, 255)
    assert (distance == 3).any()
    np.testing.assert_array_equal(example.truth, np.where(distance < 3, truth, 255))


def test_what_is_tuned_is_the_network_alone(trained, monkeypatch):
    """Without the CRF of its config, at the size of its inputs; with the steps asked for."""
    config = Config.fromfile(trained / 'config.py')
    config.model.post_processor = dict(type='DenseCRF')
    models, used, crf = [], [], tuning.DenseCRF
    monkeypatch.setattr(tuning, 'SEARCHED', dict(appearance_weight=(1, 4)))
    monkeypatch.setattr(tuning, 'load_model', lambda *args, **more: (
        models.append(load_model(*args, **more)), models[-1])[1])
    monkeypatch.setattr(tuning, 'DenseCRF', lambda steps=10, **settings: (
        used.append(steps), crf(steps=steps, **settings))[1])
    tuning.tune_crf(config, trained / 'best.pth', 1, 'val', steps=1, device='cpu')
    assert models[0].post_processor is None and not models[0].test_cfg.rescale
    assert len(used) == 4 and set(used) == {1}


def test_judging():
    truth = torch.tensor([[0, 0, 1, 255]])
    probabilities = np.eye(2, dtype=np.float16)[:, [0, 1, 1, 0]][:, None]
    example = tuning.Example(probabilities, np.zeros((1, 4, 3), np.uint8), truth, 255)
    assert tuning.judge([example])['mIoU'] == 0.5
    assert tuning.judge([example, example])['aAcc'] == pytest.approx(2 / 3)
    other = example._replace(truth=torch.tensor([[0, 3, 3, 3]]), ignore_index=3)
    assert tuning.judge([example, other])['aAcc'] == pytest.approx(3 / 4)
    assert tuning.judge([example], lambda scores, image: 1 - scores)['aAcc'] == (
        pytest.approx(1 / 3))


@pytest.mark.parametrize('given, words', [
    (dict(images=0), '--images must be at least 1, but is 0'),
    (dict(trimap=0), '--trimap must be at least 1 pixel, but is 0')])
def test_what_cannot_be_tuned(given, words):
    with pytest.raises(ValueError, match=words):
        tuning.tune_crf(Config(dict(model={})), 'a.pth', **given)


def test_what_does_not_count_is_what_the_data_set_says(monkeypatch):
    truth = np.array([[0, 0, 0, 0, 1, 1, 1, 2, 2]], np.uint8)
    result = Result(np.zeros((1, 9, 3), np.uint8), truth, 'abc', [], None,
                    np.zeros((3, 1, 9), np.float32), truth=truth, ignore_index=2)
    monkeypatch.setattr(tuning, 'predict_dataset', lambda *_, **__: [result])
    example, = tuning.collect(None, None, [0], trimap=2)
    assert example.ignore_index == 2
    np.testing.assert_array_equal(example.truth, np.where(
        boundary_distance(truth, 2) < 2, truth, 2))
    assert (boundary_distance(truth, 2) != boundary_distance(truth, 255)).any()


@pytest.mark.parametrize('gain', [0., 0.1])
def test_what_is_proposed(monkeypatch, capsys, gain):
    seen = []
    monkeypatch.setattr(tuning, 'SEARCHED', dict(appearance_weight=(1, 4)))
    monkeypatch.setattr(tuning, 'build_plain_dataset', lambda config, split: range(20))
    monkeypatch.setattr(tuning, 'load_model', lambda *_, **__: None)
    monkeypatch.setattr(tuning, 'collect', lambda model, dataset, indices, trimap: (
        seen.extend([list(indices), trimap]), [1] * 3)[1])
    monkeypatch.setattr(tuning, 'judge', lambda examples, crf=None: dict(
        mIoU=0.5 + gain * (crf is not None and crf.kernels.sigma_xy == 50), aAcc=0.9))
    found = tuning.tune_crf(Config(dict(model={})), 'a.pth', 3, 'val', 5, 7, 'cpu')
    assert seen == [[0, 10, 19], 5]
    printed = capsys.readouterr().out
    assert '3 of 20 images of val, less than 5 pixels from a boundary' in printed
    if gain:
        assert found == tuning.START and 'steps=7' in printed.split('post_processor')[1]
    else:  # none that is as good as the network alone
        assert found is None and 'post_processor' not in printed


# --- --crf -------------------------------------------------------------------------


def test_use_crf():
    config = Config.fromfile(BUILT_IN)
    use_crf(config)
    assert config.model.post_processor == dict(type='DenseCRF')
    config.model.post_processor = dict(steps=3)  # from the command line
    use_crf(config)
    assert config.model.post_processor == dict(type='DenseCRF', steps=3)
    assert config.model.type == 'FCNSegmentor'
    config.model.type = 'EncoderDecoder'
    use_crf(config)
    assert MODELS.get(config.model.type).__name__ == 'EncoderDecoderWithPostProcessor'


def test_use_crf_keeps_another_post_processor():
    config, = CONFIGS.glob('fcn/*crfrnn*shapes*')
    config = Config.fromfile(config)
    before = dict(config.model.post_processor)
    use_crf(config)
    assert config.model.post_processor == before


def test_use_crf_on_what_is_no_segmentor():
    with pytest.raises(ValueError, match="model.type is 'ReLU', expected a segmentor"):
        use_crf(Config(dict(model=dict(type='ReLU'))))
