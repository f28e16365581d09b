"""A network of four channels and two tasks on every path that a user takes."""
import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import init_model
from mmseg.registry import MODELS
from PIL import Image
from tiny_runs import run_tool, succeed, write_config

from fcn_plugin.apis import FCNInferencer, load_model
from fcn_plugin.deployment.export import export, resize_of
from fcn_plugin.inference.live import predict_live
from fcn_plugin.models.speed_up import PackedConv2d, speed_up
from fcn_plugin.reports.evaluate_folder import evaluate_folder
from fcn_plugin.reports.suggest import suggest
from fcn_plugin.runtimes import torch_backend
from fcn_plugin.runtimes.table import RUNTIMES

tifffile = pytest.importorskip('tifffile')
SIZES = ((40, 60), (61, 33), (40, 60), (70, 45))
TASKS = dict(geometric=('sky', 'horizontal', 'vertical'), near=('far', 'near'))
CONFIG = """
custom_imports = dict(imports=['fcn_plugin'], allow_failed_imports=False)
default_scope = 'mmseg'
model = dict(
    type='FCNSegmentor',
    data_preprocessor=dict(
        type='FCNDataPreProcessor', mean=[1e4, 9e3, 8e3, 9e3], std=[4e3] * 4,
        bgr_to_rgb=True),
    backbone=dict(type='mmpretrain.ResNet', depth=18, in_channels=4, stem_channels=8,
                  base_channels=8, out_indices=(1, 2, 3)),
    decode_head=dict(
        type='FCNSkipHead', in_channels=(16, 32, 64), in_index=(0, 1, 2),
        in_strides=(8, 16, 32), num_classes=5, other_tasks=dict(geometric=3, near=2)))
test_pipeline = [dict(type='LoadMultichannelImage', channels=4), dict(type='PackTasks')]
val_dataloader = dict(dataset=dict(type='MultiTaskDataset', pipeline=test_pipeline))
"""


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp('net')
    config = Config.fromfile(write_config(folder, CONFIG))
    torch.manual_seed(0)
    model = init_model(config.copy(), device='cpu').eval()
    scores = model.decode_head.score
    with torch.no_grad():  # so that random weights tell several classes apart
        for layer in scores.values():
            torch.nn.init.normal_(layer.weight)
        image = torch.nn.functional.interpolate(2 * torch.rand(1, 4, 5, 7), (64, 96)) - 1
        scores['stride32'].bias -= model.score(image)[0].mean((0, 2, 3))
    weights = model.state_dict()
    meta = dict(cfg=config.pretty_text, dataset_meta=dict(
        classes=('a', 'b', 'c', 'd', 'e'), tasks=TASKS))
    torch.save(dict(meta=meta, state_dict=weights), folder / 'net.pth')
    return folder / 'net.pth'


def write(file, image):
    tifffile.imwrite(file, image, photometric='minisblack', planarconfig='contig')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Images of 16 bits and four channels in 'images'; masks of a task in 'masks'."""
    root, rng = tmp_path_factory.mktemp('data'), np.random.default_rng(0)
    for kind in ('images', 'masks'):
        (root / kind).mkdir()
    for i, (height, width) in enumerate(SIZES):
        image = cv2.resize(rng.integers(0, 20000, (5, 7, 4)).astype(np.float32),
                           (width, height)).astype(np.uint16)
        write(root / f'images/{i}.tif', image)
        Image.fromarray(rng.integers(0, 3, (height, width), np.uint8)).save(
            root / f'masks/{i}.png')
    return root


def images_in(folder):
    return [tifffile.imread(file) for file in sorted((folder / 'images').iterdir())]


def labels_by_torch(checkpoint, image):
    """Labels of each task, straight from the segmentor."""
    model = load_model(None, checkpoint, 'cpu')
    data = torch_backend.run_pipeline(torch_backend.build_pipeline(model.cfg), image)
    sample, = model.test_step({key: [value] for key, value in data.items()})
    return {task: sample.get(f'pred_{task}').data[0].numpy()
            for task in ('sem_seg', *TASKS)}


# --- what is refused ---------------------------------------------------------


def test_videos_and_streams(checkpoint, folder, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 5,
                             (32, 32))
    writer.write(np.zeros((32, 32, 3), np.uint8))
    writer.release()
    done = run_tool('predict.py', '--weight-path', checkpoint, '--img-path', tmp_path,
                    '--out-dir', tmp_path / 'out')
    assert done.code and "network takes 4: leave '" in done.err and 'clip.avi' in done.err
    infer = FCNInferencer(checkpoint, device='cpu')
    with pytest.raises(ValueError, match='a stream has three channels, but .* takes 4'):
        predict_live(infer, '0', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_tiles_label_one_task(checkpoint, folder, monkeypatch):
    """Labels of all tasks' scores together would be classes that no task has."""
    monkeypatch.setattr(torch_backend, 'MOST_PIXELS', 40 * 60 - 1)
    with pytest.raises(ValueError, match='do not fit into memory .* of one task'):
        FCNInferencer(checkpoint, device='cpu')(folder / 'images/0.tif')
    with pytest.raises(ValueError, match="other_tasks=.* need test_cfg.mode='whole'"):
        FCNInferencer(checkpoint, device='cpu', tile=64)


def test_light_is_changed_in_three_channels(checkpoint, folder):
    with pytest.raises(ValueError, match='takes 4: leave --conditions out'):
        evaluate_folder(checkpoint, folder / 'images', folder / 'masks', conditions=['warm'],
                        device='cpu')
    with pytest.raises(ValueError, match="no further task 'far': expected geometric, near"):
        evaluate_folder(checkpoint, folder / 'images', folder / 'masks', task='far',
                        device='cpu')


@pytest.mark.parametrize('inputs', [dict(inputs=('colour', 'depth')), {}])
def test_depth_is_no_image_as_it_is_read(inputs):
    config = Config(dict(test_pipeline=[dict(type='LoadRGBD', **inputs),
                                        dict(type='PackSegInputs')]))
    with pytest.raises(ValueError, match='depth or HHA .*: export without --preprocess'):
        resize_of(config)
    with pytest.raises(ValueError, match='sees colour and depth, files that only'):
        torch_backend.build_pipeline(config)


# --- prediction ---------------------------------------------------------------


def test_a_folder_is_predicted(checkpoint, folder, tmp_path):
    out = tmp_path / 'out'
    succeed('predict.py', '--weight-path', checkpoint, '--img-path', folder / 'images',
            '--out-dir', out, '--batch-size', 2)
    seen = {task: set() for task in ('sem_seg', *TASKS)}
    for i, image in enumerate(images_in(folder)):
        expected = labels_by_torch(checkpoint, image)
        assert Image.open(out / f'{i}_overlay.png').width >= image.shape[1]
        for task, name in dict(sem_seg='', geometric='_geometric', near='_near').items():
            found = np.asarray(Image.open(out / f'{i}_labels{name}.png'))
            np.testing.assert_array_equal(found, expected[task])
            seen[task] |= set(found.flat)
    assert all(len(labels) > 1 for labels in seen.values())
    assert len(list(out.iterdir())) == 4 * 4
    (out / '2_labels_near.png').unlink()  # a run that was killed
    done = run_tool('predict.py', '--weight-path', checkpoint, '--img-path',
                    folder / 'images', '--out-dir', out, '--resume')
    assert '4 files written' in done.out


def test_a_batch_of_a_table_has_a_column_for_each_task(checkpoint, folder):
    images = images_in(folder)
    found = FCNInferencer(checkpoint, device='cpu')(dict(image=images, row=range(4)))
    assert set(found) == {'image', 'row', 'labels', 'labels_geometric', 'labels_near'}
    for image, labels in zip(images, found['labels_near']):
        np.testing.assert_array_equal(labels, labels_by_torch(checkpoint, image)['near'])


def test_each_task_is_judged(checkpoint, folder, tmp_path):
    succeed('analysis_tools/evaluate_folder.py', checkpoint, folder / 'images',
            folder / 'masks', '--task', 'geometric', '--out-dir', tmp_path / 'out', '--device',
            'cpu')
    equal = total = 0
    for i, image in enumerate(images_in(folder)):
        labels = labels_by_torch(checkpoint, image)['geometric']
        truth = np.asarray(Image.open(folder / f'masks/{i}.png'))
        equal, total = equal + (labels == truth).sum(), total + labels.size
    text = (tmp_path / 'out/evaluation.md').read_text()
    assert f'{100 * equal / total:.2f} |' in text
    assert all(name in text for name in TASKS['geometric']) and '| e ' not in text


def test_images_to_label_next(checkpoint, folder, tmp_path):
    chosen = suggest(checkpoint, folder / 'images', 2, tmp_path / 'out', device='cpu')
    assert len(chosen) == 2 and (tmp_path / 'out/suggested.png').is_file()


def test_kernels_are_packed_whatever_the_channels(checkpoint):
    if not torch.backends.mkldnn.is_available():
        pytest.skip('this torch packs no kernels')
    model = speed_up(load_model(None, checkpoint, 'cpu'), torch.float32)
    assert any(isinstance(module, PackedConv2d) for module in model.modules())


def test_views_are_averaged_for_each_task(checkpoint, folder):
    """Of an image and its mirror image, whatever comes first."""
    model = load_model(None, checkpoint, 'cpu',
                       cfg_options={'model.test_cfg': dict(logits=True)})
    views = MODELS.build(dict(type='FCNTTAModel', module=model))
    image = images_in(folder)[0]
    found = []
    for order in ((False, True), (True, False)):
        data = [torch_backend.run_pipeline(
            torch_backend.build_pipeline(model.cfg), image[:, ::-1 if flip else 1])
            for flip in order]
        for item, flip in zip(data, order):
            item['data_samples'].set_metainfo(dict(
                flip=flip, flip_direction='horizontal' if flip else None))
        batches = dict(inputs=[[item['inputs']] for item in data],
                       data_samples=[[item['data_samples']] for item in data])
        found += views.test_step(batches)
    for task in ('sem_seg', *TASKS):
        assert torch.equal(*(each.get(f'pred_{task}').data for each in found))


# --- exported files -----------------------------------------------------------


@pytest.fixture(scope='module')
def exported(checkpoint, tmp_path_factory):
    pytest.importorskip('onnx', reason="the extra 'export' is not installed")
    file = tmp_path_factory.mktemp('exported') / 'net.onnx'
    export(checkpoint, file, scores=True)
    return file


@pytest.mark.parametrize('runtime', RUNTIMES)
def test_a_graph_gives_all_tasks(exported, checkpoint, folder, runtime):
    pytest.importorskip(runtime, reason=f'{runtime} is not installed')
    graph = FCNInferencer(exported, device='cpu', runtime=runtime)
    assert {task: tuple(names) for task, names in graph.tasks.items()} == TASKS
    for image in images_in(folder):
        expected, found = labels_by_torch(checkpoint, image), graph(image)
        for task, labels in dict(found.tasks, sem_seg=found.labels).items():
            assert (labels == expected[task]).mean() > 0.999, task
        assert found.tasks.keys() == TASKS.keys()


def test_outputs_are_named(exported):
    import onnxruntime
    session = onnxruntime.InferenceSession(str(exported))
    batch = np.random.randn(2, 4, 37, 53).astype(np.float32)
    names = [output.name for output in session.get_outputs()]
    assert names == [f'{kind}{task}' for task in ('', '_geometric', '_near')
                     for kind in ('labels', 'scores')]
    outputs = dict(zip(names, session.run(None, {'image': batch})))
    for task, count in dict(geometric=3, near=2).items():
        scores = outputs[f'scores_{task}']
        assert scores.shape == (2, count, 37, 53)
        np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)
        np.testing.assert_array_equal(outputs[f'labels_{task}'], scores.argmax(1))


def test_images_of_8_bits_are_normalised_in_the_graph(checkpoint, folder, tmp_path):
    pytest.importorskip('onnx', reason="the extra 'export' is not installed")
    eight = {'model.data_preprocessor.mean': [120.] * 4,
             'model.data_preprocessor.std': [60.] * 4}
    for i, image in enumerate(images_in(folder)):
        write(tmp_path / f'{i}.tif', (image // 79).astype(np.uint8))
    found = export(checkpoint, tmp_path / 'net.onnx', preprocess=True, cfg_options=eight,
                   int8=True, calibrate=tmp_path, img_path=tmp_path, max_loss=0.5)
    assert found['equal'] > 0.999 and found['int8_equal'] > 0.8
    graph = FCNInferencer(tmp_path / 'net.onnx', device='cpu', runtime='onnxruntime')
    torch_net = FCNInferencer(checkpoint, device='cpu', cfg_options=eight)
    ours, theirs = graph(tmp_path / '1.tif'), torch_net(tmp_path / '1.tif')
    assert (ours.tasks['near'] == theirs.tasks['near']).mean() > 0.8
    with pytest.raises(ValueError, match='takes images of 8 bits, but this one is uint16'):
        graph(folder / 'images/0.tif')
