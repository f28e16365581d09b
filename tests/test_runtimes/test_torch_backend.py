"""From images to what a segmentor is given, and from what it returns to predictions."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from tiny_runs import forget_runs
from torch import nn

from fcn_plugin.runtimes.torch_backend import (
    TorchBackend,
    build_pipeline,
    run_pipeline,
    step_options,
)
from fcn_plugin.utils.errors import InputError

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]


def pipeline(steps=PIPELINE):
    return build_pipeline(Config(dict(test_pipeline=steps)))


class Known(nn.Module):
    """A segmentor whose scores are known, (C, h, w) each; it keeps what it is given."""
    dataset_meta = dict(classes=('a', 'b'), palette=[[0] * 3] * 2, background=None)
    post_processor = 'any'

    def __init__(self, scores):
        super().__init__()
        self.scores, self.given = scores, []

    def test_step(self, data, **options):
        self.given.append(data)
        scores = torch.tensor(self.scores)
        labels = scores[:1] > 0.5 if len(scores) == 1 else scores.argmax(0, True)
        return [SegDataSample(seg_logits=PixelData(data=scores),
                              pred_sem_seg=PixelData(data=labels)) for _ in data['inputs']]


def noise(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def test_a_pipeline_gets_blue_first_and_a_crf_the_image_as_it_was():
    model, image = Known(np.zeros((2, 4, 5), np.float32)), noise(4, 5)
    TorchBackend(model, pipeline())([image])
    (given, ), (sample, ) = model.given[0]['inputs'], model.given[0]['data_samples']
    assert (given.permute(1, 2, 0).numpy() == image[..., ::-1]).all()
    assert (sample.original_image == image).all()


def test_images_are_real_numbers_where_the_pipeline_loads_them_so():
    steps = [dict(type='LoadImageFromFile', to_float32=True), *PIPELINE[1:]]
    assert run_pipeline(pipeline(steps), noise(4, 5))['inputs'].dtype == torch.float32
    assert run_pipeline(pipeline(), noise(4, 5))['inputs'].dtype == torch.uint8


@pytest.mark.parametrize('tested, warns', [
    (dict(type='Resize', scale=(9, 9)), True), (dict(type='LoadAnnotations'), False),
    (dict(type='KeepSize'), False)])
def test_a_pipeline_that_is_not_that_of_the_test_data_is_warned_of(tested, warns, capsys):
    forget_runs()
    data = dict(dataset=dict(pipeline=[PIPELINE[0], tested, PIPELINE[1]]))
    build_pipeline(Config(dict(test_pipeline=PIPELINE, test_dataloader=data)))
    assert ("'scale': (9, 9)" in capsys.readouterr().out) is warns


def test_scores_at_another_size_lie_between_those_of_their_neighbours():
    scores = np.zeros((2, 1, 2), np.float32)
    scores[1, 0, 1] = 4
    found, = TorchBackend(Known(scores), pipeline())([noise(1, 4)], scores=True)
    expected = 1 / (1 + np.exp(-np.array([0, 1, 3, 4])))
    np.testing.assert_allclose(found.scores[1, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(found.scores.sum(0), 1, rtol=1e-6)
    assert found.labels.tolist() == [[0, 0, 1, 1]] and found.labels.dtype == np.uint8


def test_one_channel_is_the_probability_of_the_second_class():
    found, = TorchBackend(Known(np.full((1, 2, 3), 0.75, np.float32)), pipeline())(
        [noise(2, 3)], scores=True)
    assert (found.scores[0] == 0.25).all() and (found.scores[1] == 0.75).all()
    assert (found.labels == 1).all()


def test_of_more_than_255_classes_the_last_is_none_of_the_first():
    scores = np.zeros((300, 2, 3), np.float32)
    scores[299] = 1
    model = Known(scores)
    model.dataset_meta = dict(model.dataset_meta, classes=('a', ) * 300)
    found, = TorchBackend(model, pipeline())([noise(2, 3)])
    assert (found.labels == 299).all() and found.labels.dtype == np.int16


def test_of_large_images_those_that_are_seen_whole_are_refused_alone():
    model = Known(np.zeros((2, 4, 5), np.float32))
    for mode in ('slide', 'tile'):
        model.test_cfg = dict(mode=mode)
        assert step_options(model, (6000, 6001), True) == {}
    model.test_cfg = dict(mode='whole')
    assert step_options(model, (6000, 6000), True) == {}
    with pytest.raises(InputError, match='6001x6000 pixels do not fit'):
        step_options(model, (6000, 6001), False)


def test_images_of_one_size_are_run_at_once_and_keep_their_order():
    model = Known(np.zeros((2, 4, 5), np.float32))
    found = TorchBackend(model, pipeline())([noise(4, 5), noise(6, 7), noise(4, 5)])
    assert [len(each['inputs']) for each in model.given] == [2, 1]
    assert [one.labels.shape for one in found] == [(4, 5), (6, 7), (4, 5)]


def test_images_that_are_resized_alike_keep_their_own_sizes():
    """Also where the config judges at the size of what the network sees."""
    steps = [PIPELINE[0], dict(type='Resize', scale=(8, 8), keep_ratio=False),
             dict(type='KeepSize'), PIPELINE[1]]
    model = Known(np.zeros((2, 8, 8), np.float32))
    found = TorchBackend(model, pipeline(steps))([noise(4, 5), noise(6, 7)])
    (data, ) = model.given
    assert [one.labels.shape for one in found] == [(4, 5), (6, 7)]
    assert [each.ori_shape for each in data['data_samples']] == [(4, 5), (6, 7)]
    assert {each.shape for each in data['inputs']} == {(3, 8, 8)}


def test_a_pipeline_that_packs_nothing():
    with pytest.raises(InputError, match="no 'inputs': it must end with PackSegInputs"):
        run_pipeline(pipeline(PIPELINE[:1]), noise(4, 5))
    with pytest.raises(InputError, match="no 'inputs': it must end with PackSegInputs"):
        run_pipeline(lambda data: None, noise(4, 5))


@pytest.mark.parametrize('error', [KeyError('x'), AttributeError('x'), TypeError('x'),
                                   ZeroDivisionError('x'), InputError('x'), OSError('x')])
def test_what_a_step_answers_an_image_with(error):
    """Settings that it cannot use, most often; no failure of the machine."""
    def pipeline(data):
        raise error

    ours = isinstance(error, (InputError, OSError))
    said = '^x$' if ours else (
        f'test pipeline cannot take an image of 5x4 pixels: {type(error).__name__}: .?x')
    with pytest.raises(type(error) if ours else InputError, match=said):
        run_pipeline(pipeline, noise(4, 5))
