"""tools/analysis_tools/benchmark.py: that it compares what it says, never how fast."""
import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from benchmarking import Timing, measure, peers
from benchmarking.contenders import NAMES, build_model, dilated_fcn
from benchmarking.tasks import TASKS, Case, normalise, read_by_hand, write_images
from mmengine.config import Config
from tiny_runs import run_tool, succeed, write_config

TOOL = 'analysis_tools/benchmark.py'


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path)


@pytest.fixture
def case(config, tmp_path):
    loaded = Config.fromfile(str(config))
    loaded.launcher = 'none'
    return Case(loaded, 72, 2, None, 'cpu', False, 3, tmp_path)


# --- bad arguments ---------------------------------------------------------------------


@pytest.mark.parametrize('options, message', [
    (('--sizes', '0'), "--sizes is [0], expected integers from 1 up"),
    (('--rounds', '0'), '--rounds is 0'),
    (('--device', 'cuda'), "device is 'cuda', but torch finds no GPU")])
def test_arguments_that_cannot_be(config, options, message):
    if 'cuda' in options and torch.cuda.is_available():
        pytest.skip('there is a GPU')
    done = run_tool(TOOL, config, *options)
    assert done.code == 2 and message in done.err


def test_a_folder_that_cannot_be_written_to_is_said_before_anything_is_timed(config):
    done = run_tool(TOOL, config, '--tasks', 'metric', '--rounds', '1', '--out', config)
    assert done.code == 2 and f"'{config}' is a file, expected a folder" in done.err
    assert not done.out


def test_a_head_that_the_plain_loop_does_not_know(config):
    loaded = Config.fromfile(str(config))
    loaded.model.decode_head.final_upsampler = dict(type='BilinearDeconv', learnable=True)
    with pytest.raises(ValueError, match='leave it out of --contenders'):
        build_model('plain', loaded, None, 'cpu')


# --- values ----------------------------------------------------------------------------


def test_teachers_take_no_part(case):
    case.config.model.update(type='DistilledFCNSegmentor', teachers=['gone.pth'])
    for name in ('stock', 'ours'):
        assert not hasattr(build_model(name, case.config, None, 'cpu'), 'teachers')


def test_other_classes_have_no_weights(case):
    head = case.config.model.decode_head
    head.loss_decode = dict(type='CrossEntropyLoss', class_weight=[2.] * 9)
    head.weights_taken_back = 0.5
    own, other = (build_model('ours', case.config, count, 'cpu').decode_head
                  for count in (9, 5))
    assert own.loss_decode.class_weight and own._taken_back is not None
    assert other.loss_decode.class_weight is None and other._taken_back is None


def test_all_contenders_have_the_same_weights_and_labels(case):
    """But mmseg's own dilated net, which is another."""
    image = read_by_hand(str(write_images(case) / 'img' / '00000.jpg'))[None]
    images = normalise(image, case.config)
    plain = build_model('plain', case.config, None, 'cpu')
    with torch.no_grad():
        expected = plain(images)[0, :, :72, :72].argmax(0)
    path = str(write_images(case) / 'img' / '00000.jpg')
    from benchmarking.tasks import _with_mmengine
    from mmengine.dataset import Compose
    pipeline = Compose([dict(type='LoadImageFromFile'), dict(type='PackSegInputs')])
    for name in ('stock', 'ours', 'ours-fast'):
        model = build_model(name, case.config, None, 'cpu')
        with torch.no_grad():
            labels = _with_mmengine(model, pipeline, path)[0]
        # they pad differently at the border, and one computes in 16 bits
        same = (labels[:32, :32] == expected[:32, :32]).double().mean()
        assert same > (0.9 if name == 'ours-fast' else 0.99), name


def test_turns_are_taken():
    order = []
    timings = measure({name: lambda name=name: order.append(name) for name in 'ab'},
                      rounds=3, warm_up=1)
    assert order == list('ab' + 'ababab' + 'ab')  # warm-up, rounds, memory
    assert all(len(timing.seconds) == 3 for timing in timings.values())


def test_the_median():
    assert Timing([3., 1., 2.]).median == 2


# --- the tool --------------------------------------------------------------------------


def test_every_task_runs_and_is_written(config, tmp_path):
    out = tmp_path / 'out'
    contenders = [name for name in NAMES if name != 'mmseg-d8']  # takes its time
    most = [task for task in TASKS if task != 'test']  # which starts processes to load images
    printed = succeed(TOOL, config, '--tasks', *most, '--sizes', 64, 40, '--rounds', 1,
                      '--contenders', *contenders, '--profile', '--out', out)
    succeed(TOOL, config, '--tasks', 'test', '--sizes', 40, '--rounds', 1, '--images', 2,
            '--contenders', *contenders, '--out', tmp_path / 'test')
    rows = [row for folder in (out, tmp_path / 'test')
            for row in json.loads((folder / 'benchmark.json').read_text())]
    assert {row['task'] for row in rows} == set(TASKS)
    assert all(row['milliseconds'] > 0 and row['classes'] == 9 for row in rows)
    for task, expected in (('train', {'plain', 'stock', 'ours'}),
                           ('file', set(contenders)),
                           ('test', set(contenders) - {'backbone'}),
                           ('metric', {'stock', 'ours'}), ('loss', {'stock', 'ours'})):
        found = {row['contender'] for row in rows if row['task'] == task}
        assert found == expected, task
    for stage in ('file to pixels', 'backbone', 'labels', 'metric', 'backward', 'optimiser'):
        assert stage in printed
    assert 'JPEG file to labels, by size' in printed and 'ns a pixel' in printed
    assert (out / 'benchmark.png').stat().st_size > 5000
    assert 'threads, torch' in (out / 'benchmark.md').read_text()


def test_mmsegs_dilated_net_takes_part(case):
    model = build_model('mmseg-d8', case.config, 5, 'cpu')
    assert type(model).__name__ == 'EncoderDecoder'
    with torch.no_grad():
        maps = model.extract_feat(torch.zeros(1, 3, 64, 64))
    assert maps[-1].shape == (1, 2048, 8, 8)  # stride 8


# --- peers -----------------------------------------------------------------------------


def test_peers_that_are_here_take_part_and_the_others_are_named(config, tmp_path, monkeypatch):
    def shallow(classes):
        model = dilated_fcn(classes)
        model.backbone.depth = 18
        model.decode_head.in_channels = 512
        return model

    monkeypatch.setattr(peers, 'dilated_fcn', shallow)
    out = tmp_path / 'out'
    printed = succeed(TOOL, config, '--peers', '--sizes', 70, '--rounds', 1, '--threads', 1,
                      '--out', out)
    rows = {row['contender']: row for row in json.loads((out / 'peers.json').read_text())}
    for name in peers.contenders(peers.Ours(None, 9, tmp_path)):
        assert (name in rows) != (f'left out: {name} (' in printed), name
    assert {'ours, PyTorch', 'ours, PyTorch --fast', 'mmseg PIDNet-S'} <= set(rows)
    assert all(row['milliseconds'] > 0 and row['load'] > 0 and row['bytes'] > 1e4
               and row['size'] == 70
               and row['classes'] == 9 for row in rows.values())
    assert 'file MB' in (out / 'peers.md').read_text() and ' 1 threads' in printed


def test_our_labels_are_the_same_by_every_runtime(case):
    pytest.importorskip('onnx', reason="the extra 'export' is not installed")
    ours = peers.Ours(case.config, 9, case.folder)
    image = np.random.randint(0, 256, (70, 83, 3), dtype=np.uint8)
    (expected, *_), = ours.by_torch(image)[0](image)
    for module, runtime in (('onnxruntime', peers.OnnxruntimeGraph),
                            ('openvino', peers.OpenvinoGraph)):
        if find_spec(module):
            (labels, *_), = ours.by_runtime(image, runtime)[0](image)
            assert (labels == expected).mean() > 0.99, module


def test_labels_of_a_plain_network_are_its_argmax_at_the_image_size(tmp_path):
    """Padding is cut off again, and coarse scores are brought to the image's size; by
    OpenVINO, too."""
    bright = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Conv2d(3, 2, 1))
    with torch.no_grad():
        bright[1].weight[:] = torch.tensor([-1., 1.]).view(2, 1, 1, 1)
        bright[1].bias[:] = 0
    image = np.zeros((30, 40, 3), np.uint8)
    image[:, 20:] = 255
    peer = peers.Peer('bright', lambda: peers.Labeller(bright, divisor=32), tmp_path)
    labels = peer.by_torch(image)[0](image)
    assert labels.shape == (30, 40) and not labels[:, :16].any() and labels[:, 24:].all()
    if find_spec('openvino') and find_spec('onnx'):
        np.testing.assert_array_equal(peer.by_openvino(image)[0](image), labels)
        assert (tmp_path / 'bright 30x40.onnx').is_file()


def test_peers_on_a_gpu_are_refused(config):
    done = run_tool(TOOL, config, '--peers', '--device', 'cuda')
    assert done.code == 2 and '--peers are timed on the CPU' in done.err
    for option, named in ((('--batches', 2), '--batches'), (('--amp', ), '--amp'),
                          (('--tasks', 'loss'), '--tasks'),
                          (('--classes', 2, 3), 'several --classes')):
        done = run_tool(TOOL, config, '--peers', *option)
        assert done.code == 2 and f'--peers cannot be given with {named}: that' in done.err
