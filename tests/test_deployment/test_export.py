"""Exported files: parity with PyTorch, any size, and the inferencer on them."""
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image
from tiny_runs import CONFIGS, run_tool, succeed

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.deployment.deployed import normalise
from fcn_plugin.deployment.export import _images, _meta, compare_backends, export, resize_of
from fcn_plugin.runtimes.backend import Prediction

onnx = pytest.importorskip('onnx', reason="the extra 'export' is not installed")
pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")

pytestmark = pytest.mark.usefixtures('timed_once')
NATIVE = {'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]}
SHORT_SIDE = {'test_pipeline': [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(999, 64), keep_ratio=True),
    dict(type='PackSegInputs')]}


def noise(height, width):
    return np.random.randint(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope='module')
def exported(trained, tmp_path_factory):
    """Files by (suffix, preprocess), with scores, of a net at the images' own sizes."""
    folder = tmp_path_factory.mktemp('exported')
    files = {}
    for suffix, preprocess in (('.onnx', True), ('.onnx', False)):
        files[suffix, preprocess] = folder / f'net_{preprocess}{suffix}'
        export(trained / 'best.pth', files[suffix, preprocess], scores=True,
               preprocess=preprocess, cfg_options=NATIVE)
    return files


@pytest.mark.parametrize('options', [None, SHORT_SIDE])
def test_resizing_inside(trained, tmp_path, options):
    """To 64x64, as the config says, or by the short side; labels of the image's size."""
    file = tmp_path / 'new' / 'net.onnx'
    found = export(trained / 'best.pth', file, preprocess=True, cfg_options=options)
    assert found['equal'] > 0.99
    graph = FCNInferencer(file, device='cpu')
    reference = FCNInferencer(trained / 'best.pth', device='cpu', cfg_options=options)
    image = np.kron(noise(6, 9), np.ones((20, 20, 1), np.uint8))
    ours, theirs = graph(image), reference(image)
    assert ours.labels.shape == (120, 180)
    assert (ours.labels == theirs.labels).mean() > 0.99
    with pytest.raises(ValueError, match='labels alone: export it with --scores'):
        graph(image, scores=True)


@pytest.mark.parametrize('options', [
    None, SHORT_SIDE, {'model.data_preprocessor.bgr_to_rgb': False}])
def test_resizing_outside(trained, tmp_path, options):
    """The file keeps the pipeline, which the inferencer runs."""
    export(trained / 'best.pth', tmp_path / 'net.onnx', scores=True, cfg_options=options)
    graph = FCNInferencer(tmp_path / 'net.onnx', device='cpu')
    reference = FCNInferencer(trained / 'best.pth', device='cpu', cfg_options=options)
    image = np.kron(noise(6, 9), np.ones((20, 20, 1), np.uint8))
    found, expected = (each(image, scores=True) for each in (graph, reference))
    assert found.labels.shape == (120, 180) and found.scores.shape == (9, 120, 180)
    assert (found.labels == expected.labels).mean() > 0.9  # nearest neighbour
    assert np.abs(found.scores - expected.scores).mean() < 0.02


def test_by_onnxruntime_alone(exported):
    """What the documentation promises to those without this package."""
    import onnxruntime
    session = onnxruntime.InferenceSession(str(exported['.onnx', True]))
    given, = session.get_inputs()
    assert (given.name, given.type) == ('image', 'tensor(uint8)')
    assert [output.name for output in session.get_outputs()] == ['labels', 'scores']
    labels, scores = session.run(None, {'image': noise(50, 31)[None]})
    assert labels.dtype == np.uint8 and labels.shape == (1, 50, 31)
    assert scores.dtype == np.float32 and scores.shape == (1, 9, 50, 31)
    meta = json.loads(session.get_modelmeta().custom_metadata_map['fcn_plugin'])
    assert meta['classes'][1] == 'bar' and meta['palette'][1] == [1, 2, 3]
    onnx.checker.check_model(str(exported['.onnx', True]))


def test_overlays_from_onnx(exported, photos, tmp_path):
    printed = succeed('predict.py', '--weight-path', exported['.onnx', True],
                      '--img-path', photos / 'b.png', '--out-dir', tmp_path / 'tool')
    assert '2 files written' in printed
    files = FCNInferencer(exported['.onnx', True]).save(
        photos, tmp_path / 'out', heatmap='ring', progress=False)
    assert len(files) == 6 and all(file.is_file() for file in files)


# --- what passes as the same ----------------------------------------------------------


class Answers:
    """A backend that says what it was told, alone and in a batch."""

    def __init__(self, probabilities, labels=None, in_batch=None, scores=False, task=None):
        self.meta = dict(scores=scores)
        labels = probabilities.argmax(0) if labels is None else labels
        self.alone = Prediction(labels, probabilities)
        self.in_batch = Prediction(labels if in_batch is None else in_batch, probabilities)
        if task is not None:
            self.alone, self.in_batch = (each._replace(tasks=dict(part=Prediction(
                task, probabilities))) for each in (self.alone, self.in_batch))

    def __call__(self, images, scores=False):
        found = self.alone if len(images) == 1 else self.in_batch
        return [found if scores else found._replace(scores=None) for _ in images]


IMAGE = np.zeros((2, 2, 3), np.uint8)
#: Certain in the first three pixels, undecided to rounding in the last.
SURE = np.array([[[.9, .1], [.9, .5]], [[.1, .9], [.1, .4999]]], np.float32)
LABELS = SURE.argmax(0)
WRONG = np.array([[1, 1], [0, 0]])
NAN = np.where(SURE > 2, SURE, np.nan).astype(np.float32)


@pytest.mark.parametrize('graph', [
    Answers(SURE, WRONG), Answers(SURE, in_batch=WRONG),
    Answers(SURE + np.float32(.01), scores=True), Answers(NAN, LABELS, scores=True),
    Answers(SURE, LABELS[:1]),
], ids=['a label', 'a label in a batch', 'a score', 'no number', 'a size'])
def test_a_graph_that_computes_something_else(graph):
    with pytest.raises(ValueError, match='does not compute what PyTorch does'):
        compare_backends(Answers(SURE), graph, [IMAGE], 1e-3)


def test_a_graph_whose_labels_of_a_further_task_are_others():
    reference = Answers(SURE, task=LABELS)
    found = compare_backends(reference, Answers(SURE, task=LABELS), [IMAGE], 1e-3)
    assert found['equal'] == 1 and found['gap'] == 0
    with pytest.raises(ValueError, match='differs by 0.8, where 0.001 .* 12.50 % of the lab'):
        compare_backends(reference, Answers(SURE, task=WRONG), [IMAGE], 1e-3)


def test_one_label_far_off_is_not_made_up_for_by_others():
    other = Answers(SURE, np.array([[1, 1], [0, 1]]))
    with pytest.raises(ValueError, match='a score differs by 0.8'):
        compare_backends(Answers(SURE), other, [IMAGE], 0.5)


def test_a_reference_of_no_numbers():
    with pytest.raises(ValueError, match='a score differs by nan'):
        compare_backends(Answers(NAN, LABELS), Answers(SURE, WRONG), [IMAGE], 1e-3)


def test_what_rounding_leaves_undecided_may_differ():
    other = np.array([[0, 1], [0, 1]])
    found = compare_backends(Answers(SURE), Answers(SURE, other), [IMAGE], 1e-3)
    assert found['equal'] == 0.75 and 0 < found['gap'] < 1e-3


def test_one_channel_decides_by_its_threshold():
    """mmseg's default is 0.3: the label is not always the more probable class."""
    labels = (SURE[1] > 0.3).astype(np.int64)
    assert (labels != LABELS).any()
    reference = Answers(SURE, labels)
    assert compare_backends(reference, Answers(SURE, labels), [IMAGE], 1e-3, 0.3)['equal'] == 1
    with pytest.raises(ValueError, match='25.00 % of the labels'):
        compare_backends(reference, Answers(SURE, LABELS), [IMAGE], 1e-3, 0.3)
    near = SURE.copy()  # to the threshold: rounding decides
    near[:, 1, 1] = .6999, .3001
    graph = Answers(near, np.where(near[1] > .3002, 1, 0))
    found = compare_backends(Answers(near, labels), graph, [IMAGE], 1e-3, 0.3)
    assert found['equal'] == 0.75 and found['gap'] == pytest.approx(1e-4, rel=1e-3)


# --- errors -------------------------------------------------------------------------


@pytest.mark.parametrize('change, words', [
    (dict(out='net.pb'), 'must end in .onnx'),
    (dict(img_path='none'), "no such file or folder: 'none'"),
    (dict(opset=3), 'opset 3'),
    (dict(cfg_options={'model.test_cfg.mode': 'slide'}), 'model.test_cfg.mode=whole'),
    (dict(cfg_options={'test_pipeline': [dict(type='RandomFlip', prob=1.)]},
          preprocess=True), "'RandomFlip'.*without --preprocess"),
])
def test_bad_arguments(trained, tmp_path, monkeypatch, change, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=words):
        export(**{**dict(weight_path=trained / 'best.pth', out='net.onnx'), **change})
    assert not list(tmp_path.glob('*'))


def test_a_file_in_the_home_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setenv('USERPROFILE', str(tmp_path))
    (tmp_path / 'net.onnx').touch()
    with pytest.raises(FileExistsError, match='net.onnx.*overwrite'):
        export('none.pth', '~/net.onnx')


def test_the_network_is_loaded_as_is_asked_for(tmp_path, monkeypatch):
    seen = {}
    monkeypatch.setattr('fcn_plugin.deployment.export.load_model', lambda *given, **named:
                        seen.update(named, given=given) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export('w.pth', tmp_path / 'net.onnx', 'net.py', 'vgg16', cfg_options={'a': 1},
               allow_imports=['own'])
    assert seen == dict(given=('net.py', 'w.pth', 'cpu', 'vgg16', {'a': 1}),
                        allow_imports=['own'])


def test_a_graph_that_computes_something_else_is_refused(trained, tmp_path, monkeypatch):
    forward = 'fcn_plugin.deployment.deployed.normalise'
    monkeypatch.setattr(forward, lambda preprocessor, image: image / 255)
    with pytest.raises(ValueError, match='does not compute what PyTorch does.*% of the'):
        export(trained / 'best.pth', tmp_path / 'net.onnx', preprocess=True,
               cfg_options=NATIVE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('options', [NATIVE, None])
def test_what_may_differ(trained, tmp_path, monkeypatch, options):
    """A quarter where the graph resizes, which rounds; else a thousandth."""
    monkeypatch.setattr('fcn_plugin.deployment.deployed.normalise', lambda *given:
                        normalise(*given) + 0.003)
    given = dict(preprocess=True, scores=True, cfg_options=options)
    if options:
        with pytest.raises(ValueError, match='differs by 0.0.*, where 0.001 is allowed'):
            export(trained / 'best.pth', tmp_path / 'net.onnx', **given)
        assert not list(tmp_path.iterdir())
    else:
        assert 1e-3 < export(trained / 'best.pth', tmp_path / 'net.onnx', **given)['gap'] < 0.2


def test_files_that_are_none(exported, tmp_path):
    (tmp_path / 'empty.onnx').write_bytes(b'')
    with pytest.raises(ValueError, match='empty.onnx'):
        FCNInferencer(tmp_path / 'empty.onnx')
    with pytest.raises(FileNotFoundError, match='none.onnx'):
        FCNInferencer('none.onnx')
    with pytest.raises(ValueError, match='nothing but device, runtime and fast'):
        FCNInferencer(exported['.onnx', True], 'best.pth')
    foreign = onnx.load(str(exported['.onnx', True]))
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / 'foreign.onnx')
    with pytest.raises(ValueError, match='not written by tools/export.py'):
        FCNInferencer(tmp_path / 'foreign.onnx')


@pytest.mark.parametrize('step, words', [
    (dict(type='subprocess.Popen', args='x'), 'subprocess.Popen'),
    (dict(type='mmengine.load', file='x'), "type 'mmengine.load'"),
    (dict(type='antigravity'), "'antigravity' is also the name of a module"),
    (dict(type='Resize', scale=9, _scope_='antigravity'), "_scope_ names the module")])
def test_types_named_in_a_file_are_checked(exported, tmp_path, step, words):
    evil = onnx.load(str(exported['.onnx', False]))
    meta = json.loads(evil.metadata_props[0].value)
    meta['pipeline'] = [step]
    evil.metadata_props[0].value = json.dumps(meta)
    onnx.save(evil, tmp_path / 'evil.onnx')
    with pytest.raises(ValueError, match=words):
        FCNInferencer(tmp_path / 'evil.onnx')


@pytest.mark.parametrize('settings, mean, std', [
    ({}, None, None), (dict(mean=[1, 2, 3], std=[4, 5, 6]), [1, 2, 3], [4, 5, 6])])
@pytest.mark.parametrize('turned', [False, True])
def test_what_a_file_says_of_preprocessing_outside(settings, mean, std, turned):
    steps = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
    model = SimpleNamespace(
        dataset_meta={}, cfg=Config(dict(test_pipeline=steps)), data_preprocessor=MODELS.build(
            dict(type='FCNDataPreProcessor', bgr_to_rgb=turned, **settings)))
    network = SimpleNamespace(with_scores=False, preprocess=False, exact_places=True,
                              channels=3)
    found = _meta(model, network, Path('w.pth'))
    assert (found['mean'], found['std'], found['bgr_to_rgb']) == (mean, std, turned)
    assert found['pipeline'] == steps


def test_images_to_check_with_are_spread_over_all(monkeypatch):
    monkeypatch.setattr('fcn_plugin.deployment.export.to_channels', lambda path, _: path)
    assert _images(range(8), 3) == list(range(8))
    assert _images(range(20), 3) == [0, 3, 6, 9, 12, 15, 18]


def test_resize_of():
    def found(*steps):
        return resize_of(Config(dict(test_pipeline=list(steps))))

    load, pack = dict(type='LoadImageFromFile'), dict(type='PackSegInputs')
    assert found(load, pack) == (None, False)
    assert found(load, dict(type='Resize', scale=224), pack) == ((224, 224), False)
    assert found(dict(type='Resize', scale=(9, 7), keep_ratio=True)) == ((9, 7), True)
    loader = dict(dataset=dict(type='ShapesDataset', pipeline=[dict(type='Resize', scale=8)]))
    assert resize_of(Config(dict(test_dataloader=loader))) == ((8, 8), False)
    for step in (dict(type='Resize', scale_factor=2.), dict(type='TestTimeAug'),
                 dict(type='Resize', scale=9, interpolation='nearest')):
        with pytest.raises(ValueError, match='without --preprocess'):
            found(load, step, pack)
    with pytest.raises(ValueError, match="step .*'scale': 5.* cannot be put into"):
        found(load, dict(type='Resize', scale=9), dict(type='Resize', scale=5), pack)


# --- the tool, and real images --------------------------------------------------------


def test_tool(trained, tmp_path, photos):
    out = tmp_path / 'net.onnx'
    printed = succeed('export.py', '--weight-path', trained / 'best.pth', '--out', out,
                      '--preprocess', '--img-path', photos)
    assert f'{out} (' in printed and '(N, H, W, 3) uint8 RGB -> labels' in printed
    assert 'parity  2 images: ' in printed and 'onnxruntime' in printed
    assert 'scores within' not in printed
    done = run_tool('export.py', '--weight-path', trained / 'best.pth', '--out', out)
    assert done.code == 2 and '--overwrite' in done.err


@pytest.mark.slow
def test_real_images(test_data, tmp_path):
    """FCN-8s on the original VGG16's convolutions, whose scores are random."""
    config = Config.fromfile(
        CONFIGS / 'fcn/fcn-8s_vgg16-lean_1xb4-1600_camvid-240x320.py')
    config.model.backbone.init_cfg.checkpoint = str(
        test_data / 'weights' / 'vgg16_imagenet_conv_caffe_bgr_fp16.pth')
    model = MODELS.build(config.model)
    model.init_weights()
    for parameter in model.decode_head.score.parameters():
        torch.nn.init.normal_(parameter, std=0.01)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(cfg=config.pretty_text)),
               tmp_path / 'vgg.pth')
    image = test_data / 'data' / 'camvid' / 'val' / '0016E5_07961.jpg'
    found = export(tmp_path / 'vgg.pth', tmp_path / 'vgg.onnx', preprocess=True,
                   scores=True, img_path=image)
    assert found['gap'] < 1e-3 and found['equal'] > 0.9999
    ours = FCNInferencer(tmp_path / 'vgg.onnx')(image)
    theirs = FCNInferencer(tmp_path / 'vgg.pth', device='cpu')(image)
    assert ours.labels.shape == Image.open(image).size[::-1]
    assert (ours.labels == theirs.labels).mean() > 0.9999
