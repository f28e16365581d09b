"""Which images to label next."""
import json
import tracemalloc

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import run_tool

from fcn_plugin.checkpoints.loading import load_model
from fcn_plugin.inference.inferencer import FCNInferencer
from fcn_plugin.models.geometry import pad_to_multiple
from fcn_plugin.reports.suggest import by_labels, choose, look_at, suggest
from fcn_plugin.runtimes.torch_backend import TorchBackend, prediction_of, run_pipeline

TOOL = 'analysis_tools/suggest.py'


@pytest.fixture
def folder(tmp_path):
    """Seven images in two folders, of which labelme has one."""
    folder = tmp_path / 'images'
    for i, name in enumerate(('a/1', 'a/2', 'a/3', 'b/1', 'b/道', 'b/3', 'c')):
        file = folder / f'{name}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        patches = np.random.default_rng(i).integers(0, 256, (3, 4, 3), np.uint8)
        Image.fromarray(np.kron(patches, np.ones((16, 16, 1), np.uint8))).save(file)
    (folder / 'a/2.json').write_text(json.dumps(dict(
        imagePath='2.png', imageHeight=48, imageWidth=64, shapes=[dict(
            label='x', points=[[0, 0], [9, 0], [9, 9]], shape_type='polygon')])))
    return folder


def unit(features):
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def gained(features, labelled, chosen):
    """What is chosen and labelled stands for, by the definition."""
    best = features @ np.concatenate([labelled, features[chosen]]).T
    return best.max(1).sum()


@pytest.mark.parametrize('known', [0, 7])
def test_each_choice_adds_most(known):
    """Of all images, whatever was chosen before; the labelled count as chosen."""
    rng = np.random.default_rng(known)
    features, labelled = unit(rng.normal(size=(60, 5))), unit(rng.normal(size=(known + 1, 5)))
    labelled = labelled[:known]
    chosen = choose(features, labelled, np.zeros(60), 12)
    assert len(set(chosen)) == 12
    for place, best in enumerate(chosen):
        others = [i for i in range(60) if i not in chosen[:place]]
        sums = [gained(features, labelled, [*chosen[:place], i]) for i in others]
        assert gained(features, labelled, chosen[:place + 1]) == pytest.approx(max(sums))


def test_large_scenes_first_and_those_with_labels_last():
    scenes = np.repeat(np.eye(3), (20, 5, 3), axis=0)
    features = unit(scenes + np.random.default_rng(0).normal(0, 0.01, scenes.shape))
    first, second, third = choose(features, features[:0], np.zeros(28), 3)
    assert first < 20 <= second < 25 <= third
    first, second, _ = choose(features, features[[3]], np.zeros(28), 3)
    assert 20 <= first < 25 <= second
    assert sorted(choose(features, features[[3]], np.zeros(28), 1000)) == list(range(28))


def test_doubles_come_last_and_of_them_the_least_sure_first():
    features = np.array([[1, 0], [1 - 1e-9, 0], [0, 1], [1, 0]])  # to the last digits
    none = features[:0]
    assert choose(features, none, np.array([0.8, 0.9, 0.1, 0.85]), 4) == [1, 2, 3, 0]
    assert sorted(choose(features, none, np.zeros(4), 4)) == [0, 1, 2, 3]


def test_images_without_labels_are_listed_and_shown(trained, folder, tmp_path, capsys):
    chosen = suggest(trained / 'best.pth', folder, 4, tmp_path / 'out', device='cpu')
    listed = (tmp_path / 'out/suggested.txt').read_text(encoding='utf-8').splitlines()
    assert listed == [str(one.path) for one in chosen] and len(set(listed)) == 4
    assert '4 of 6 images without labels' in capsys.readouterr().out
    everything = suggest(trained / 'best.pth', folder, 50, tmp_path / 'all', device='cpu')
    assert len(everything) == 6 and everything[:4] == chosen
    assert not any(one.path.name == '2.png' for one in everything)
    infer = FCNInferencer(weights=trained / 'best.pth', device='cpu')
    for one in chosen:
        seen = Image.fromarray(cv2.resize(np.asarray(Image.open(one.path)), (64, 64)))
        scores = infer(seen, scores=True).scores.astype(np.float64)
        entropy = -(scores * np.log(np.maximum(scores, 1e-12))).sum(0).mean() / np.log(9)
        assert one.uncertainty == pytest.approx(entropy, rel=1e-3)
    sheet = np.asarray(Image.open(tmp_path / 'all/suggested.png'))
    assert sheet.shape[1] > 5 * 240 and (sheet != 255).any(2).mean() > 0.3


def test_images_with_masks_are_labelled(tmp_path):
    for i in range(5):
        for kind, there in (('images', True), ('masks', i < 2)):
            (tmp_path / kind).mkdir(exist_ok=True)
            if there:
                Image.new('L' if kind == 'masks' else 'RGB', (8, 8), i).save(
                    tmp_path / kind / f'{i}.png')
    images, labelled = by_labels(tmp_path)
    assert [path.name for path in images] == ['2.png', '3.png', '4.png']
    assert [path.name for path in labelled] == ['0.png', '1.png']
    for i in (2, 3, 4):
        (tmp_path / 'images' / f'{i}.png').unlink()
    with pytest.raises(ValueError, match=r'no images without labels \(2 have masks\)'):
        by_labels(tmp_path)


def test_images_that_a_network_has_labelled_are_not(tmp_path):
    """Labels that ``fcn predict`` has written beside them are no masks."""
    for name in ('1.jpg', '1_labels.png', '1_overlay.jpg', '2.jpg'):
        Image.new('RGB', (8, 8)).save(tmp_path / name)
    images, labelled = by_labels(tmp_path)
    assert [path.name for path in images] == ['1.jpg', '2.jpg'] and not labelled


def test_images_like_those_with_regions_come_last(trained, folder, tmp_path):
    (folder / 'b/3.png').write_bytes((folder / 'a/2.png').read_bytes())
    images, labelled = by_labels(folder)
    assert len(images) == 6 and labelled == [folder / 'a/2.png']
    chosen = suggest(trained / 'best.pth', folder, 9, tmp_path / 'out', device='cpu')
    assert chosen[-1].path == folder / 'b/3.png'


def test_what_is_seen_is_the_mean_of_the_deepest_map(trained, folder, monkeypatch):
    backend = TorchBackend(load_model(None, trained / 'best.pth', 'cpu'))
    whole, feature = look_at(backend, np.asarray(Image.open(folder / 'c.png')))
    item = run_pipeline(backend.pipeline, np.asarray(Image.open(folder / 'c.png')))
    data = backend.model.data_preprocessor(
        dict(inputs=[item['inputs']], data_samples=[item['data_samples']]))
    with torch.no_grad():
        *_, deepest = backend.model.backbone(pad_to_multiple(data['inputs'], 32))
    mean = deepest.mean((0, 2, 3)).numpy()
    np.testing.assert_allclose(feature, mean / np.linalg.norm(mean), rtol=1e-4, atol=1e-6)
    monkeypatch.setattr('fcn_plugin.reports.suggest._BAND', 999)  # of which there are many
    parts, _ = look_at(backend, np.asarray(Image.open(folder / 'c.png')))
    assert parts == pytest.approx(whole)


def test_switches_behind_the_maps_are_no_features(trained, folder):
    backend = TorchBackend(load_model(None, trained / 'best.pth', 'cpu'))
    image = np.asarray(Image.open(folder / 'c.png'))
    expected = look_at(backend, image)
    backend.model.backbone.register_forward_hook(
        lambda module, inputs, maps: (*maps, torch.arange(maps[0].numel()).view_as(maps[0])))
    found = look_at(backend, image)
    assert found[0] == expected[0] and np.array_equal(found[1], expected[1])


def test_a_photograph_takes_no_more_memory_than_its_own(trained, monkeypatch):
    """The classes' probabilities at its size are twelve times as much."""
    backend = TorchBackend(load_model(None, trained / 'best.pth', 'cpu', cfg_options={
        'model.test_cfg.rescale': True}))
    sizes = []

    def seen(sample, size, *more):
        sizes.append(tuple(sample.seg_logits.shape[-2:]))
        return prediction_of(sample, size, *more)
    monkeypatch.setattr('fcn_plugin.reports.suggest.prediction_of', seen)
    image = np.zeros((1500, 2000, 3), np.uint8)
    tracemalloc.start()
    look_at(backend, image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * image.nbytes and max(sizes) < (1500, 0)  # which torch does not tell


def test_what_is_wrong_is_said(trained, folder, tmp_path):
    (folder / 'broken.png').write_text('no image')
    call = [TOOL, trained / 'best.pth', folder, '-n', '9', '--out-dir', tmp_path / 'out']
    done = run_tool(*call)
    assert done.code == 1 and '1 of 8 images are left out' in done.err
    listed = (tmp_path / 'out/suggested.txt').read_text(encoding='utf-8').splitlines()
    assert len(listed) == 6 and str(folder / 'broken.png') not in listed
    done = run_tool(*call)
    assert done.code == 2 and '--overwrite' in done.err
    for arguments, words in (
            ([trained / 'best.pth', folder, '-n', '0'], '-n must be at least 1'),
            ([trained / 'best.pth', tmp_path / 'none'], 'no such folder'),
            (['net.onnx', folder], 'is an exported file'),
            ([trained / 'best.pth', trained], 'no images without labels')):
        done = run_tool(TOOL, *arguments, '--out-dir', tmp_path / 'other')
        assert done.code == 2 and words in done.err, done
        assert not (tmp_path / 'other').exists()
