"""Loading, and prediction through the functions that tools/predict*.py call."""
import inspect
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Resize
from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmseg.registry import TRANSFORMS
from PIL import Image
from tiny_trained import CLASSES

from fcn_plugin import visualization as vis
from fcn_plugin.checkpoints import loading, safe_config
from fcn_plugin.cli import command
from fcn_plugin.inference import predict, predict_files
from fcn_plugin.inference.inferencer import FCNInferencer
from fcn_plugin.inference.result import Result
from fcn_plugin.runtimes.torch_backend import build_pipeline


@pytest.fixture(scope='module')
def model(trained):
    return loading.load_model(None, trained / 'best.pth', 'cpu')


# --- bad arguments ---------------------------------------------------------------


@pytest.mark.parametrize('change, words', [
    (dict(img_path='{photos}/none.png'), 'no such file or folder.*none.png'),
    (dict(img_path='{photos}/*.gif'), r'no image matches.*\*.gif'),
    (dict(img_path='{trained}'), 'no image in the folder'),
    (dict(weight_path='{photos}/none.pth'), 'none.pth'),
    (dict(weight_path='{photos}/notes.txt'), 'cannot load the checkpoint.*notes.txt'),
    (dict(heatmap='cat'), "no class 'cat'.* 0 background, 1 bar"),
    (dict(heatmap='9'), "no class '9'.* 8 checked disc"),
    (dict(opacity=1.5), 'opacity must be between 0 and 1'),
    (dict(video_suffix='.gif'), "written as .mp4.*not as '.gif'"),
    (dict(batch_size=0), 'batch_size must be at least 1, but is 0'),
    (dict(device='nonsense'), "no device 'nonsense'"),
    (dict(device='cuda:99'), "'cuda:99' was asked for.*--device cpu"),
    (dict(backbone='resnet34'), "'resnet34': choose from vgg16"),
    (dict(backbone='vgg16'), 'vgg16 contradicts the config in the checkpoint, whose '
                             'backbone is mmpretrain.ResNet of depth 18'),
    (dict(config='fcn/none.py'), "no config 'fcn/none.py'"),
])
def test_bad_arguments(trained, photos, tmp_path, change, words):
    arguments = dict(img_path=photos, weight_path=trained / 'best.pth',
                     out_dir=tmp_path / 'out', device='cpu')
    arguments.update({key: value.format(photos=photos, trained=trained)
                      if isinstance(value, str) else value
                      for key, value in change.items()})
    with pytest.raises((ValueError, OSError), match=f'(?s){words}'):
        predict_files.predict_to_files(**arguments)
    assert not (tmp_path / 'out').exists()


def test_weights_of_another_model(trained, tmp_path):
    text = (trained / 'config.py').read_text().replace('depth=18', 'depth=34')
    (tmp_path / 'other.py').write_text(text.replace('num_classes=9', 'num_classes=3'))
    with pytest.raises(ValueError) as caught:
        loading.load_model(tmp_path / 'other.py', trained / 'best.pth', 'cpu')
    for words in ('best.pth', 'other.py', 'depth 34', 'lacks', 'differ in shape',
                  '[9', '[3', '--config'):
        assert words in str(caught.value)


def test_a_backbone_of_another_depth_is_not_that_named():
    config = Config(dict(model=dict(backbone=dict(type='mmpretrain.ResNet', depth=101))))
    with pytest.raises(ValueError, match='resnet50 contradicts the config given.*depth 101'):
        loading.find_config(config, {}, 'resnet50')


def test_a_config_in_memory_stays_as_it_is(trained):
    config = Config.fromfile(trained / 'config.py')
    before = config.to_dict()
    for overlap, expected in ((0, 0), (None, 128)):  # 0 is given, too
        model = loading.load_model(config, trained / 'best.pth', 'cpu', tile=320,
                                   overlap=overlap)
        assert config.to_dict() == before and model.test_cfg.overlap == expected


def test_what_a_config_says_of_its_data(trained):
    config = Config.fromfile(trained / 'config.py')
    config.val_dataloader.dataset = dict(
        type='ListDataset', metainfo=dict(classes=[*'abcdefgh', 'background']),
        label_map=[[7, 1]])
    config.pop('test_dataloader', None)
    meta = loading.load_model(config, trained / 'bare.pth', 'cpu').dataset_meta
    assert meta['classes'] == (*'abcdefgh', 'background') and meta['background'] == 8
    assert meta['label_map'] == [[7, 1]]


def test_norms_of_several_processes_are_those_of_one(trained):
    config = Config.fromfile(trained / 'config.py')
    config.model.backbone.norm_cfg = dict(type='SyncBN')
    model = loading.load_model(config, trained / 'bare.pth', 'cpu')
    assert not [each for each in model.modules() if isinstance(each, torch.nn.SyncBatchNorm)]
    assert not model.training and not any(each.training for each in model.modules())


def test_classes_that_have_no_name_are_numbered():
    with pytest.warns(UserWarning, match='2 class names for a model of 4 classes'):
        assert loading._names(['a', 'b'], 4) == ('a', 'b', 'class 2', 'class 3')
    with pytest.warns(UserWarning, match='3 class names for a model of 2 classes'):
        assert loading._names(['a', 'b', 'c'], 2) == ('a', 'b')


@pytest.mark.parametrize('backbone', loading.DEFAULT_CONFIGS)
def test_default_configs(backbone):
    config, source = loading.find_config(None, {}, backbone)  # checks the backbone
    assert config.model.decode_head.num_classes == 21 and '8s' in source
    assert '_r50_' in loading.find_config(None, {})[1]


def test_default_config_does_not_fit(trained):
    with pytest.raises(ValueError) as caught:
        loading.load_model(None, trained / 'bare.pth', 'cpu', 'resnet50')
    for words in ('--backbone resnet50', 'bare.pth', 'fcn-8s_r50', '--config'):
        assert words in str(caught.value)


@pytest.mark.parametrize('text, words', [
    ("import os", 'line 1'),
    ("a = 1\nb = open('x')", 'line 2'),
    ("a = [].__class__", 'line 1'),
    ("a = dict(1)", 'line 1'),
    ("model = dict(type='subprocess.Popen', args='x')", 'subprocess.Popen'),
    ("model = dict(x=[dict(type='mmengine.utils.path.os.system')])", 'os.system'),
])
def test_a_checkpoint_runs_no_code(trained, tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        safe_config.config_from_text(text)
    torch.save(dict(meta=dict(cfg=text), state_dict={}), tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match='--config'):
        loading.load_model(None, tmp_path / 'evil.pth', 'cpu')


def test_objects_in_a_checkpoint_are_refused(tmp_path):
    torch.save(dict(state_dict={}, meta=dict(path=Path('x'), run=re.compile)),
               tmp_path / 'objects.pth')
    with pytest.raises(ValueError, match='tensors and plain data'):
        loading.load_model(None, tmp_path / 'objects.pth', 'cpu')


# --- loading -----------------------------------------------------------------------


def test_config_text_round_trip(trained):
    config = Config.fromfile(trained / 'config.py')
    config.odd = dict(a=float('inf'), b=-1.5e-3, c=(1, ), d={1: 'x', 'y-z': None})
    read = safe_config.config_from_text(config.pretty_text)
    assert read.to_dict() == config.to_dict()
    assert np.isnan(safe_config.config_from_text('a = -nan').a)


def test_what_need_not_be_imported_is_warned_of():
    text = "custom_imports = dict(imports=['mmseg.none'], allow_failed_imports={})\na = 1"
    with pytest.warns(UserWarning, match="'mmseg.none' of custom_imports cannot be imported"):
        assert safe_config.config_from_text(text.format(True)).a == 1
    with pytest.raises(ImportError, match="custom_imports names 'mmseg.none', which cannot"):
        safe_config.config_from_text(text.format(False))


def test_dataset_meta_of_checkpoint_and_config(trained, model):
    assert model.dataset_meta['classes'] == CLASSES
    assert model.dataset_meta['palette'][2] == [2, 4, 6]
    assert model.dataset_meta['background'] == 0
    assert not model.training
    bare = loading.load_model(trained / 'config.py', trained / 'bare.pth', 'cpu')
    assert bare.dataset_meta['classes'] == CLASSES  # ShapesDataset's
    assert bare.dataset_meta['palette'][1] == [230, 25, 75]
    for (key, a), b in zip(model.state_dict().items(), bare.state_dict().values()):
        assert torch.equal(a, b), key


def test_names_and_colours_in_a_checkpoint_of_mmseg_0(trained, tmp_path):
    content = torch.load(trained / 'best.pth', weights_only=True)
    known = content['meta'].pop('dataset_meta')
    classes = (*known['classes'][:0:-1], '_background_')  # labelme's
    content['meta'].update(CLASSES=classes, PALETTE=known['palette'][::-1])
    torch.save(content, tmp_path / 'old.pth')
    meta = loading.load_model(None, tmp_path / 'old.pth', 'cpu').dataset_meta
    assert meta['classes'] == classes and meta['background'] == 8
    assert meta['palette'] == known['palette'][::-1]


def test_cfg_options(trained):
    model = loading.load_model(
        None, trained / 'best.pth', 'cpu', cfg_options={'test_pipeline': [
            dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]})
    assert len(build_pipeline(model.cfg).transforms) == 2


@pytest.mark.parametrize('rescale', [False, True])
def test_models_that_are_loaded_predict_at_the_size_that_is_asked_for(trained, rescale):
    model = loading.load_model(None, trained / 'best.pth', 'cpu', rescale=rescale,
                               cfg_options={'model.test_cfg.rescale': False})
    assert model.test_cfg.rescale == rescale and not model.training


# --- files ---------------------------------------------------------------------------


def test_predict_to_files(trained, photos, tmp_path, capsys):
    out = tmp_path / 'out'
    arguments = dict(img_path=photos, weight_path=trained / 'best.pth', out_dir=out,
                     device='cpu')
    written = predict_files.predict_to_files(**arguments, heatmap='Striped Disc')
    names = ['A_heatmap_striped-disc.png', 'A_labels.png', 'A_overlay.jpg',
             'b_heatmap_striped-disc.png', 'b_labels.png', 'b_overlay.png']
    assert sorted(p.name for p in out.iterdir()) == names
    assert sorted(p.name for p in written) == names
    assert capsys.readouterr().out.splitlines()[-1] == f'6 files written to {out}/'
    with pytest.raises(FileExistsError, match='A_overlay.jpg.* 3 more.*--overwrite'):
        predict_files.predict_to_files(**arguments)
    with pytest.raises(FileExistsError, match='and 1 more already'):
        [p.unlink() for p in written if 'heatmap' not in p.name]
        predict_files.predict_to_files(**arguments, heatmap='7')
    assert len(list(out.iterdir())) == 2  # nothing was done
    predict_files.predict_to_files(**arguments, heatmap='7', overwrite=True)
    assert sorted(p.name for p in out.iterdir()) == names


def test_unreadable_among_others(trained, photos, tmp_path):
    (photos / 'a0.png').write_bytes(b'nonsense')
    with pytest.raises(ValueError, match=r'1 of 3 images are left out.*a0.png.*'
                       r'4 files are written to .*out'):
        predict_files.predict_to_files(photos, trained / 'best.pth', out_dir=tmp_path / 'out',
                                 device='cpu')
    assert len(list((tmp_path / 'out').iterdir())) == 4


def test_spread():
    assert predict.spread(3, 6) == [0, 1, 2]
    assert predict.spread(100, 3) == [0, 50, 99]
    assert predict.spread(5, 1) == [0]


def test_validation_set_in_memory(trained, capsys):
    model = loading.load_model(None, trained / 'best.pth', 'cpu', rescale=False)
    dataset = predict.build_val_dataset(model.cfg)
    assert dataset.test_mode  # no image in place of one that fails
    assert 'test_mode' not in model.cfg.val_dataloader.dataset
    dataset.ignore_index = 8
    found = list(predict.predict_dataset(model, dataset, [3, 5], True))
    for index, item in zip((3, 5), found):
        assert item.ignore_index == 8
        image, truth = dataset.draw(index)
        assert item.path.name == f'{index:06d}.png'
        assert (item.image == image[..., ::-1]).all()
        assert (item.truth == truth).all()
        assert item.labels.shape == truth.shape == item.scores.shape[1:]


def test_what_validation_ignores_is_ignored(trained):
    """By its evaluator, and else by the data set, also inside another one."""
    model = loading.load_model(None, trained / 'best.pth', 'cpu', rescale=False)
    part = predict.build_val_dataset(model.cfg)
    part.ignore_index = 8
    dataset = ConcatDataset([part])
    for evaluators, expected in ((None, 8), (dict(type='FCNMetric'), 8), ([
            dict(type='FCNMetric', task='height', ignore_index=6),
            dict(type='FCNMetric', ignore_index=0)], 0)):
        model.cfg.val_evaluator = evaluators
        found, = predict.predict_dataset(model, dataset, [1])
        assert found.ignore_index == expected
    model.cfg.test_evaluator = dict(type='FCNMetric', ignore_index=5)
    assert predict.ignored_label(model.cfg) == 0  # where validation says nothing, 5
    model.cfg.val_evaluator = None
    assert predict.ignored_label(model.cfg) == 5


@TRANSFORMS.register_module()
class ResizeImageOnly(Resize):
    """As where LoadAnnotations comes after Resize."""

    def _resize_seg(self, results):
        pass


@pytest.mark.parametrize('rescale', [False, True])
@pytest.mark.parametrize('resize, own_size', [
    ('Resize', False), ('ResizeImageOnly', True)])
def test_validation_set_that_is_resized(trained, rescale, resize, own_size):
    """The truth may have the network's size or the image's own."""
    model = loading.load_model(None, trained / 'best.pth', 'cpu', rescale=rescale)
    model.cfg.val_dataloader.dataset.pipeline = [
        dict(type=resize, scale=(64, 48), keep_ratio=False), dict(type='PackSegInputs')]
    dataset = predict.build_val_dataset(model.cfg)
    item, = predict.predict_dataset(model, dataset, [0], True)
    size = dataset.draw(0)[1].shape if own_size else (48, 64)
    assert item.image.shape[:2] == item.labels.shape == item.truth.shape == size
    assert item.scores.shape == (9, *size)
    seen = dataset[0]['inputs'].numpy().transpose(1, 2, 0)[..., ::-1]
    assert (item.image == cv2.resize(seen, size[::-1])).all()


def test_show_validation_set(trained, tmp_path, capsys):
    arguments = dict(weight_path=trained / 'best.pth', device='cpu', out_dir=tmp_path)
    with pytest.raises(ValueError, match='--max-images'):
        predict.show(**arguments, max_images=0)
    first, second = predict.show(**arguments, max_images=7)
    assert [first.name, second.name] == ['comparison_01.png', 'comparison_02.png']
    assert '7 of 9 images of the validation set' in capsys.readouterr().out
    assert Image.open(second).width > 4 * 280
    with pytest.raises(FileExistsError, match='comparison_01.png.*--overwrite'):
        predict.show(**arguments)
    with pytest.raises(ValueError, match='no val_dataloader.*--img-path'):
        predict.build_val_dataset(Config())
    missing = dict(type='BaseSegDataset', data_root=str(tmp_path / 'none'), pipeline=[],
                   data_prefix=dict(img_path='images', seg_map_path='masks'))
    with pytest.raises(ValueError, match='val_dataloader: BaseSegDataset finds no images'):
        predict.build_val_dataset(Config(dict(val_dataloader=dict(dataset=missing))))


@pytest.mark.parametrize('images', [False, True])
def test_a_checkpoint_in_place_of_the_config(trained, photos, tmp_path, capsys, images):
    predict.show(config=trained / 'best.pth', device='cpu', out_dir=tmp_path,
                 img_path=photos if images else None)
    assert 'no weights named' not in capsys.readouterr().out


@pytest.mark.parametrize('ignored', [255, 7])
def test_pixels_that_count_are_correct_or_not(tmp_path, ignored):
    image, palette = np.zeros((2, 2, 3), np.uint8), [[0, 0, 0], [9, 8, 7]]
    result = Result(image, np.array([[1, 1], [1, 1]]), ('a', 'b'), palette, 0,
                    path=Path('x.png'), truth=np.array([[1, 0], [ignored, ignored]]),
                    ignore_index=ignored)
    meta = dict(classes=('a', 'b'), palette=palette, background=0)
    row = vis.comparison_row(image, result.labels, result.truth, palette, 0.6, ignored, 0)
    expected = vis.comparison(
        [row], ['image', 'truth', 'prediction', 'red: wrong, white: ignored'],
        ['x.png · 50.0 % of pixels correct'], ('a', 'b'), palette, [0, 1], 0)
    np.testing.assert_array_equal(predict.compare([result], meta), expected)
    files = predict.pages(tmp_path, 7)
    assert list(map(len, (predict.pages(tmp_path, n) for n in (0, 6, 12)))) == [0, 1, 2]
    predict.save_pages(files, [result] * 7, meta)
    for file, count in zip(files, (6, 1), strict=True):
        np.testing.assert_array_equal(
            Image.open(file), predict.compare([result] * count, meta))


def test_what_is_said_of_images_without_truth_that_counts(monkeypatch):
    monkeypatch.setattr(vis, 'comparison', lambda *given: given)
    palette, labels = [[0, 0, 0], [9, 8, 7]], np.zeros((2, 2), np.uint8)
    first, second = (Result(np.zeros((2, 2, 3), np.uint8), labels, ('a', 'b'), palette, 0,
                            path=Path(name), truth=labels + ignored)
                     for name, ignored in (('x.png', 0), ('y.png', 255)))
    meta = dict(classes=('a', 'b'), palette=palette, background=0)
    _, titles, captions, *_ = predict.compare([first, second], meta)
    assert captions == ['x.png · 100.0 % of pixels correct', 'y.png']
    assert titles[-1] == 'red: wrong, white: ignored'
    assert predict.compare([first], meta)[1][-1] == 'red: wrong'


def test_the_heat_map_is_of_the_class_that_was_asked_for():
    image, palette = np.zeros((80, 90, 3), np.uint8), [[0, 0, 0], [9, 8, 7]]
    share = np.linspace(0, 1, 80 * 90, dtype=np.float32).reshape(80, 90)
    scores = np.stack([1 - share, share])
    labels = np.zeros((80, 90), np.uint8)
    result = Result(image, labels, ('a', 'b'), palette, 0, scores, Path('x.png'))
    row = [*vis.comparison_row(image, labels, None, palette, 0.6, 255, 0),
           vis.heatmap(*vis.enlarge(image, scores[1])[::-1], colour_bar=False)]
    np.testing.assert_array_equal(
        predict.compare([result], dict(classes=('a', 'b'), palette=palette, background=0),
                        shown=1),
        vis.comparison([row], ['image', 'prediction', 'probability of b'], ['x.png'],
                       ('a', 'b'), palette, [0], 0))


def test_shows_the_validation_set_at_the_size_that_it_is_judged_at(trained, tmp_path):
    options = {'model.test_cfg.rescale': False, 'val_dataloader.dataset.pipeline': [
        dict(type='Resize', scale=(64, 48), keep_ratio=False), dict(type='PackSegInputs')]}
    weights = trained / 'best.pth'
    file, = predict.show(weights, device='cpu', out_dir=tmp_path, max_images=1,
                         cfg_options=options, heatmap='0')
    model = loading.load_model(None, weights, 'cpu', cfg_options=options, rescale=False)
    found = predict.predict_dataset(model, predict.build_val_dataset(model.cfg), [0], True)
    np.testing.assert_array_equal(Image.open(file), predict.compare(
        list(found), model.dataset_meta, shown=0))


def test_predict_passes_on_what_it_is_given(photos, tmp_path, monkeypatch):
    seen = []

    class Inferencer:
        class_names = 'abc'

        def __init__(self, *given):
            seen.append(given)

        def save(self, *given, **named):
            seen.append((*given, named))
            return []

    monkeypatch.setattr(predict_files, 'FCNInferencer', Inferencer)
    for name in ('write_proposals', 'predict_live'):
        monkeypatch.setattr(predict_files, name,
                            lambda infer, *given: seen.append(given) or [])
    built = (None, 'w.pth', 'cpu', 'vgg16', {'a': 1}, True, 64, 8, True, ('mine', ), 'auto')
    given = dict(weight_path='w.pth', backbone='vgg16', out_dir=tmp_path, device='cpu',
                 cfg_options={'a': 1}, fast=True, tile=64, overlap=8, crf=True,
                 allow_imports=('mine', ))
    shown = dict(heatmap='b', opacity=0.2, video_suffix='.webm', overwrite=True)
    call = predict_files.predict_to_files
    call(photos, **given, **shown, batch_size=3, resume=True)
    images = [photos / 'A.JPG', photos / 'b.png']
    assert seen == [built, (images, tmp_path, 3, 0.2, 'b', True, '.webm', dict(resume=True))]
    seen.clear()
    (photos / 'c.avi').touch()  # which no labelling tool shows
    call(photos, **given, format='coco', tolerance=1.5, min_area=9, batch_size=3,
         overwrite=True)
    assert seen == [built, (images, tmp_path, 'coco', 1.5, 9, 3, True)]
    seen.clear()
    call('0', **given, **shown)
    assert seen == [built, ('0', tmp_path, 0.2, 'b', True, '.webm')]


def test_show_passes_on_what_it_is_given(trained, photos, tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr(predict, 'load_model', lambda *_, **given: seen.update(given) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        predict.show(trained / 'best.pth', out_dir=tmp_path, crf=True, allow_imports=['own'])
    assert seen == dict(rescale=False, crf=True, allow_imports=['own'])
    seen.clear()
    monkeypatch.setattr(predict, 'FCNInferencer', lambda *given, **named: seen.update(
        named, given=given) or 1 / 0)
    more = dict(crf=True, allow_imports=['own'], runtime='openvino')
    with pytest.raises(ZeroDivisionError):
        predict.show('w.pth', photos, 'net.py', 'vgg16', tmp_path, device='cpu',
                     cfg_options={'a': 1}, **more)
    assert seen == dict(given=('net.py', 'w.pth', 'cpu', 'vgg16', {'a': 1}), **more)


def test_show_leaves_out_what_cannot_be_read_and_replaces_nothing(trained, photos, tmp_path,
                                                                  monkeypatch):
    """Nor does it fill a page with what is left out."""
    monkeypatch.setattr(predict, 'ROWS_PER_PICTURE', 2)
    (photos / 'a0.png').write_bytes(b'nonsense')
    call = dict(weight_path=trained / 'best.pth', img_path=photos, out_dir=tmp_path / 'out',
                opacity=0.2, device='cpu')
    with pytest.raises(ValueError, match='1 of 3 images are left out.*The others are shown'):
        predict.show(**call)
    infer = FCNInferencer(trained / 'best.pth', device='cpu')
    meta = dict(classes=infer.class_names, palette=infer.palette, background=infer.background)
    found = list(infer.stream([photos / 'A.JPG', photos / 'b.png']))
    np.testing.assert_array_equal(Image.open(tmp_path / 'out/comparison_01.png'),
                                  predict.compare(found, meta, 0.2))
    with pytest.raises(FileExistsError, match='comparison_01.png'):
        predict.show(**call)


def test_show_images(trained, photos, tmp_path, capsys):
    file, = predict.show(trained / 'best.pth', photos, out_dir=tmp_path, heatmap='background',
                         device='cpu', window=True)
    assert 3 * 280 < Image.open(file).width < 4 * 280 + 400
    out = capsys.readouterr().out
    assert '2 of 2 images' in out and 'no display' in out


@pytest.mark.parametrize('subcommand, function', [
    ('predict', predict_files.predict_to_files), ('show', predict.show)])
def test_subcommand_passes_what_the_function_takes(subcommand, function):
    _, given = command.parsed(subcommand, ['x', '--checkpoint', 'y'])
    takes = inspect.signature(function).parameters
    assert set(given) == set(takes)
    for name, parameter in takes.items():  # defaults are told once in effect
        given_here = name in ('img_path', 'weight_path')
        if parameter.default is not inspect.Parameter.empty and not given_here:
            assert given[name] == parameter.default, name
