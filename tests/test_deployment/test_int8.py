"""Graphs in 8 bits: what computes in them, what they may cost, and what is refused."""
import json
import sys

import numpy as np
import pytest
from PIL import Image
from tiny_runs import run_tool, succeed

from fcn_plugin.apis import FCNInferencer
from fcn_plugin.deployment import int8
from fcn_plugin.deployment.export import export
from fcn_plugin.deployment.int8 import Quantised, _check_loss, _chosen, quantise
from fcn_plugin.images.reading import to_channels
from fcn_plugin.runtimes import openvino_graph
from fcn_plugin.runtimes.graph import META_KEY
from fcn_plugin.runtimes.table import open_graph

onnx = pytest.importorskip('onnx', reason="the extra 'export' is not installed")
pytest.importorskip('onnxruntime', reason="the extra 'export' is not installed")

pytestmark = pytest.mark.usefixtures('timed_once')
NATIVE = {'test_pipeline': [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Six images of several sizes."""
    folder = tmp_path_factory.mktemp('calibration')
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 256, (5 + 9 * i, 8, 3), dtype=np.uint8)
        Image.fromarray(np.kron(pixels, np.ones((9, 9, 1), np.uint8))).save(
            folder / f'{i}.png')
    return folder


@pytest.fixture(scope='module')
def files(trained, folder, tmp_path_factory):
    """Float32 and int8 files by whether they preprocess."""
    out, found = tmp_path_factory.mktemp('int8'), {}
    for preprocess in (True, False):
        plain, small = (out / f'{name}_{preprocess}.onnx' for name in ('plain', 'small'))
        export(trained / 'best.pth', plain, preprocess=preprocess, cfg_options=NATIVE)
        figures = export(trained / 'best.pth', small, preprocess=preprocess, int8=True,
                         calibrate=folder, max_loss=0.3, cfg_options=NATIVE)
        found[preprocess] = plain, small, figures
    return found


@pytest.mark.parametrize('preprocess', [True, False])
def test_labels_and_size(files, folder, preprocess):
    """Of images that were held back, and of a size that calibration has not seen."""
    plain, small, figures = files[preprocess]
    assert small.stat().st_size < 0.5 * plain.stat().st_size
    assert 0.7 <= figures['int8_equal'] < 1 and figures['equal'] > 0.999
    ours, theirs = FCNInferencer(small, device='cpu'), FCNInferencer(plain, device='cpu')
    assert ours.class_names == theirs.class_names
    held_back = [folder / '0.png', folder / '4.png']
    pairs = [(ours(path).labels, theirs(path).labels) for path in held_back]
    equal = sum((a == b).sum() for a, b in pairs) / sum(a.size for a, _ in pairs)
    assert equal == pytest.approx(figures['int8_equal'], abs=1e-3)
    image = np.kron(np.random.randint(0, 256, (9, 4, 3), dtype=np.uint8),
                    np.ones((11, 13, 1), np.uint8))
    assert (ours(image).labels == theirs(image).labels).mean() > 0.7


@pytest.mark.parametrize('with_masks', [False, True])
def test_which_images_are_measured_and_which_held_back(files, tmp_path, monkeypatch,
                                                       with_masks):
    """Every fourth is held back; of more than 32 and 16 those are taken that are spread over
    all."""
    paths, masks = [tmp_path / f'{i}.png' for i in range(72)], tmp_path / 'masks'
    masks.mkdir()
    for path in paths:
        Image.fromarray(np.random.randint(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(masks / path.name)
    seen: list[int] = []
    monkeypatch.setattr(int8, 'to_channels', lambda path, channels: seen.append(
        int(path.stem)) or to_channels(path, channels))
    file = tmp_path / 'net.onnx'
    file.write_bytes(files[True][0].read_bytes())
    found = quantise(file, paths, 1, masks if with_masks else None)
    measured, held_back = np.array(seen[:32]), np.array(seen[32:])
    assert (measured % 4).all() and not (held_back % 4).any()
    assert (measured[0], measured[-1], held_back[0], held_back[-1]) == (1, 71, 0, 68)
    assert np.diff(measured).min() > 0 and np.diff(measured).max() <= 4
    assert np.diff(held_back).min() > 0 and np.diff(held_back).max() <= 8
    assert (found.measured, found.held_back) == (32, len(held_back))
    assert len(held_back) == (18 if with_masks else 16)


def test_what_stays_in_float32(files):
    """The first convolution, the score layers and all that is not of the network."""
    model = onnx.load(str(files[True][1]))
    onnx.checker.check_model(model)
    made_by = {name: node for node in model.graph.node for name in node.output}
    convolutions = [node for node in model.graph.node if node.op_type == 'Conv']
    small = [node.input[1] in made_by for node in convolutions]  # weights from int8
    assert not small[0] and sum(small) > 15
    scores = [node.name for node in convolutions if node.name.startswith('/decode_head/')]
    quantised = {node.name for node, is_small in zip(convolutions, small) if is_small}
    assert len(scores) == 3 and not quantised & set(scores)
    for node in model.graph.node:  # places of labels and their sums
        if node.op_type in ('MatMul', 'ArgMax'):
            assert made_by[node.input[0]].op_type != 'DequantizeLinear'
    used = {name for node in model.graph.node for name in node.input}
    assert {weight.name for weight in model.graph.initializer} <= used
    meta, = model.metadata_props
    assert meta.key == META_KEY and json.loads(meta.value)['int8'] is True


@pytest.mark.parametrize('classes, channels', [(5, 5), (2, 2), (2, 1)])
def test_of_many_convolutions_the_first_fifth_stays_in_float32(classes, channels):
    """And the score layer, which may have one channel for two classes."""
    widths = [8, 8, 8, 8, 8, 8, 8, 8, 8, channels, 1 if classes > 2 else 3, 8]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Conv', ['x', f'w{i}'], ['x'], f'c{i}') for i in range(12)],
        'g', [], [], [onnx.numpy_helper.from_array(np.zeros((width, 8, 1, 1)), f'w{i}')
                      for i, width in enumerate(widths)])
    chosen, everything = _chosen(graph, classes)
    assert chosen == [f'c{i}' for i in (2, 3, 4, 5, 6, 7, 8, 10, 11)]
    assert everything == [f'c{i}' for i in range(12)]


def test_of_few_convolutions_the_first_stays_in_float32():
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Conv', ['x', f'w{i}'], ['x'], f'c{i}') for i in range(3)],
        'g', [], [], [onnx.numpy_helper.from_array(np.zeros((8, 8, 1, 1)), f'w{i}')
                      for i in range(3)])
    assert _chosen(graph, 5)[0] == ['c1', 'c2']


@pytest.mark.parametrize('preprocess', [True, False])
@pytest.mark.parametrize('fast', [False, True])
def test_openvino_gives_the_same_labels_at_each_size(files, monkeypatch, preprocess, fast):
    """Where sizes are open it would give others, without an error."""
    monkeypatch.setattr(openvino_graph, '_MOST_SIZES', 2)
    pytest.importorskip('openvino')
    small = files[preprocess][1]
    assert type(open_graph(small, 'cpu')).__name__ == 'OnnxruntimeGraph'
    # more sizes than compiled graphs are kept, and one that comes again
    images = [np.kron(np.random.randint(0, 256, (side, 8, 3), dtype=np.uint8),
                      np.ones((9, 11, 1), np.uint8)) for side in (5, 34, 14, 5, 5)]
    expected = FCNInferencer(small, device='cpu', runtime='onnxruntime')(
        images, progress=False)
    openvino = FCNInferencer(small, device='cpu', runtime='openvino', fast=fast)
    for batch_size in (1, 5):
        for ours, theirs in zip(openvino(images, batch_size, progress=False), expected):
            assert (ours.labels == theirs.labels).mean() > 0.97
    if preprocess:  # an inferencer would go on image by image where a batch fails
        graph, pair = open_graph(small, 'cpu', 'openvino', fast), np.stack(images[3:])
        np.testing.assert_array_equal(graph.run(pair)[0], np.concatenate(
            [graph.run(image[None])[0] for image in pair]))


def test_openvino_alone_runs_it(files, monkeypatch):
    pytest.importorskip('openvino')
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    assert type(open_graph(files[True][1], 'cpu')).__name__ == 'OpenvinoGraph'


def test_too_many_other_labels(trained, folder, files, tmp_path):
    out = tmp_path / 'net.onnx'
    with pytest.raises(ValueError, match=r'int8 changes \d+\.\d\d % .* 0 % are allowed.*'
                       r'--max-loss.*No file'):
        export(trained / 'best.pth', out, preprocess=True, int8=True, calibrate=folder,
               max_loss=0, cfg_options=NATIVE)
    assert not list(tmp_path.iterdir())
    out.write_bytes(files[True][0].read_bytes())
    with pytest.raises(ValueError, match='int8 changes'):
        quantise(out, sorted(folder.iterdir()), (1 - files[True][2]['int8_equal']) / 2)
    assert out.read_bytes() == files[True][0].read_bytes()


def test_mean_iou_before_and_after(trained, folder, files, tmp_path):
    """Of the two images held back, by masks whose lower part is right in float32."""
    out, plain, small = tmp_path / 'net.onnx', *(
        FCNInferencer(file, device='cpu', runtime='onnxruntime') for file in files[True][:2])
    (tmp_path / 'masks').mkdir()
    counts = np.zeros((2, 2, 9))  # pixels of intersection and union by class
    for path in sorted(folder.iterdir()):
        labels, others = plain(path).labels, small(path).labels
        truth = labels.copy()
        truth[:9] = 8 - truth[:9]
        truth[:, :9] = 77
        Image.fromarray(truth).save(tmp_path / 'masks' / path.name)
        if path.stem in '04':
            for found, count in zip((labels, others), counts):
                for label in range(9):
                    true, seen = truth == label, (found == label) & (truth != 77)
                    count[:, label] += (true & seen).sum(), (true | seen).sum()
    with np.errstate(invalid='ignore'):
        before, after = np.nanmean(counts[:, 0] / counts[:, 1], 1)
    given = dict(preprocess=True, int8=True, calibrate=folder, labels=tmp_path / 'masks',
                 ignore=[255, 77], cfg_options=NATIVE)
    found = export(trained / 'best.pth', out, max_loss=1, **given)
    assert found['mIoU'] == pytest.approx(before, abs=1e-6)
    assert found['int8_mIoU'] == pytest.approx(after, abs=1e-6) and 0 < after < before < 1
    words = f'takes {100 * (before - after):.2f} % from the mean IoU of 2 images held back, '
    with pytest.raises(ValueError, match=f'{words}where 0.5 % are allowed'):
        export(trained / 'best.pth', out, overwrite=True, **given)
    with pytest.raises(ValueError, match='holds the label 77, .*--ignore 77'):
        export(trained / 'best.pth', out, overwrite=True, **dict(given, ignore=[255]))


@pytest.mark.parametrize('lost, may, passes', [
    (0.004, None, True), (0.006, None, False), (0.004, 0, False), (0.006, 0.01, True),
    (-0.1, 0, True)])
def test_what_mean_iou_may_lose(lost, may, passes):
    found = Quantised(0.5, (9., 5.), (0.6, 0.6 - lost), 30, 10, (8, 9))
    if passes:
        return _check_loss(found, may)
    with pytest.raises(ValueError, match=f'takes {100 * lost:.2f} % from the mean IoU'):
        _check_loss(found, may)


@pytest.mark.parametrize('given, words', [
    (dict(labels='{folder}'), '--labels is of use with --int8 alone'),
    (dict(max_loss=0.), '--max-loss is of use with --int8 alone'),
    (dict(ignore=[]), '--ignore is of use with --labels alone'),
    (dict(int8=True, calibrate='{folder}/[03].png', labels='{folder}/none'), 'holds no mask'),
    (dict(int8=True, calibrate='{folder}', labels='{masks}'), "'4.png' has no mask"),
    (dict(int8=True), r'int8 \(--int8\) and images .*--calibrate'),
    (dict(calibrate='{folder}'), r'int8 \(--int8\) and images'),
    (dict(int8=True, calibrate='{folder}/0.png'), 'two images or more .*there is 1'),
    (dict(int8=True, calibrate='{folder}/none'), 'no such file or folder'),
    (dict(int8=True, calibrate='{folder}', max_loss=2), 'share of pixels, .*is 2')])
def test_bad_arguments(trained, folder, tmp_path, monkeypatch, given, words):
    """They are told before anything is loaded."""
    monkeypatch.setattr('fcn_plugin.deployment.export.load_model', None)
    masks, out = tmp_path / 'masks', tmp_path / 'out'
    masks.mkdir()
    Image.new('L', (72, 45)).save(masks / '0.png')
    given = {key: value.format(folder=folder, masks=masks) if isinstance(value, str) else value
             for key, value in given.items()}
    with pytest.raises((ValueError, OSError), match=words):
        export(trained / 'best.pth', out / 'net.onnx', preprocess=True, **given)
    assert not out.exists()


def test_tool(trained, folder, tmp_path):
    given = ['--weight-path', trained / 'best.pth', '--out', tmp_path / 'net.onnx',
             '--preprocess', '--int8', '--calibrate', folder]
    done = run_tool('export.py', *given, '--max-loss', 0)
    assert done.code == 2 and done.err.startswith('error: int8 changes ')
    printed = succeed('export.py', *given, '--max-loss', 0.4)
    assert 'convolutions; 2 images held back: ' in printed and '% of labels as in' in printed


@pytest.mark.slow
def test_the_street_model_stays_within_a_hundredth(test_data, tmp_path):
    images = test_data / 'data' / 'camvid' / 'val' / '0016E5_08?[0369]1.jpg'
    found = export('street', tmp_path / 'street.onnx', preprocess=True, int8=True,
                   calibrate=images, img_path=images.with_name('0016E5_08001.jpg'))
    assert found['int8_equal'] > 0.99
