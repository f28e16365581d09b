"""From images to what a graph takes, and from its outputs to predictions."""
import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config

from fcn_plugin.runtimes.graph import Graph, gpu_of
from fcn_plugin.runtimes.graph_backend import GraphBackend
from fcn_plugin.runtimes.torch_backend import build_pipeline

META = dict(classes=['a', 'b'], palette=[[0, 0, 0], [1, 2, 3]], background=None, scores=True,
            preprocess=True)
PLAIN = dict(META, preprocess=False, bgr_to_rgb=True, mean=[1, 2, 3], std=[4, 5, 8],
             pipeline=[dict(type='PackSegInputs')])


class Known(Graph):
    """A graph whose outputs are known."""

    def __init__(self, meta, run=None):
        self.path, self.text, self.run = Path('net.onnx'), json.dumps(meta), run


def pictures(*sizes):
    return [np.full((*size, 3), 10 * i, np.uint8) for i, size in enumerate(sizes)]


def test_a_gpu_without_a_number_is_the_first():
    assert list(map(gpu_of, ('auto', 'cpu', 'cuda', 'cuda:1'))) == [None, None, 0, 1]


@pytest.mark.parametrize('device', ['', 'gpu', 'cpu:0', 'cuda:', 'cuda:x', 'cuda:1,2', 'mps'])
def test_a_device_that_runs_no_exported_file_is_named(device):
    with pytest.raises(ValueError, match=f"^no device '{device}' for an exported file"):
        gpu_of(device)


@pytest.mark.parametrize('to_rgb', [True, False])
def test_channels_are_in_their_order_and_normalised(to_rgb):
    backend = GraphBackend(Known(dict(PLAIN, bgr_to_rgb=to_rgb)))
    image = np.tile(np.array([50, 100, 203], np.uint8), (2, 4, 1))
    pixel = np.array([50, 100, 203] if to_rgb else [203, 100, 50])
    found = backend.prepare(image)
    assert found.shape == (3, 2, 4) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, 1, 2], (pixel - [1, 2, 3]) / [4, 5, 8], rtol=1e-6)


def test_of_more_than_three_channels_the_order_is_the_file_s():
    backend = GraphBackend(Known(dict(PLAIN, channels=5, mean=[0], std=[2])))
    image = np.tile(np.arange(5, dtype=np.uint8), (2, 4, 1))
    assert backend.prepare(image)[:, 1, 2].tolist() == [0, 0.5, 1, 1.5, 2]


@pytest.mark.parametrize('wanted', [True, False])
def test_each_task_has_its_labels_and_scores(wanted):
    def run(batch):
        shape = batch.shape[:3]
        return [each for value in (0, 1) for each in (
            np.full(shape, value, np.uint8),
            np.full((shape[0], 2, *shape[1:]), 0.25 + value / 2, np.float32))]

    backend = GraphBackend(Known(dict(META, tasks=dict(height=['low', 'high'])), run))
    found, = backend(pictures((3, 4)), scores=wanted)
    for one, value in ((found, 0), (found.tasks['height'], 1)):
        assert (one.labels == value).all() and (one.scores is not None) == wanted
        assert not wanted or (one.scores == 0.25 + value / 2).all()


def test_images_keep_their_order_and_sizes():
    """Run by their sizes behind the pipeline, and brought back to their own."""
    pipeline = build_pipeline(Config(dict(test_pipeline=[
        dict(type='Resize', scale=(8, 4), keep_ratio=False), dict(type='PackSegInputs')])))
    batches = []

    def run(batch):
        batches.append(batch.shape)
        columns = np.arange(8) >= 4
        return [np.broadcast_to(columns, (len(batch), 4, 8)).astype(np.uint8),
                np.broadcast_to(columns, (len(batch), 2, 4, 8)).astype(np.float32)]

    backend = GraphBackend(Known(PLAIN, run), pipeline)
    sizes = [(4, 16), (8, 8), (3, 4)]
    found = backend(pictures(*sizes), scores=True)
    assert batches == [(3, 3, 4, 8)]
    for (height, width), one in zip(sizes, found):
        right = np.arange(width) >= width // 2
        assert (one.labels == np.broadcast_to(right, (height, width))).all()
        assert one.scores.shape == (2, height, width)
    # between two pixels of the graph's the probability is between theirs
    np.testing.assert_allclose(found[0].scores[0, 0, 6:10], [0, 0.25, 0.75, 1])


def test_results_are_those_of_their_images():
    backend = GraphBackend(Known(META, lambda batch: [
        batch[..., 0], np.repeat(batch[:, None, ..., 0], 2, 1).astype(np.float32)]))
    images = pictures((2, 3), (4, 5), (2, 3), (4, 5))
    assert [one.labels.tolist() for one in backend(images)] == [
        image[..., 0].tolist() for image in images]
    assert [one.scores[1].tolist() for one in backend(images, scores=True)] == [
        image[..., 0].tolist() for image in images]


def test_what_a_file_cannot_do():
    labels_alone = GraphBackend(Known(dict(META, scores=False)))
    with pytest.raises(ValueError, match='gives labels alone: export it with --scores'):
        labels_alone(pictures((2, 3)), scores=True)
    with pytest.raises(ValueError, match='takes images of 8 bits, but this one is uint16'):
        labels_alone(np.zeros((1, 2, 3, 3), np.uint16))


def test_a_file_s_pipeline_imports_nothing(tmp_path, monkeypatch):
    """mmengine would look for a step that it does not know in a module of its name."""
    (tmp_path / 'Unheard.py').write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    for kind, said in (('Unheard', 'is also the name of a module'),
                       ('os.getcwd', 'is not of the form scope.Name')):
        with pytest.raises(ValueError, match=said):
            GraphBackend(Known(dict(PLAIN, pipeline=[dict(type=kind)])))
    assert not (tmp_path / 'ran').exists()


def test_what_a_file_s_pipeline_lacks_is_said_as_of_a_checkpoint():
    with pytest.raises(ValueError, match='^the network sees colour and depth, files that'):
        GraphBackend(Known(dict(PLAIN, pipeline=[dict(type='LoadRGBD')])))


@pytest.mark.parametrize('step', [
    dict(type='Resize', scale=[8, 8], unheard=1), dict(type='Pad')])
def test_settings_that_steps_refuse_are_of_the_file(step):
    """TypeError, AssertionError: whatever they raise."""
    with pytest.raises(ValueError, match="^the pipeline that '.*' names cannot be built .*: "
                       'export the network again'):
        GraphBackend(Known(dict(PLAIN, pipeline=[step])))


def test_sizes_in_a_file_s_pipeline_are_sizes():
    """Of JSON, which knows no tuples."""
    backend = GraphBackend(Known(dict(PLAIN, pipeline=[
        dict(type='Resize', scale=[8, 8], keep_ratio=True), dict(type='PackSegInputs')])))
    assert backend.prepare(*pictures((20, 40))).shape == (3, 4, 8)


@pytest.mark.parametrize('size, fits', [
    ((1, 2000), False), ((2000, 1), False), ((1, 600), True), ((600, 1), True)])
def test_a_side_of_half_a_pixel_is_none(size, fits):
    """In 320x416 a side of 600 becomes 416, and one of 1 two thirds of a pixel."""
    backend = GraphBackend(Known(dict(META, resize=[320, 416], keep_ratio=True)))
    image, = pictures(size)
    assert GraphBackend(Known(dict(META, resize=[320, 416]))).prepare(image) is image
    if fits:
        assert backend.prepare(image) is image
    else:
        with pytest.raises(ValueError, match='shorter side would have no pixel left'):
            backend.prepare(image)
