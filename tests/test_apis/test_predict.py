"""Prediction through the functions that tools/predict*.py call."""
import inspect
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import Resize
from mmengine.config import Config
from mmseg.apis import init_model
from mmseg.registry import TRANSFORMS
from PIL import Image

from fcn_plugin.apis import loading, predict

CLASSES = ('background', 'bar', 'ring', 'frame', 'cross', 'square', 'triangle',
           'striped disc', 'checked disc')
CONFIG = """
custom_imports = dict(imports=['fcn_plugin'], allow_failed_imports=False)
default_scope = 'mmseg'
model = dict(
    type='FCNSegmentor',
    data_preprocessor=dict(
        type='FCNDataPreProcessor', mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='mmpretrain.ResNet', depth=18, out_indices=(1, 2, 3)),
    decode_head=dict(
        type='FCNSkipHead', in_channels=(128, 256, 512), in_index=(0, 1, 2),
        in_strides=(8, 16, 32), num_classes=9),
    auxiliary_head=[
        dict(type='FCNHead', in_channels=256, in_index=1, channels=8, num_classes=9)],
    test_cfg=dict(mode='whole', rescale=False))
pipeline = [dict(type='PackSegInputs')]
val_dataloader = dict(dataset=dict(
    type='ShapesDataset', length=9, split='val', image_size=(40, 70),
    pipeline=pipeline))
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(64, 64), keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs')]
"""


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A folder with config.py, best.pth (as mmengine writes it) and bare.pth."""
    folder = tmp_path_factory.mktemp('trained')
    (folder / 'config.py').write_text(CONFIG)
    config = Config.fromfile(folder / 'config.py')
    torch.manual_seed(0)
    weights = init_model(config.copy(), device='cpu').state_dict()
    # so that random weights tell several classes apart
    for key in weights:
        if key.startswith('decode_head.score'):
            weights[key] = torch.randn_like(weights[key])
    text = Config.fromfile(folder / 'config.py').pretty_text
    palette = [[i, 2 * i, 3 * i] for i in range(9)]
    meta = dict(cfg=text, dataset_meta=dict(classes=CLASSES, palette=palette))
    torch.save(dict(meta=meta, state_dict=weights), folder / 'best.pth')
    torch.save({f'module.{key}': value for key, value in weights.items()},
               folder / 'bare.pth')
    return folder


@pytest.fixture(scope='module')
def model(trained):
    return predict.load_model(None, trained / 'best.pth', 'cpu')


@pytest.fixture
def photos(tmp_path):
    """b.png, A.JPG and notes.txt in a folder."""
    folder = tmp_path / 'photos'
    folder.mkdir()
    for name, size in (('b.png', (40, 30)), ('A.JPG', (50, 70))):
        pixels = np.random.randint(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / 'notes.txt').write_text('no image')
    return folder


# --- bad arguments ---------------------------------------------------------------


@pytest.mark.parametrize('change, words', [
    (dict(img_path='{photos}/none.png'), 'no such file or folder.*none.png'),
    (dict(img_path='{photos}/*.gif'), r'no image matches.*\*.gif'),
    (dict(img_path='{trained}'), 'no image in the folder'),
    (dict(weight_path='{photos}/none.pth'), 'none.pth'),
    (dict(weight_path='{photos}/notes.txt'), 'cannot load the checkpoint.*notes.txt'),
    (dict(heatmap='cat'), "no class 'cat'.* 0 background, 1 bar"),
    (dict(heatmap='9'), "no class '9'.* 8 checked disc"),
    (dict(opacity=1.5), '--opacity must be between 0 and 1'),
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
        predict.predict_to_files(**arguments)
    assert not (tmp_path / 'out').exists()


def test_weights_of_another_model(trained, photos, tmp_path):
    text = CONFIG.replace('depth=18', 'depth=34')
    (tmp_path / 'other.py').write_text(text.replace('num_classes=9', 'num_classes=3'))
    with pytest.raises(ValueError) as caught:
        predict.load_model(tmp_path / 'other.py', trained / 'best.pth', 'cpu')
    for words in ('best.pth', 'other.py', 'depth 34', 'lacks', 'differ in shape',
                  '[9', '[3', '--config'):
        assert words in str(caught.value)


@pytest.mark.parametrize('backbone', loading.DEFAULT_CONFIGS)
def test_default_configs(backbone):
    config, source = loading.find_config(None, {}, backbone)  # checks the backbone
    assert config.model.decode_head.num_classes == 21 and '8s' in source
    assert '_r50_' in loading.find_config(None, {})[1]


def test_default_config_does_not_fit(trained):
    with pytest.raises(ValueError) as caught:
        predict.load_model(None, trained / 'bare.pth', 'cpu', 'resnet50')
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
        loading.config_from_text(text)
    torch.save(dict(meta=dict(cfg=text), state_dict={}), tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match='--config'):
        predict.load_model(None, tmp_path / 'evil.pth', 'cpu')


def test_objects_in_a_checkpoint_are_refused(tmp_path):
    torch.save(dict(state_dict={}, meta=dict(path=Path('x'), run=re.compile)),
               tmp_path / 'objects.pth')
    with pytest.raises(ValueError, match='tensors and plain data'):
        predict.load_model(None, tmp_path / 'objects.pth', 'cpu')


# --- loading -----------------------------------------------------------------------


def test_config_text_round_trip(trained):
    config = Config.fromfile(trained / 'config.py')
    config.odd = dict(a=float('inf'), b=-1.5e-3, c=(1, ), d={1: 'x', 'y-z': None})
    read = loading.config_from_text(config.pretty_text)
    assert read.to_dict() == config.to_dict()


def test_dataset_meta_of_checkpoint_and_config(trained, model):
    assert model.dataset_meta['classes'] == CLASSES
    assert model.dataset_meta['palette'][2] == [2, 4, 6]
    assert model.dataset_meta['background'] == 0
    assert not model.training
    bare = predict.load_model(trained / 'config.py', trained / 'bare.pth', 'cpu')
    assert bare.dataset_meta['classes'] == CLASSES  # ShapesDataset's
    assert bare.dataset_meta['palette'][1] == [230, 25, 75]
    for (key, a), b in zip(model.state_dict().items(), bare.state_dict().values()):
        assert torch.equal(a, b), key


def test_cfg_options(trained):
    model = predict.load_model(
        None, trained / 'best.pth', 'cpu', cfg_options={'test_pipeline': [
            dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]})
    assert len(predict.build_pipeline(model.cfg).transforms) == 2


# --- images ------------------------------------------------------------------------


def test_list_images(photos):
    assert [p.name for p in predict.list_images(photos)] == ['A.JPG', 'b.png']
    assert [p.name for p in predict.list_images(photos / '*.png')] == ['b.png']
    assert [p.name for p in predict.list_images(photos / '*')] == ['A.JPG', 'b.png']
    assert predict.list_images(photos / 'notes.txt') == [photos / 'notes.txt']
    (photos / 'c[1].png').write_bytes(b'')
    assert predict.list_images(photos / 'c[1].png') == [photos / 'c[1].png']


def test_read_image_modes(tmp_path):
    grey = np.random.randint(0, 256, (9, 7), dtype=np.uint8)
    colour = np.random.randint(0, 256, (9, 7, 4), dtype=np.uint8)

    def reread(picture, name='a.png', **kwargs):
        picture.save(tmp_path / name, **kwargs)
        image = predict.read_image(tmp_path / name)
        assert image.dtype == np.uint8 and image.shape[2] == 3
        return image

    for pixels in (grey, grey.astype(np.uint16) * 257):
        assert (reread(Image.fromarray(pixels)) == grey[..., None]).all()
    assert (reread(Image.fromarray(grey.astype(np.float32) / 255), 'a.tif')
            == grey[..., None]).all()
    assert (reread(Image.fromarray(grey.astype(np.int32)), 'b.tif')
            == grey[..., None]).all()
    assert (reread(Image.fromarray(colour)) == colour[..., :3]).all()
    assert (reread(Image.fromarray(grey > 99)) == 255 * (grey > 99)[..., None]).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    turned = reread(Image.fromarray(colour[..., :3]), exif=exif)
    assert (turned == np.rot90(colour[..., :3], -1)).all()


@pytest.mark.parametrize('content', [b'', b'nonsense', 'cut'])
def test_unreadable(photos, content):
    if content == 'cut':
        content = (photos / 'b.png').read_bytes()[:2000]
    (photos / 'c.png').write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot read the image '.*c.png': \w+"):
        predict.read_image(photos / 'c.png')


# --- prediction ----------------------------------------------------------------------


@pytest.mark.parametrize('size', [(1, 1), (1, 50), (50, 1), (33, 65), (130, 97)])
def test_labels_have_the_image_size(model, size):
    image = np.random.randint(0, 256, (*size, 3), dtype=np.uint8)
    pipeline = predict.build_pipeline(model.cfg)
    labels, nothing = predict.predict_image(model, image, pipeline)
    assert labels.shape == size and nothing is None
    assert 0 <= labels.min() and labels.max() < 9
    same, probabilities = predict.predict_image(model, image, pipeline, True)
    assert (same == labels).all() and probabilities.shape == (9, *size)
    assert np.allclose(probabilities.sum(0), 1, atol=1e-5)
    assert (probabilities.argmax(0) == labels).mean() > 0.99


def test_as_mmseg_predicts(model, photos):
    """Reading, channel order and pipeline are those of mmseg's own inference."""
    from mmseg.apis import inference_model
    theirs = inference_model(model, str(photos / 'b.png'))
    ours = next(predict.predict_images(model, [photos / 'b.png']))
    assert (ours.labels == theirs.pred_sem_seg.data[0].numpy()).all()
    assert len(np.unique(ours.labels)) > 1


def test_pipeline_that_cannot_take_an_image(trained, tmp_path):
    model = predict.load_model(None, trained / 'best.pth', 'cpu', cfg_options={
        'test_pipeline': [dict(type='Resize', scale=(64, 64), keep_ratio=True),
                          dict(type='PackSegInputs')]})
    Image.new('RGB', (900, 1)).save(tmp_path / 'flat.png')
    with pytest.raises(ValueError, match='flat.png.*900x1'):
        list(predict.predict_images(model, [tmp_path / 'flat.png']))


def test_single_channel(trained, tmp_path, photos):
    (tmp_path / 'binary.py').write_text(CONFIG.replace(
        'num_classes=9)', 'num_classes=2, out_channels=1, threshold=0.5)'))
    config = Config.fromfile(tmp_path / 'binary.py')
    del config.model.auxiliary_head
    weights = init_model(config.copy(), device='cpu').state_dict()
    torch.save(weights, tmp_path / 'binary.pth')
    with pytest.warns(UserWarning, match='9 class names for a model of 2'):
        model = predict.load_model(config, tmp_path / 'binary.pth', 'cpu')
    assert model.dataset_meta['classes'] == ('background', 'bar')
    found = next(predict.predict_images(model, [photos / 'b.png'], True))
    assert found.probabilities.shape == (2, 40, 30)
    assert ((found.probabilities[1] > 0.5) == found.labels).all()


# --- files ---------------------------------------------------------------------------


def test_predict_to_files(trained, model, photos, tmp_path, capsys):
    out = tmp_path / 'out'
    arguments = dict(img_path=photos, weight_path=trained / 'best.pth', out_dir=out,
                     device='cpu')
    written = predict.predict_to_files(**arguments, heatmap='Striped Disc')
    names = ['A_heatmap_striped-disc.png', 'A_labels.png', 'A_overlay.jpg',
             'b_heatmap_striped-disc.png', 'b_labels.png', 'b_overlay.png']
    assert sorted(p.name for p in out.iterdir()) == names
    assert sorted(p.name for p in written) == names
    assert capsys.readouterr().out.splitlines()[-1] == (
        f'2 images: 6 files written to {out}/')
    for found in predict.predict_images(model, predict.list_images(photos)):
        png = Image.open(out / f'{found.path.stem}_labels.png')
        assert png.mode == 'P' and (np.asarray(png) == found.labels).all()
        assert png.getpalette()[3:6] == [1, 2, 3]
    with pytest.raises(FileExistsError, match='A_overlay.jpg.* 3 more.*--overwrite'):
        predict.predict_to_files(**arguments)
    with pytest.raises(FileExistsError, match='and 1 more already'):
        [p.unlink() for p in written if 'heatmap' not in p.name]
        predict.predict_to_files(**arguments, heatmap='7')
    assert len(list(out.iterdir())) == 2  # nothing was done
    predict.predict_to_files(**arguments, heatmap='7', overwrite=True)
    assert sorted(p.name for p in out.iterdir()) == names


def test_unreadable_among_others(trained, photos, tmp_path, capsys):
    (photos / 'a0.png').write_bytes(b'nonsense')
    with pytest.raises(ValueError, match='1 of 3 images could not be read.*a0.png'):
        predict.predict_to_files(photos, trained / 'best.pth', out_dir=tmp_path / 'out',
                                 device='cpu')
    assert len(list((tmp_path / 'out').iterdir())) == 4
    assert '2 images: 4 files' in capsys.readouterr().out


def test_output_stems():
    assert predict.output_stems([Path('x/a.jpg'), Path('x/b.jpg')]) == ['a', 'b']
    assert predict.output_stems([Path('a.jpg'), Path('a.png'), Path('b.png')]) == [
        'a_jpg', 'a_png', 'b']
    with pytest.raises(ValueError, match='x/a.jpg.*y/a.jpg'):
        predict.output_stems([Path('x/a.jpg'), Path('y/a.jpg')])


def test_spread():
    assert predict.spread(3, 6) == [0, 1, 2]
    assert predict.spread(100, 3) == [0, 50, 99]
    assert predict.spread(5, 1) == [0]


def test_validation_set_in_memory(trained, capsys):
    model = predict.load_model(None, trained / 'best.pth', 'cpu', rescale=False)
    dataset = predict.build_val_dataset(model.cfg)
    found = list(predict.predict_dataset(model, dataset, [3, 5], True))
    for index, item in zip((3, 5), found):
        image, truth = dataset.draw(index)
        assert item.path.name == f'{index:06d}.png'
        assert (item.image == image[..., ::-1]).all()
        assert (item.truth == truth).all()
        assert item.labels.shape == truth.shape == item.probabilities.shape[1:]


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
    model = predict.load_model(None, trained / 'best.pth', 'cpu', rescale=rescale)
    model.cfg.val_dataloader.dataset.pipeline = [
        dict(type=resize, scale=(64, 48), keep_ratio=False), dict(type='PackSegInputs')]
    dataset = predict.build_val_dataset(model.cfg)
    item, = predict.predict_dataset(model, dataset, [0], True)
    size = dataset.draw(0)[1].shape if own_size else (48, 64)
    assert item.image.shape[:2] == item.labels.shape == item.truth.shape == size
    assert item.probabilities.shape == (9, *size)


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


def test_show_images(trained, photos, tmp_path, capsys):
    file, = predict.show(trained / 'best.pth', photos, out_dir=tmp_path, heatmap='ring',
                         device='cpu', window=True)
    assert 3 * 280 < Image.open(file).width < 4 * 280 + 400
    out = capsys.readouterr().out
    assert '2 of 2 images' in out and 'no display' in out


@pytest.mark.parametrize('tool, function', [
    ('predict', predict.predict_to_files), ('predict_show', predict.show)])
def test_tool_passes_what_the_function_takes(monkeypatch, tool, function):
    file = Path(__file__).parents[2] / 'tools' / f'{tool}.py'
    arguments = ['--img-path', 'x', '--weight-path', 'y']
    monkeypatch.setattr('sys.argv', [str(file), *arguments])
    given = vars(runpy.run_path(str(file))['parse_args']())
    assert given.pop('debug') is False
    takes = inspect.signature(function).parameters
    assert set(given) == set(takes)
    for name, parameter in takes.items():  # defaults are told once in effect
        if parameter.default is not inspect.Parameter.empty and name != 'img_path':
            assert given[name] == parameter.default, name
