"""Scores to labels: every engine against the definition in float64, and each other."""
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fcn_plugin.ops import (
    count_pairs,
    label_dtype,
    label_scores,
    labels,
    resample_scores,
    sample_axis,
)

SHAPES = [  # classes, scores, stride, size, labels, start, flipped
    (3, (5, 7), 8, (40, 56), (40, 56), 0, (False, False)),
    (21, (4, 4), 32, (100, 128), (75, 300), 0, (False, False)),
    (2, (9, 3), 8, (67, 20), (500, 9), 0, (True, False)),
    (5, (1, 1), 32, (1, 1), (1, 1), 0, (False, False)),
    (5, (1, 6), 4, (3, 22), (50, 22), 0, (False, True)),
    (300, (3, 4), 16, (48, 64), (37, 641), 0, (True, True)),
    (4, (40, 30), 1, (40, 30), (80, 11), 0, (False, False)),
    (6, (20, 22), 8, (60, 80), (60, 80), 27, (False, False)),
]


def formula(scores, stride, size, out_size, start, flipped):
    """The logits at each output pixel, in float64, by the definition."""
    logits = scores.astype(np.float64)
    for axis in (1, 2):
        count, length, out = scores.shape[axis], size[axis - 1], out_size[axis - 1]
        taken = []
        for i in range(out):
            u = (i + 0.5) / out * length
            if flipped[axis - 1]:
                u = length - u
            place = min(max((u + start) / stride - 0.5, 0), count - 1)
            below = min(int(place), max(count - 2, 0))
            t = place - below
            taken.append(logits.take(below, axis) * (1 - t)
                         + logits.take(min(below + 1, count - 1), axis) * t)
        logits = np.stack(taken, axis)
    return logits


def case(shape, seed=0):
    classes, counts, stride, size, out_size, start, flipped = shape
    scores = np.random.RandomState(seed).randn(classes, *counts).astype(np.float32)
    axes = [sample_axis(counts[i], stride, size[i], out_size[i], start, flipped[i])
            for i in (0, 1)]
    return scores, axes, formula(scores, stride, size, out_size, start, flipped)


def engines():
    return [name for name, there in (('numba', labels.compiled()),
                                     ('triton', torch.cuda.is_available()),
                                     ('torch', True)) if there]


def label(scores, *axes_and_engine):
    """Where the engine runs; the labels on the CPU."""
    device = 'cuda' if axes_and_engine[-1] == 'triton' else 'cpu'
    return label_scores(scores.to(device), *axes_and_engine).cpu()


@pytest.mark.parametrize('shape', SHAPES, ids=str)
@pytest.mark.parametrize('engine', engines())
def test_labels_are_those_of_the_definition(engine, shape):
    scores, axes, logits = case(shape)
    found = label(torch.from_numpy(scores), *axes, engine)
    assert found.shape == logits.shape[1:] and found.dtype == label_dtype(len(scores))
    chosen = np.take_along_axis(logits, found.numpy()[None].astype(int), 0)[0]
    # float32 may take the second of two that are closer than its rounding
    assert (logits.max(0) - chosen < 1e-6).all()
    assert (found.numpy() == logits.argmax(0)).mean() > 0.9999


@pytest.mark.parametrize('shape', SHAPES, ids=str)
def test_all_engines_agree_on_every_pixel(shape):
    scores, axes, _ = case(shape)
    # of one decimal, so that classes tie often
    for values in (scores, scores.round(1), np.zeros_like(scores)):
        values = torch.from_numpy(values)
        expected = label_scores(values, *axes, engine='torch')
        for engine in engines():
            assert torch.equal(label(values, *axes, engine), expected)
    assert (expected == 0).all()


def test_a_label_on_the_border_of_two_windows_is_of_the_second_alone():
    axis = sample_axis(4, 2, 8, 4)  # at 1, 3, 5 and 7
    assert [axis.between(*each) for each in ((0, 3), (3, 7), (7, 8), (4, 5))] == [
        slice(0, 1), slice(1, 3), slice(3, 4), slice(0, 0)]


def test_threads_share_the_rows(monkeypatch):
    scores, axes, _ = case((7, (30, 40), 8, (240, 320), (240, 320), 0, (True, False)))
    scores = torch.from_numpy(scores)
    expected = label_scores(scores, *axes, engine='torch')
    monkeypatch.setattr(labels, '_WORTH_A_THREAD', 1)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 7)
    assert torch.equal(label_scores(scores, *axes), expected)


def test_all_threads_are_done_in_the_end():
    done = []
    labels.in_threads(lambda first, last: (time.sleep(first / 100), done.append(last)), 6, 3)
    assert done == [2, 4, 6]


def test_as_many_threads_as_torch_has_where_there_is_work_for_them(monkeypatch):
    seen = []
    monkeypatch.setattr(labels, 'in_threads', lambda run, *given: seen.append(given))
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 3)
    axis = sample_axis(4, 128, 512, 512)
    for classes, height in ((4, 512), (1, 512), (1, 128)):
        labels._label_numba(torch.zeros(classes, 4, 4), axis[:height], axis)
    assert seen == [(512, 3), (512, 2), (128, 1)]


@pytest.mark.skipif(labels.compiled() is None, reason='numba does not run here')
def test_scores_of_another_layout_are_not_compiled_for():
    """Which takes seconds: channels last, or those of a task among others."""
    axis, kernel = sample_axis(4, 8, 32, 32), labels.compiled().label_rows
    wide = torch.randn(5, 4, 8)
    expected = label_scores(wide[..., :4].contiguous(), axis, axis)
    known = list(kernel.signatures)
    last = wide.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    for scores in (wide[..., :4], last[..., :4]):
        assert torch.equal(label_scores(scores, axis, axis), expected)
    assert kernel.signatures == known


@pytest.mark.parametrize('block, rows', [(1, 1), (300 * 21 * 3, 3)])
def test_the_plain_path_in_blocks_of_rows(monkeypatch, block, rows):
    scores, axes, _ = case(SHAPES[1])
    expected, seen = label_scores(torch.from_numpy(scores), *axes, engine='torch'), []
    monkeypatch.setattr(labels, '_BLOCK', block)
    lerp = labels._lerp
    monkeypatch.setattr(labels, '_lerp', lambda scores, axis, dim: (
        seen.append(len(axis)), lerp(scores, axis, dim))[1])
    assert torch.equal(label_scores(torch.from_numpy(scores), *axes, engine='torch'),
                       expected)
    assert seen == [300, *[rows] * (75 // rows)]


@pytest.mark.parametrize('engine', engines())
def test_where_only_a_window_of_the_scores_is_at_hand(engine):
    """Beyond it the outermost of them count; no other memory is read."""
    scores = torch.randn(3, 8, 8)
    axis = sample_axis(8, 8, 64, 64)
    part = axis[12:36].within(2, 2)  # which wants the scores 1 to 4
    assert (part.low.min(), part.low.max()) == (part.high.min(), part.high.max()) == (0, 1)
    window = scores[:, 2:4, 2:4]
    found = label(window.contiguous(), part, part, engine)
    padded = F.pad(window[None], (2, 4, 2, 4), mode='replicate')[0]
    expected = label_scores(padded, axis[12:36], axis[12:36], 'torch')
    assert torch.equal(found, expected)


@pytest.mark.parametrize('engine', engines())
def test_of_equal_classes_the_lower_one(engine):
    scores = torch.tensor([0., 2., 2., 1., 2.])[:, None, None].repeat(1, 3, 3)
    axis = sample_axis(3, 8, 24, 24)
    assert (label(scores, axis, axis, engine) == 1).all()


@pytest.mark.parametrize('engine', engines())
def test_nan_is_never_the_highest_but_at_class_0(engine):
    axis = sample_axis(1, 8, 8, 8)
    nan = float('nan')
    for values, lowest in (((1, nan, 2), 2), ((1, nan, 0), 0), ((nan, 5, 6), 0)):
        scores = torch.tensor(values)[:, None, None]
        assert (label(scores, axis, axis, engine) == lowest).all()


def test_logits_are_torchs_interpolation():
    scores = torch.randn(3, 6, 5)
    logits = resample_scores(scores, sample_axis(6, 8, 48, 48), sample_axis(5, 8, 40, 40))
    expected = F.interpolate(scores[None].double(), scale_factor=8, mode='bilinear')[0]
    torch.testing.assert_close(logits.double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('dtype', [torch.float64, torch.bfloat16])
def test_other_types_are_computed_in_float32(dtype):
    scores = torch.randn(4, 6, 5).to(dtype).requires_grad_()  # as a network gives them
    axes = sample_axis(6, 8, 48, 48), sample_axis(5, 8, 40, 40)
    assert torch.equal(label_scores(scores, *axes), label_scores(scores.float(), *axes))
    found = resample_scores(scores, *axes)
    assert found.dtype == torch.float32
    assert torch.equal(found, resample_scores(scores.float(), *axes))


@pytest.mark.parametrize('classes, dtype', [(2, torch.uint8), (255, torch.uint8),
                                            (256, torch.int16), (1000, torch.int16)])
def test_the_smallest_type_that_leaves_255_free(classes, dtype):
    scores = torch.zeros(classes, 1, 1)
    scores[-1] = 1
    axis = sample_axis(1, 8, 8, 8)
    found = label_scores(scores, axis, axis)
    assert found.dtype == dtype and (found == classes - 1).all()
    nothing = label_scores(scores, axis[:0], axis)
    assert nothing.dtype == dtype and nothing.shape == (0, 8)


def test_axes_are_shared_and_cannot_be_changed():
    axis = sample_axis(6, 8, 48, 48)
    assert sample_axis(6, 8, 48, 48) is axis
    for array in (axis.centre, *axis.arrays):
        with pytest.raises(ValueError, match='read-only'):
            array[0] = 1


@pytest.fixture(scope='module')
def lines_without_numba(forked_python):
    """What a process says that has no numba, and then one that can cache nothing."""
    code = """
import sys
import torch
from fcn_plugin import ops
from fcn_plugin.diagnosis import doctor
from fcn_plugin.ops import count_pairs, label_scores, labels, sample_axis

def forget():
    labels._numba.cache_clear()
    sys.modules.pop('fcn_plugin.ops.numba_kernels', None)
    vars(ops).pop('numba_kernels', None)

import numba.core.caching as caching
numba, sys.modules['numba'] = sys.modules['numba'], None
forget()
assert labels.compiled() is None
axis = sample_axis(2, 8, 16, 16)
found = label_scores(torch.eye(2)[:, :, None].repeat(1, 1, 2), axis, axis)
assert (found[:8] == 0).all() and (found[8:] == 1).all()
assert count_pairs(torch.tensor([0, 1]), torch.tensor([1, 1]), 2, 255).tolist() == [[0, 0],
                                                                                   [1, 1]]
print('doctor:', *doctor.kernels())

sys.modules['numba'] = numba
caching.CacheImpl._locator_classes = []
caching.CodeLibraryCacheImpl._locator_classes = []
forget()
print('fix:', labels.numba_fault()[1])
"""
    done = subprocess.run([forked_python, '-c', code], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout.splitlines()


def test_without_numba_the_plain_path_serves(lines_without_numba):
    said, = [line for line in lines_without_numba  # once
             if 'WARNING' in line and 'cannot cache' not in line]
    assert 'numba does not run here (' in said
    assert said.endswith('To mend it: pip install -c constraints.txt numba')


def test_the_doctor_finds_that_numba_does_not_run(lines_without_numba):
    finding, = [line for line in lines_without_numba if line.startswith('doctor:')]
    assert 'by numba: it does not run (' in finding and 'pip install' in finding


def test_where_nothing_can_be_cached_the_warning_says_so(lines_without_numba):
    """As in a container whose packages and home cannot be written."""
    assert lines_without_numba[-1] == (
        'fix: set NUMBA_CACHE_DIR to a folder that can be written')


@pytest.mark.skipif(torch.cuda.is_available(), reason='the kernel itself runs above')
def test_the_triton_kernel_by_its_interpreter():
    """Its arithmetic, run by Triton's own interpreter on the CPU."""
    pytest.importorskip('triton', reason='Triton is not installed (it comes with CUDA)')
    code = """
import sys
import torch
sys.path.insert(0, sys.argv[1])
from test_labels import SHAPES, case
from fcn_plugin.ops import label_scores
for shape in (SHAPES[0], *SHAPES[3:5]):  # it takes its time
    scores, axes, _ = case(shape)
    for values in (scores, scores.round(1)):
        values = torch.from_numpy(values)
        assert torch.equal(label_scores(values, *axes, engine='triton'),
                           label_scores(values, *axes, engine='torch')), shape
"""
    subprocess.run([sys.executable, '-c', code, os.path.dirname(__file__)], check=True,
                   env=dict(os.environ, TRITON_INTERPRET='1'))


# --- counts ------------------------------------------------------------------------


@pytest.mark.parametrize('engine', [e for e in engines() if e != 'triton'])
@pytest.mark.parametrize('types', [(torch.uint8, torch.int64), (torch.int16, torch.uint8),
                                   (torch.int64, torch.int64)])
def test_counts(engine, types):
    random = np.random.RandomState(0)
    for classes, pixels in ((3, 1000), (7, 1), (40, 0), (150, 5003)):
        truth, prediction = random.randint(0, classes, (2, pixels))
        truth[::5] = 255
        truth[100:900] = truth[100:101]  # runs, as in a picture
        prediction[200:700] = prediction[200:201]
        expected = np.zeros((classes, classes), np.int64)
        np.add.at(expected, (truth[truth < 255], prediction[truth < 255]), 1)
        counts = count_pairs(torch.from_numpy(prediction).to(types[0]),
                             torch.from_numpy(truth).to(types[1]), classes, 255, engine)
        assert counts.dtype == torch.int64 and (counts.numpy() == expected).all()


@pytest.mark.parametrize('engine', [e for e in engines() if e != 'triton'])
@pytest.mark.parametrize('prediction, truth', [
    ([0, 3], [0, 0]), ([0, -1], [0, 0]), ([0, 0], [3, 0]), ([0, 0], [-1, 0]),
    ([3, 0], [255, 0])])
def test_a_label_that_is_no_class_counts_nothing(engine, prediction, truth):
    for repeat in (1, 100):
        assert count_pairs(torch.tensor(prediction).repeat_interleave(repeat),
                           torch.tensor(truth).repeat_interleave(repeat), 3, 255,
                           engine) is None
