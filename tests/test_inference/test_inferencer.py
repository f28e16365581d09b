"""The inferencer and its results."""
import errno
import os
import re
import signal
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model, init_model
from mmseg.structures import SegDataSample
from PIL import Image
from tiny_runs import run_tool
from tiny_trained import CLASSES

from fcn_plugin import visualization as vis
from fcn_plugin.apis import FCNInferencer
from fcn_plugin.checkpoints.loading import load_model
from fcn_plugin.checkpoints.publish import publish
from fcn_plugin.images.video import VideoInput, VideoOutput
from fcn_plugin.inference.result import Result, find_class, output_stems
from fcn_plugin.runtimes import torch_backend
from fcn_plugin.utils.errors import LeftOutError

NATIVE = {'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]}


@pytest.fixture(scope='module')
def segment(trained):
    return FCNInferencer(weights=trained / 'best.pth', device='cpu')


@pytest.fixture(scope='module')
def native(trained):
    """One whose test pipeline keeps the images' sizes."""
    return FCNInferencer(trained / 'best.pth', device='cpu', cfg_options=NATIVE)


def noise(height, width):
    return np.random.randint(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def clip(tmp_path):
    output = VideoOutput(tmp_path / 'clip.avi', 10)
    for _ in range(5):
        output.write(noise(44, 60))
    output.close()
    return tmp_path / 'clip.avi'


# --- what it is made of ------------------------------------------------------------


def test_no_weights(trained):
    with pytest.raises(ValueError, match=r"FCNInferencer\('fcn/x.py', weights="):
        FCNInferencer('fcn/x.py')
    with pytest.raises(FileNotFoundError, match='fcn-8s_r50_1xb16.*'):
        FCNInferencer('fcn-8s_r50', trained / 'best.pth')


def test_ways_to_name_the_model(trained, segment):
    image = noise(30, 40)
    labels = segment(image).labels
    for arguments in ((trained / 'best.pth', ), (None, str(trained / 'best.pth')),
                      (trained / 'config.py', trained / 'bare.pth'),
                      (Config.fromfile(trained / 'config.py'), trained / 'best.pth'),
                      (load_model(None, trained / 'best.pth', 'cpu'), )):
        assert (FCNInferencer(*arguments, device='cpu')(image).labels == labels).all()


@pytest.mark.parametrize('name', ['fcn-8s_r18-half_1xb16-850_shapes-128x128',
                                  'fcn/fcn-8s_r18-half_1xb16-850_shapes-128x128.py'])
def test_config_of_the_project_by_name(trained, name):
    with pytest.raises(ValueError, match='does not fit the config .*r18-half'):
        FCNInferencer(name, trained / 'best.pth')  # of twice the width


@pytest.mark.parametrize('given', [
    dict(fast=True), dict(tile=96), dict(overlap=0), dict(crf=True), dict(weights='x.pth'),
    dict(cfg_options=NATIVE), dict(backbone='vgg16'), dict(allow_imports=['mine'])], ids=str)
def test_options_beside_what_is_built_already(trained, tmp_path, given):
    """None is dropped without a word, and the user's model stays as it was."""
    model = load_model(None, trained / 'best.pth', 'cpu')
    before = {key: value.clone() for key, value in model.state_dict().items()}
    name, = given
    with pytest.raises(ValueError, match=f'^{name} beside a model .*load_model'):
        FCNInferencer(model, **given)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    (tmp_path / 'net.onnx').touch()
    if name != 'fast':  # which says how to compute, and not what
        with pytest.raises(ValueError, match=f"net.onnx' holds.*no {name}$"):
            FCNInferencer(tmp_path / 'net.onnx', **given)
    with pytest.raises(ValueError, match="net.onnx' holds.*no config$"):
        FCNInferencer('mine.py', tmp_path / 'net.onnx')


def test_a_model_of_the_users_own_is_not_changed(trained):
    """Neither while it is asked for scores nor by the bar of its tiles."""
    model = load_model(None, trained / 'best.pth', 'cpu')
    settings, attributes = model.test_cfg.to_dict(), set(vars(model))
    seen = []
    model.backbone.register_forward_hook(lambda *_: seen.append(model.test_cfg.to_dict()))
    image = noise(30, 40)
    assert FCNInferencer(model)(image, scores=True).scores is not None
    assert seen == [settings] and set(vars(model)) == attributes
    sample, = model.test_step(dict(
        inputs=[torch.from_numpy(image.transpose(2, 0, 1).copy())],
        data_samples=[SegDataSample(metainfo=dict(img_shape=(30, 40), ori_shape=(30, 40)))]))
    assert 'seg_logits' not in sample


def test_what_a_model_must_be(trained):
    model = load_model(None, trained / 'best.pth', 'cpu')
    with pytest.raises(ValueError, match=r"'cuda:1' was asked for.*on 'cpu'.*model.to\("):
        FCNInferencer(model, device='cuda:1')
    with pytest.raises(ValueError, match="no device 'gpu'"):
        FCNInferencer(model, device='gpu')
    with pytest.raises(ValueError, match=r'training mode.*model.eval\(\)'):
        FCNInferencer(model.train())
    network = torch.nn.Conv2d(3, 2, 1)
    for meta in (None, {}, dict(classes='ab', background=0)):  # the last knows no config
        network.dataset_meta = meta
        with pytest.raises(ValueError, match='a Conv2d, does not know its classes.*load_mod'):
            FCNInferencer(network)


def test_options_that_contradict_one_another(trained, tmp_path):
    with pytest.raises(ValueError, match='overlap of 0 pixels, but of no tiles'):
        FCNInferencer(trained / 'best.pth', overlap=0)
    with pytest.raises(ValueError, match='two checkpoints'):
        FCNInferencer(trained / 'best.pth', trained / 'bare.pth')
    (tmp_path / 'stock.py').write_text((trained / 'config.py').read_text().replace(
        "'FCNSegmentor'", "'EncoderDecoder'"))
    with pytest.raises(ValueError, match='tiles need an FCNSegmentor.* EncoderDecoder'):
        FCNInferencer(tmp_path / 'stock.py', trained / 'best.pth', tile=96)
    with pytest.raises(ValueError, match="net.pt2' is a program .*export .* to .onnx"):
        FCNInferencer(tmp_path / 'net.pt2')


def test_load_model_takes_tiles(trained):
    model = load_model(None, trained / 'best.pth', 'cpu', tile=96, overlap=32)
    assert model.tiling == (32, 32)
    assert load_model(None, trained / 'best.pth', 'cpu', tile=512).tiling == (256, 128)


# --- results -----------------------------------------------------------------------


CASCADE = """
default_scope = 'mmseg'
norm_cfg = dict(type='BN')
model = dict(
    type='CascadeEncoderDecoder', num_stages=2,
    data_preprocessor=dict(type='SegDataPreProcessor', size_divisor=32),
    backbone=dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8,
                  norm_cfg=norm_cfg, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
    decode_head=[
        dict(type='FCNHead', in_channels=32, in_index=2, channels=8, num_convs=1,
             num_classes=3, norm_cfg=norm_cfg),
        dict(type='OCRHead', in_channels=64, in_index=3, channels=16, ocr_channels=8,
             num_classes=3, norm_cfg=norm_cfg)],
    test_cfg=dict(mode='whole'))
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
"""


def test_a_cascade_of_mmseg(tmp_path):
    config = Config.fromstring(CASCADE, '.py')
    weights = init_model(config.copy(), device='cpu').state_dict()
    torch.save(dict(state_dict=weights, meta=dict(cfg=config.pretty_text, dataset_meta=dict(
        classes=('a', 'b', 'c')))), tmp_path / 'net.pth')
    segment, image = FCNInferencer(weights=tmp_path / 'net.pth', device='cpu'), noise(50, 60)
    found = segment(image, scores=True)
    assert segment.class_names == ('a', 'b', 'c') and found.scores.shape == (3, 50, 60)
    assert (found.scores.argmax(0) == found.labels).all()
    publish(tmp_path / 'net.pth', tmp_path / 'given.safetensors', 'float32')
    assert 'OCRHead on ResNetV1c, 3 classes' in (tmp_path / 'given.md').read_text()


@pytest.mark.parametrize('size', [(1, 1), (1, 50), (50, 1), (33, 65), (130, 97)])
def test_labels_have_the_image_size(segment, size):
    image = noise(*size)
    result = segment(image)
    assert result.labels.shape == size and result.labels.dtype == np.uint8
    assert result.labels.max() < 9 and result.scores is None
    same = segment(image, scores=True)
    assert (same.labels == result.labels).all() and same.scores.shape == (9, *size)
    assert np.allclose(same.scores.sum(0), 1, atol=1e-5)
    assert (same.scores.argmax(0) == same.labels).mean() > 0.99


def test_as_mmseg_predicts(trained, segment, photos):
    """Reading, channel order and pipeline are those of mmseg's own inference."""
    model = load_model(None, trained / 'best.pth', 'cpu')
    theirs = inference_model(model, str(photos / 'b.png'))
    ours = segment(photos / 'b.png')
    assert (ours.labels == theirs.pred_sem_seg.data[0].numpy()).all()
    assert len(np.unique(ours.labels)) > 1


def test_every_kind_of_input(segment, photos, clip):
    pixels = np.array(Image.open(photos / 'b.png'))
    file = segment(photos / 'b.png')
    for same in (str(photos / 'b.png'), pixels, Image.fromarray(pixels),
                 (photos / 'b.png').read_bytes()):
        assert (segment(same).labels == file.labels).all()
    several = segment([photos, pixels, clip], progress=False)
    assert [result.name for result in several] == [
        'A', 'b', 'image', *(f'clip_{i:06d}' for i in range(5))]
    assert [result.frame for result in several[-2:]] == [3, 4]
    assert len(segment(clip, progress=False)) == 5


@pytest.mark.parametrize('batch_size', [2, 5])
def test_batches(native, batch_size):
    """Images of any sizes, in their order, as if alone."""
    images = [noise(*size) for size in ((40, 50), (33, 65), (40, 50), (40, 50), (1, 9))]
    alone = [native(image, scores=True) for image in images]
    together = native(images, batch_size, scores=True, progress=False)
    for one, other, image in zip(alone, together, images):
        assert (other.image == image).all()
        assert np.allclose(one.scores, other.scores, atol=1e-5)
        assert (one.labels == other.labels).mean() > 0.99


def test_images_that_are_brought_to_one_size_keep_their_own(segment):
    images = [np.kron(noise(5, 6), np.ones((side, 9, 1), np.uint8)) for side in (8, 20, 8)]
    for image, found in zip(images, segment(images, 3, scores=True, progress=False)):
        alone = segment(image, scores=True)
        assert found.scores.shape == (9, *image.shape[:2])
        assert np.allclose(found.scores, alone.scores, atol=1e-5)
        assert (found.labels == alone.labels).mean() > 0.99


def test_batch_is_run_at_once(native, tmp_path, monkeypatch):
    seen, step = [], native._backend.model.test_step
    monkeypatch.setattr(native._backend.model, 'test_step', lambda data, **options: (
        seen.append(len(data['inputs'])), step(data, **options))[1])
    images = [noise(40, 50)] * 5
    native(images, 4, progress=False)
    list(native.stream(images, 4, progress=False))
    native.save(images, tmp_path, 4, progress=False)
    assert seen == [4, 1] * 3


def test_stream_reads_as_it_goes(segment, photos):
    (photos / 'a0.png').write_bytes(b'nonsense')
    results = segment.stream([photos / 'b.png', photos / 'a0.png'], progress=False)
    assert next(results).name == 'b'
    with pytest.raises(ValueError, match='a0.png'):
        next(results)
    errors = []
    found = segment.stream(photos, progress=False, failed=errors)
    assert [result.name for result in found] == ['A', 'b'] and len(errors) == 1


def test_progress(segment, photos, capsys):
    segment(photos / 'b.png')
    assert capsys.readouterr().out == ''
    segment(photos)
    assert 'predicting' in capsys.readouterr().out


def test_video_too_long_for_a_list(segment, clip, monkeypatch):
    monkeypatch.setattr(VideoInput, '__iter__', lambda self: pytest.fail('decoded'))
    monkeypatch.setattr('fcn_plugin.inference.inferencer._MOST_IN_MEMORY', 50_000)
    with pytest.raises(ValueError, match=r'FCNInferencer.stream\(\)'):
        segment(clip)


def test_a_list_takes_two_gigabytes_at_most(segment, clip):
    video = VideoInput(clip)
    video.count = 2**31 // (44 * 60 * 4)
    segment._check_memory([video], scores=False)
    video.count += 1
    with pytest.raises(ValueError, match='of all frames would take 2.0 GB'):
        segment._check_memory([video], scores=False)


def test_scores_count_where_memory_is_checked(segment, clip, monkeypatch):
    """5 frames of 60x44 are 53 kB; with the probabilities of 9 classes 528 kB."""
    monkeypatch.setattr('fcn_plugin.inference.inferencer._MOST_IN_MEMORY', 100_000)
    assert len(segment(clip, progress=False)) == 5
    with pytest.raises(ValueError, match=r'FCNInferencer.stream\(\)'):
        segment(clip, scores=True)


def test_fast(trained):
    image = np.kron(noise(6, 9), np.ones((20, 20, 1), np.uint8))
    fast = FCNInferencer(trained / 'best.pth', device='cpu', fast=True)
    norms = [module for module in fast._backend.model.backbone.modules()
             if isinstance(module, torch.nn.BatchNorm2d)]
    assert not norms
    plain = FCNInferencer(trained / 'best.pth', device='cpu')
    assert (fast(image).labels == plain(image).labels).mean() > 0.9


def test_tiles(trained, native, capsys):
    """Labels come without scores there, and a single image has a bar."""
    tiles = FCNInferencer(trained / 'best.pth', device='cpu', tile=128, overlap=32,
                          cfg_options=NATIVE)
    image = np.kron(noise(6, 9), np.ones((25, 25, 1), np.uint8))
    assert (tiles(image).labels == native(image).labels).mean() > 0.8
    assert 'tiles' in capsys.readouterr().out
    tiles([image, image])
    assert 'tiles' not in capsys.readouterr().out
    assert native.gives_scores and not tiles.gives_scores
    with pytest.raises(ValueError, match="'tile'"):
        tiles(image, scores=True)


def test_pipeline_that_cannot_take_an_image(trained, tmp_path):
    segment = FCNInferencer(trained / 'best.pth', device='cpu', cfg_options={
        'test_pipeline': [dict(type='Resize', scale=(64, 64), keep_ratio=True),
                          dict(type='PackSegInputs')]})
    Image.new('RGB', (900, 1)).save(tmp_path / 'flat.png')
    with pytest.raises(ValueError, match='flat.png.*900x1'):
        segment(tmp_path / 'flat.png')


def test_single_channel(trained, tmp_path, photos):
    (tmp_path / 'binary.py').write_text((trained / 'config.py').read_text().replace(
        'num_classes=9)', 'num_classes=2, out_channels=1, threshold=0.5)'))
    config = Config.fromfile(tmp_path / 'binary.py')
    del config.model.auxiliary_head
    weights = init_model(config.copy(), device='cpu').state_dict()
    torch.save(weights, tmp_path / 'binary.pth')
    with pytest.warns(UserWarning, match='9 class names for a model of 2'):
        segment = FCNInferencer(config, tmp_path / 'binary.pth', 'cpu')
    assert segment.class_names == ('background', 'bar')
    found = segment(photos / 'b.png', scores=True)
    assert found.scores.shape == (2, 40, 30)
    assert ((found.scores[1] > 0.5) == found.labels).all()


def test_result(segment, photos):
    result = segment(photos / 'b.png', scores=True)
    assert result.class_names == CLASSES and result.path == photos / 'b.png'
    assert sum(result.shares.values()) == pytest.approx(1)
    name = next(iter(result.shares))
    assert result.mask(name.upper()).mean() == pytest.approx(result.shares[name])
    assert (result.mask(3) == (result.labels == 3)).all()
    assert f'b, 30x40: {name} ' in repr(result)
    plain = result.overlay(legend=False)
    assert plain.shape == (40, 30, 3) and (plain != result.image).any()
    assert result.overlay().shape[1] > 3 * 30  # enlarged, with a legend
    assert (result.overlay(1.) != result.overlay()).any()
    np.testing.assert_array_equal(result.heatmap('ring'), vis.heatmap(
        result.scores[2], result.image, title='probability of ring'))
    with pytest.raises(ValueError, match="no class 'cat'.*1 bar"):
        result.mask('cat')
    with pytest.raises(ValueError, match='scores=True'):
        segment(photos / 'b.png').heatmap('ring')


def test_names_that_differ_in_case_alone():
    classes = ('Road', 'road', 'ROAD side', '1')
    assert [find_class(name, classes) for name in (*classes, 'ROAD', 'road side', 0, 2)] == [
        0, 1, 2, 3, 0, 2, 0, 2]
    with pytest.raises(ValueError, match="no class '4': the model knows 0 Road, "):
        find_class(4, classes)


@pytest.mark.parametrize('label', [0, 255, 299])
def test_any_number_is_a_class_in_its_colour(label):
    """Where no class is the background, and there are more than 8 bits hold."""
    palette = [[i % 256, 7, i // 256] for i in range(300)]
    labels = np.full((4, 5), label, np.int16)
    result = Result(noise(4, 5), labels, tuple(map(str, range(300))), palette)
    assert (result.overlay(1., legend=False, outlines=False) == palette[label]).all()


def test_legends_show_what_pictures_do():
    """The background has no colour there either; that of a video stands still."""
    frames = [Result(np.full((40, 60, 3), 99, np.uint8), np.full((40, 60), label, np.uint8),
                     ('sky', 'road', 'tree'), [[255, 0, 0], [0, 255, 0], [0, 0, 255]], 0)
              for label in (0, 1)]
    for result in frames:
        assert not (result.overlay() == (255, 0, 0)).all(2).any()
    first, second = (result.frame_pictures()['overlay'] for result in frames)
    assert first.shape == second.shape and (first[:, 360:] == second[:, 360:]).all()
    assert (first == (0, 0, 255)).all(2).any() and not (first == (255, 0, 0)).all(2).any()


# --- files -------------------------------------------------------------------------


def test_save_a_result(segment, photos, tmp_path):
    result = segment(photos / 'A.JPG', scores=True)
    files = result.save(tmp_path / 'out', heatmap='Striped Disc')
    assert [file.name for file in files] == [
        'A_overlay.jpg', 'A_labels.png', 'A_heatmap_striped-disc.png']
    assert sorted(files) == sorted((tmp_path / 'out').iterdir())
    png = Image.open(files[1])
    assert png.mode == 'P' and (np.asarray(png) == result.labels).all()
    assert png.getpalette()[3:6] == [1, 2, 3]
    with pytest.raises(FileExistsError, match='A_overlay.jpg.*overwrite'):
        result.save(tmp_path / 'out')
    assert result.save(tmp_path / 'one.webp') == [tmp_path / 'one.webp']
    assert Image.open(tmp_path / 'one.webp').size == result.overlay().shape[1::-1]


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='processes fork on POSIX alone')
def test_what_a_killed_process_left_is_gone_once_it_is_written_again(tmp_path, monkeypatch):
    """A picture lay half beside half of itself, under a name that nobody wrote again."""
    result = Result(noise(4, 5), np.zeros((4, 5), np.uint8), ('a', 'b'),
                    vis.default_palette(2), path=Path('photo.png'))
    for place in range(2):  # of the two files
        child = os.fork()
        if not child:
            replace, done = os.replace, []

            def killed(*paths, done=done, replace=replace, place=place):
                if len(done) == place:
                    os.kill(os.getpid(), signal.SIGKILL)
                done.append(replace(*paths))

            try:
                monkeypatch.setattr(os, 'replace', killed)
                result.save(tmp_path, overwrite=True)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        assert any('part' in path.name for path in tmp_path.iterdir())
        files = result.save(tmp_path, overwrite=True)
        assert sorted(tmp_path.iterdir()) == sorted(files)


def test_save_more_classes_than_8_bits_hold(tmp_path):
    labels = np.arange(280, 300, dtype=np.int16).reshape(4, 5)
    names = tuple(map(str, range(300)))
    result = Result(noise(4, 5), labels, names, vis.default_palette(300),
                    tasks=dict(kind=labels[::-1]))
    _, first, further = result.save(tmp_path)
    assert (np.asarray(Image.open(first)) == labels).all()
    assert (np.asarray(Image.open(further)) == labels[::-1]).all()


def test_save_images_in_memory(segment, tmp_path):
    files = segment.save([noise(20, 30), noise(30, 20)], tmp_path, progress=False)
    assert [file.name for file in files] == [
        'image_0000_overlay.png', 'image_0000_labels.png', 'image_0001_overlay.png',
        'image_0001_labels.png']


def test_what_was_written_beside_the_images_is_not_segmented(segment, photos):
    first = segment.save(photos, photos, progress=False)
    before = sorted(photos.iterdir())
    assert len(first) == 4 and len(before) == 7
    assert segment.save(photos, photos, resume=True) == []
    assert segment.save(photos, f'{photos}/.', overwrite=True, progress=False) == first
    parts = [segment.save(photos, photos, overwrite=True, part=(i, 2), progress=False)
             for i in range(2)]
    assert sum(parts, []) == first and sorted(photos.iterdir()) == before


@pytest.mark.parametrize('out, said', [('new.png', 'new.png. ends in .png, expected a folder'),
                                       ('new.MP4', 'new.MP4. ends in .MP4, expected'),
                                       ('file', 'file. is a file, expected a folder')])
def test_a_folder_is_written_to(trained, photos, tmp_path, out, said):
    folder = tmp_path / 'folder'
    folder.mkdir()
    (folder / 'file').touch()
    for more in ((), ('--format', 'coco')):
        done = run_tool('predict.py', '--img-path', photos / 'b.png', '--weight-path',
                        trained / 'best.pth', '--out-dir', folder / out, *more)
        assert done.code == 2 and re.search(said, done.err)
    assert [file.name for file in folder.iterdir()] == ['file']


def test_a_folder_may_be_called_like_a_picture(segment, tmp_path):
    (tmp_path / 'a.png').mkdir()
    assert len(segment.save(noise(20, 30), tmp_path / 'a.png', progress=False)) == 2


def test_suffixes_in_capitals(trained, tmp_path):
    (tmp_path / 'BEST.PTH').write_bytes((trained / 'best.pth').read_bytes())
    assert FCNInferencer(tmp_path / 'BEST.PTH', device='cpu').class_names == CLASSES
    (tmp_path / 'M.ONNX').write_bytes(b'no graph')
    with pytest.raises(ValueError, match='M.ONNX'):
        FCNInferencer(weights=tmp_path / 'M.ONNX', runtime='onnxruntime')


def test_exported_files_in_the_home(tmp_path, monkeypatch):
    (tmp_path / 'm.onnx').write_bytes(b'no graph')
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('USERPROFILE', str(tmp_path))
    with pytest.raises(ValueError, match=f"cannot load '{re.escape(str(tmp_path))}"):
        FCNInferencer('~/m.onnx', runtime='onnxruntime')


@pytest.mark.parametrize('suffix', ['.mp4', '.webm'])
def test_video_in_video_out(segment, clip, tmp_path, suffix):
    out = tmp_path / 'out'
    files = segment.save(clip, out, heatmap='ring', video_suffix=suffix, batch_size=2,
                         progress=False)
    assert [file.name for file in files] == [f'clip_overlay{suffix}',
                                             f'clip_heatmap_ring{suffix}']
    assert sorted(out.iterdir()) == sorted(files)  # nothing half-written beside them
    for file in files:
        video = VideoInput(file)
        assert video.fps == 10 and video.count == len(list(video)) == 5
        assert video.size[1] > 60  # with a legend
    with pytest.raises(FileExistsError, match='clip_overlay'):
        segment.save(clip, out, video_suffix=suffix)


def test_colours_are_as_strong_as_is_said(segment, clip, photos, tmp_path):
    segment.save([photos / 'b.png', clip], tmp_path, opacity=0.1, video_suffix='.avi',
                 progress=False)
    expected = segment(photos / 'b.png').overlay(0.1)
    assert (np.asarray(Image.open(tmp_path / 'b_overlay.png')) == expected).all()
    _, seen = next(iter(VideoInput(tmp_path / 'clip_overlay.avi')))
    frame = next(segment.stream(clip, progress=False))
    apart = [np.abs(frame.frame_pictures(opacity)['overlay'][:44, :60] - seen[:44, :60].astype(
        int)).mean() for opacity in (0.1, 0.5)]
    assert 2 * apart[0] < apart[1]


def test_an_image_behind_a_video_keeps_its_name(segment, clip, photos, tmp_path):
    segment.save([clip, photos / 'b.png'], tmp_path / 'out', progress=False)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == [
        'b_labels.png', 'b_overlay.png', 'clip_overlay.mp4']


def test_a_broken_video_leaves_nothing(segment, clip, tmp_path, photos, monkeypatch):
    def two_frames(self):
        yield 0, noise(44, 60)
        yield 1, noise(44, 60)
        raise ValueError('clip.avi ends')

    monkeypatch.setattr(VideoInput, '__iter__', two_frames)
    out = tmp_path / 'out'
    with pytest.raises(ValueError, match='1 of 2.*clip.avi ends.*2 files are written'):
        segment.save([clip, photos / 'b.png'], out, progress=False)
    assert sorted(file.name for file in out.iterdir()) == ['b_labels.png',
                                                           'b_overlay.png']


# --- images that cannot be used ----------------------------------------------------


@pytest.fixture
def picky(trained, monkeypatch):
    """Its pipeline keeps the ratio, and its network cannot take a black image."""
    segment = FCNInferencer(trained / 'best.pth', device='cpu', cfg_options={
        'test_pipeline': [dict(type='LoadImageFromFile'),
                          dict(type='Resize', scale=(64, 64), keep_ratio=True),
                          dict(type='PackSegInputs')]})

    def refuse(module, args):
        if (args[0].flatten(1).std(1) < 0.5).any():
            raise RuntimeError('nothing to see')

    segment._backend.model.backbone.conv1.register_forward_pre_hook(refuse)
    return segment


@pytest.fixture
def mixed(tmp_path):
    """Two of six images can be segmented: 0.png and 5.png."""
    folder = tmp_path / 'mixed'
    folder.mkdir()
    for name in ('0', '3', '5'):
        Image.fromarray(noise(40, 60)).save(folder / f'{name}.png')
    Image.new('RGB', (500, 1)).save(folder / '1.png')
    Image.new('RGB', (60, 40)).save(folder / '2.png')
    (folder / '4.png').write_bytes(b'nonsense')
    return folder


@pytest.mark.parametrize('batch_size', [1, 2, 6])
def test_one_image_does_not_stop_the_others(picky, mixed, tmp_path, batch_size):
    out = tmp_path / 'out'
    (out / '3_labels.png').mkdir(parents=True)  # no file can have that name
    with pytest.raises(LeftOutError) as caught:
        picky.save(mixed, out, batch_size, progress=False, overwrite=True)
    message = str(caught.value)
    assert message.startswith('4 of 6 images are left out: ')
    assert 'of 500x1 pixels: resized, its shorter side would have no pixel left' in message
    assert message.endswith(f'4 files are written to {out}')
    assert not [path for path in out.rglob('*') if '.part' in path.name]
    written = [path for path in out.iterdir() if path.is_file() and path.name[0] != '3']
    assert sorted(path.name for path in written) == [
        '0_labels.png', '0_overlay.png', '5_labels.png', '5_overlay.png']
    for name in '05':
        alone = picky(mixed / f'{name}.png').labels
        assert (np.asarray(Image.open(out / f'{name}_labels.png')) == alone).mean() > 0.99


@pytest.mark.parametrize('batch_size', [1, 2, 6])
def test_a_stream_leaves_out_or_stops(picky, mixed, batch_size):
    failed = []
    found = picky.stream(mixed, batch_size, progress=False, failed=failed)
    assert [result.name for result in found] == ['0', '3', '5']
    assert [error.__traceback__ for error in failed] == [None] * 3
    said = sorted(map(str, failed))
    assert all(words in text for text, words in zip(said, (
        '1.png: ', '2.png: nothing to see (RuntimeError)', "cannot read the image '")))
    given = [mixed / f'{i}.png' for i in (0, 3, 1)]
    results = picky.stream(given, batch_size, progress=False)
    assert [next(results).name, next(results).name] == ['0', '3']
    with pytest.raises(ValueError, match='1.png: .*500x1'):
        next(results)
    with pytest.raises(RuntimeError, match='^nothing to see$'):  # a fault keeps its type
        picky(mixed / '2.png')


def test_images_in_one_after_another_vanish(segment, photos):
    failed = []
    results = segment.stream(photos, progress=False, failed=failed)
    (photos / 'b.png').unlink()
    assert [result.name for result in results] == ['A']
    assert 'b.png' in str(*failed)


def test_a_name_that_is_too_long(segment, tmp_path):
    (tmp_path / 'photos').mkdir()
    for name in ('b', 'x' * 245):
        Image.fromarray(noise(9, 9)).save(tmp_path / 'photos' / f'{name}.png')
    with pytest.raises(LeftOutError, match='1 of 2.*xxx.*too long.*2 files are written'):
        segment.save(tmp_path / 'photos', tmp_path / 'out', progress=False)


def test_a_full_disk_stops(segment, photos, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(Image.Image, 'save', full)
    with pytest.raises(OSError, match='No space left') as caught:
        segment.save(photos, tmp_path / 'out', progress=False)
    assert not isinstance(caught.value, ValueError)
    assert not any((tmp_path / 'out').iterdir())


def test_a_frame_that_fails_takes_its_video_along(segment, clip, photos, tmp_path,
                                                  monkeypatch):
    run, seen = segment._backend, []

    def third_fails(images, scores=False):
        seen.append(images)
        if len(seen) == 3:
            raise RuntimeError('no third')
        return run(images, scores)

    third_fails.show_tiles = run.show_tiles
    monkeypatch.setattr(segment, '_opened', third_fails)
    with pytest.raises(LeftOutError, match=r'1 of 2.*clip.avi.*no third \(RuntimeError\)'):
        segment.save([photos / 'b.png', clip], tmp_path / 'out', progress=False)
    assert len(list((tmp_path / 'out').iterdir())) == 2


def test_where_none_is_left_it_is_an_error_like_any_other(picky, mixed, tmp_path):
    with pytest.raises(ValueError, match='none of 2 images .*1.png.*2.png') as caught:
        picky.save([mixed / '1.png', mixed / '2.png'], tmp_path / 'out', progress=False)
    assert not isinstance(caught.value, LeftOutError)


def test_the_exit_code_of_the_tools(trained, mixed, tmp_path):
    given = ['--weight-path', trained / 'best.pth', '--img-path', mixed, '--device', 'cpu']
    for tool in ('predict.py', 'predict_show.py'):
        done = run_tool(tool, *given, '--out-dir', tmp_path / tool)
        assert done.code == 1, done.err
        assert done.err.startswith('error: 1 of 6 images are left out: cannot read')
        assert len(done.err.splitlines()) == 1 and any((tmp_path / tool).iterdir())


def test_output_stems():
    assert output_stems([Path('x/a.jpg'), Path('x/b.jpg')]) == ['a', 'b']
    assert output_stems([Path('a.jpg'), Path('a.png'), Path('b.png')]) == [
        'a_jpg', 'a_png', 'b']
    with pytest.raises(ValueError, match='x/a.jpg.*y/a.jpg'):
        output_stems([Path('x/a.jpg'), Path('y/a.jpg')])
    assert output_stems([None, Path('a.png'), None]) == [
        'image_0000', 'a', 'image_0002']
    assert output_stems([None]) == ['image']
    assert output_stems([Path('image.png'), None]) == ['image_png', 'image']


def test_names_that_are_one_to_windows_and_macos():
    """Capitals, and umlauts taken apart: the second would replace the first's labels."""
    taken_apart = unicodedata.normalize('NFD', 'ü')
    assert output_stems([Path('a.jpg'), Path('A.png'), Path('b.png')]) == [
        'a_jpg', 'A_png', 'b']
    assert output_stems([Path('ü.jpg'), Path(f'{taken_apart}.png')]) == [
        'ü_jpg', f'{taken_apart}_png']
    for other in ('y/A.JPG', 'y/a.jpg'):
        with pytest.raises(ValueError, match=f"'x/a.jpg' and '{other}' would have outputs"):
            output_stems([Path('x/a.jpg'), Path(other)])
    # such names tell such files apart here
    assert output_stems([Path('a.jpg'), Path('A.JPG')]) == ['a_jpg', 'A_JPG']


def test_too_large_to_be_whole(native, monkeypatch):
    """Tiles of their own accord, and else an error that says what can be done."""
    image = noise(96, 130)
    monkeypatch.setattr(torch_backend, 'MOST_PIXELS', 96 * 130 - 1)
    monkeypatch.setattr(torch_backend, '_TILE', 96)
    monkeypatch.setattr(torch_backend, '_OVERLAP', 32)
    asked = FCNInferencer(native._backend.model, device='cpu')
    score, seen = asked._backend.model.score, []
    monkeypatch.setattr(asked._backend.model, 'score', lambda images, *rest: (
        seen.append(tuple(images.shape[-2:])), score(images, *rest))[1])
    assert asked(image).labels.shape == (96, 130)
    assert len(seen) > 4 and max(map(max, seen)) <= 96
    with pytest.raises(ValueError, match='130x96 pixels do not fit.*leave the heat map out'):
        asked(image, scores=True)
    assert asked._backend.model.tiling is None
    seen.clear()
    asked([image[1:], image], 2, progress=False)
    assert seen[0] == (95, 130) and max(map(max, seen[1:])) <= 96  # whole, and in tiles
    monkeypatch.setitem(asked._backend.model.test_cfg, 'logits', True)  # by its config
    with pytest.raises(ValueError, match='130x96 pixels do not fit.*leave the heat map out'):
        asked(image)
