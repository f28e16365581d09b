"""Any model judged on a folder of images and one of masks."""
import re
from unicodedata import normalize

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import init_model
from PIL import Image
from tiny_runs import run_tool, succeed
from tiny_trained import CLASSES, CONFIG

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.publish import publish
from fcn_plugin.deployment.export import export
from fcn_plugin.evaluation.conditions import CONDITIONS
from fcn_plugin.inference.predict import compare
from fcn_plugin.reports.evaluate_folder import evaluate_folder
from fcn_plugin.reports.judge import choose_images

TOOL = 'analysis_tools/evaluate_folder.py'


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Four images of two sizes; truths by chance, with a label that does not count."""
    root, rng = tmp_path_factory.mktemp('pairs'), np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (root / kind).mkdir()
    for i in range(4):
        size = (40, 60) if i % 2 else (50, 30)
        Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(
            root / 'images' / f'{i}.jpg')
        mask = rng.integers(0, 10, size, np.uint8)  # classes 0 to 8, and 9
        Image.fromarray(mask).save(root / 'masks' / f'{i}.png')
    return root


def by_hand(trained, folders, change=lambda image: image):
    """The paper's definitions over all pixels, in float64."""
    segment, truths, labels = FCNInferencer(trained / 'best.pth', device='cpu'), [], []
    for i in range(4):
        image = np.asarray(Image.open(folders / 'images' / f'{i}.jpg'))
        labels.append(segment(change(image)).labels.ravel())
        truths.append(np.asarray(Image.open(folders / 'masks' / f'{i}.png')).ravel())
    truth, label = np.concatenate(truths), np.concatenate(labels)
    truth, label = truth[truth != 9], label[truth != 9]
    iou = [((truth == c) & (label == c)).sum() / ((truth == c) | (label == c)).sum()
           for c in range(9)]
    return 100 * (truth == label).mean(), 100 * np.mean(iou)


def test_the_four_metrics_under_all_conditions(trained, folders, tmp_path):
    out = succeed(TOOL, trained / 'best.pth', folders / 'images', folders / 'masks',
                  '--ignore', 9, '--conditions', 'all', '--out-dir', tmp_path / 'out',
                  '--batch-size', 3, '--device', 'cpu')
    for name in ('as taken', 'dusk'):
        row = re.search(rf'^\| {name} +\|(.+)\|$', out, re.M)[1]
        accuracy, _, mean_iou, _ = map(float, row.split('|'))
        assert (accuracy, mean_iou) == pytest.approx(
            by_hand(trained, folders, CONDITIONS[name]), abs=0.006)
    assert all(re.search(rf'^\| {name} ', out, re.M) for name in CONDITIONS)
    assert re.search(r'^\| striped disc ', out, re.M)
    ious = [float(row.split('|')[0]) for row in re.findall(
        r'^\| (?:' + '|'.join(CLASSES) + r') +\|(.+)\|$', out, re.M)]
    assert np.mean(ious) == pytest.approx(by_hand(trained, folders)[1], abs=0.01)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'comparison_01.png', 'evaluation.md']
    assert '| dusk ' in (tmp_path / 'out/evaluation.md').read_text()


def test_label_255_of_more_classes_is_judged(tmp_path):
    """Pixels that --ignore names are no class either, whichever there are."""
    config = Config.fromstring(CONFIG.replace('num_classes=9', 'num_classes=300'), '.py')
    model = init_model(config, device='cpu')
    with torch.no_grad():
        for key, value in model.decode_head.score.named_parameters():
            value.zero_()
            if key.endswith('bias'):
                value[255] = 1
    torch.save(dict(state_dict=model.state_dict(), meta=dict(cfg=config.pretty_text)),
               tmp_path / 'net.pth')
    for name, pixels in (('images/a.png', np.zeros((20, 30, 3), np.uint8)),
                         ('masks/a.png', np.full((20, 30), 255, np.uint16))):
        (tmp_path / name).parent.mkdir()
        pixels[:5] = 7
        Image.fromarray(pixels).save(tmp_path / name)
    for ignore, judged in ((None, {7: 150, 255: 450}), ([7], {255: 450})):
        matrix = evaluate_folder(tmp_path / 'net.pth', tmp_path / 'images', tmp_path / 'masks',
                                 ignore=ignore, device='cpu')['as taken'].matrix
        assert {i: int(n) for i, n in enumerate(matrix.sum(1)) if n} == judged
        assert int(matrix[:, 255].sum()) == sum(judged.values())


def test_pictures_are_as_the_first_condition_has_them(trained, folders, tmp_path,
                                                      monkeypatch):
    shown, pages = [], []
    monkeypatch.setattr('fcn_plugin.reports.evaluate_folder.save_pages',
                        lambda files, rows, meta: (pages.extend(files), shown.extend(rows)))
    found = evaluate_folder(trained / 'best.pth', folders / 'images', folders / 'masks',
                            out_dir=tmp_path / 'out', ignore=[9], pictures=99,
                            conditions=['dark', 'cold'], device='cpu')
    assert pages == [tmp_path / 'out/comparison_01.png']  # which has room for all there are
    assert [int(row.path.stem) for row in shown] == choose_images(found['dark'], 99)
    for row in shown:
        assert (row.image == CONDITIONS['dark'](np.asarray(Image.open(row.path)))).all()


def test_the_network_is_opened_as_is_asked_for(folders, monkeypatch):
    seen = {}
    monkeypatch.setattr('fcn_plugin.reports.evaluate_folder.FCNInferencer', lambda *given, **
                        named: seen.update(named, given=given) or 1 / 0)
    more = dict(cfg_options={'a': 1}, fast=True, allow_imports=['own'])
    with pytest.raises(ZeroDivisionError):
        evaluate_folder('net.pth', folders / 'images', folders / 'masks', 'net.py',
                        device='cpu', **more)
    assert seen == dict(given=('net.py', 'net.pth', 'cpu'), **more)


def test_names_in_capitals_and_taken_apart(trained, folders, tmp_path):
    """PNG on a Windows disk; names with umlauts as macOS stores them."""
    for kind, form, suffix in (('images', 'NFC', '.JPG'), ('masks', 'NFD', '.PNG')):
        (tmp_path / kind).mkdir()
        for file in (folders / kind).iterdir():
            name = normalize(form, f'Tür {file.stem}{suffix}')
            (tmp_path / kind / name).write_bytes(file.read_bytes())
    found = evaluate_folder(trained / 'best.pth', tmp_path / 'images', tmp_path / 'masks',
                            ignore=[9], device='cpu')['as taken']
    accuracy = found.matrix.diag().sum() / found.matrix.sum()
    assert 100 * accuracy == pytest.approx(by_hand(trained, folders)[0])


def test_masks_may_have_the_values_that_training_had(trained, folders, tmp_path, capsys):
    """Black and white, say: as class numbers, 255 would not count, and the object had 0."""
    values = np.array([0, 255, *range(40, 47), 200])  # the last counts as little as 9 does
    table = [[int(value), label if label < 9 else 255] for label, value in enumerate(values)]
    coded = {'test_dataloader.dataset.label_map': table}
    (tmp_path / 'masks').mkdir()
    for file in (folders / 'masks').iterdir():
        mask = values[np.asarray(Image.open(file))].astype(np.uint8)
        Image.fromarray(mask).save(tmp_path / 'masks' / file.name)
    export(trained / 'best.pth', tmp_path / 'net.onnx', cfg_options=coded, preprocess=True)
    capsys.readouterr()
    for model, options in ((trained / 'best.pth', coded), (tmp_path / 'net.onnx', None)):
        def judged(masks, **more):
            return evaluate_folder(model, folders / 'images', masks, device='cpu',
                                   cfg_options=options, **more)['as taken'].matrix
        found = judged(tmp_path / 'masks')
        assert 'masks are read as in training: 0 background, 40 ' in capsys.readouterr().out
        assert 100 * found.diag().sum() / found.sum() == pytest.approx(
            by_hand(trained, folders)[0], abs=0.1)  # onnxruntime rounds otherwise
        assert (judged(folders / 'masks', ignore=[9]) == found).all()  # class numbers
        assert 'masks are read' not in capsys.readouterr().out
        assert not judged(tmp_path / 'masks', ignore=[255])[1].any()  # as the user says


@pytest.mark.parametrize('said_by', ['the config', 'the checkpoint', 'what was published'])
def test_masks_that_count_from_1_are_read_as_in_training(trained, folders, tmp_path, capsys,
                                                         said_by):
    """0 stands for what is not judged there; class numbers would be one too high. A data set
    of one's own may say so by itself, which only training has seen."""
    (tmp_path / 'masks').mkdir()
    for file in (folders / 'masks').iterdir():
        mask = np.asarray(Image.open(file)).astype(int)
        Image.fromarray(np.where(mask == 9, 0, mask + 1).astype(np.uint8)).save(
            tmp_path / 'masks' / file.name)
    model, options = trained / 'best.pth', {'test_dataloader.dataset.type': 'BaseSegDataset'}
    if said_by == 'the config':
        options['test_dataloader.dataset.reduce_zero_label'] = True
    else:
        kept = torch.load(model)
        kept['meta']['dataset_meta']['reduce_zero_label'] = True
        model = tmp_path / 'best.pth'
        torch.save(kept, model)
    if said_by == 'what was published':
        model = publish(model, tmp_path / 'given.safetensors', dtype='float32')
        capsys.readouterr()
    found = evaluate_folder(model, folders / 'images', tmp_path / 'masks', device='cpu',
                            cfg_options=options)['as taken'].matrix
    assert 'masks are read as in training: 1 background, 2 bar' in capsys.readouterr().out
    assert 100 * found.diag().sum() / found.sum() == pytest.approx(
        by_hand(trained, folders)[0], abs=1e-4)


def test_some_of_the_images(trained, folders, tmp_path):
    """Evenly spread; of several labels none counts; the worst images are shown."""
    def judged(**more):
        return evaluate_folder(trained / 'best.pth', folders / 'images', folders / 'masks',
                               ignore=[9, 3], device='cpu', **more)['as taken']

    every = judged(out_dir=tmp_path, pictures=2)
    with pytest.raises(FileExistsError, match='evaluation.md.* and 1 more already'):
        judged(out_dir=tmp_path, pictures=2)
    truths = [np.asarray(Image.open(path)) for path in sorted((folders / 'masks').iterdir())]
    truths = [np.where(np.isin(truth, (3, 9)), 255, truth) for truth in truths]
    assert int(every.matrix.sum()) == sum((truth < 255).sum() for truth in truths)
    np.testing.assert_array_equal(judged(max_images=2).iou, every.iou[[0, 2]])
    segment, results = FCNInferencer(trained / 'best.pth', device='cpu'), []
    worst = choose_images(every, 2)
    assert worst == every.image_iou.argsort()[:2].tolist() != [0, 1]
    for place in worst:
        results.append(segment(folders / 'images' / f'{place}.jpg'))
        results[-1].truth = truths[place]
    expected = compare(results, dict(classes=segment.class_names, palette=segment.palette,
                                     background=segment.background))
    shown = np.asarray(Image.open(tmp_path / 'comparison_01.png'))
    np.testing.assert_array_equal(shown, expected)


@pytest.mark.parametrize('change, words', [
    (dict(), "0.png' holds the label 9, but the model has the classes 0 to 8: give "
             '--ignore 9'),
    (dict(ignore=[9], conditions=['night']), "no condition 'night'"),
    (dict(ignore=[9], labels='images'), 'holds no mask'),
    (dict(ignore=[*range(10)]), "no pixel of the masks in '"),
    (dict(ignore=[9], images='none'), 'no such file or folder'),
    (dict(ignore=[9], max_images=0), '--max-images at least 1'),
])
def test_bad_arguments(trained, folders, tmp_path, change, words):
    arguments = dict(dict(images='images', labels='masks'), **change)
    for key in ('images', 'labels'):
        arguments[key] = folders / arguments[key]
    with pytest.raises((ValueError, OSError), match=re.escape(words)):
        evaluate_folder(trained / 'best.pth', device='cpu', out_dir=tmp_path / 'out',
                        **arguments)
    assert not (tmp_path / 'out').exists()


def test_a_mask_that_is_missing_and_one_of_another_size(trained, folders, tmp_path):
    masks = tmp_path / 'masks'
    masks.mkdir()
    for i in (0, 1, 3):
        Image.new('L', (60, 40)).save(masks / f'{i}.png')
    call = (TOOL, trained / 'best.pth', folders / 'images', masks, '--device', 'cpu')
    done = run_tool(*call)
    assert done.code == 2
    assert done.err.startswith("error: '2.jpg' has no mask of its name in '")
    Image.new('L', (60, 40)).save(masks / '2.png')
    done = run_tool(*call)
    assert done.code == 2 and "0.png' is 60x40, but its image is 30x50" in done.err


def test_an_image_that_cannot_be_segmented_is_named(trained, tmp_path):
    """Figures of the others alone would not be those of the folder."""
    for kind, mode in (('images', 'RGB'), ('masks', 'L')):
        (tmp_path / kind).mkdir()
        for name, size in (('a', (60, 40)), ('b', (500, 1))):
            Image.new(mode, size).save(tmp_path / kind / f'{name}.png')
    with pytest.raises(ValueError, match='images/b.png: .*500x1'):
        evaluate_folder(trained / 'best.pth', tmp_path / 'images', tmp_path / 'masks',
                        batch_size=2, device='cpu', cfg_options={'test_pipeline': [
                            dict(type='Resize', scale=(64, 64), keep_ratio=True),
                            dict(type='PackSegInputs')]})
