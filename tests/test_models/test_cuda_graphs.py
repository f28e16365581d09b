"""A GPU's graphs: what they give is what the network gives."""
import copy
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from unittest import mock

import pytest
import torch
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from fcn_plugin.models.cuda_graphs import CudaGraphs
from fcn_plugin.models.speed_up import speed_up

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='no GPU')


def double(x):
    return x * 2


def test_on_a_cpu_the_function_runs_as_it_is():
    calls = []
    graphs = CudaGraphs(lambda x: calls.append(x) or x * 2)
    x = torch.randn(2, 3)
    for _ in range(3):
        with torch.no_grad():
            assert torch.equal(graphs(x), x * 2)
    assert len(calls) == 3


@pytest.mark.parametrize('again', [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_record_anew(again):
    graphs = again(CudaGraphs(double))
    assert torch.equal(graphs(torch.ones(2)), torch.full((2, ), 2.))
    assert not graphs._graphs


# --- as if there were GPUs -------------------------------------------------------------


class OnGpu(torch.Tensor):
    """Says that it lies on a GPU."""
    number, is_cuda = 0, True
    device = property(lambda self: f'cuda:{self.number}')


class Recorded:
    """A graph of steps, which run again in the same memory."""
    recording, made = [], []

    def __init__(self):
        self.steps = []
        self.made.append(self)

    def replay(self):
        time.sleep(0.001)  # other threads have their turn
        for step in self.steps:
            step()

    def pool(self):
        return 'pool'

    @classmethod
    @contextmanager
    def record(cls, graph, pool, capture_error_mode):
        cls.recording.append(graph)
        try:
            yield
        finally:
            cls.recording.clear()

    @classmethod
    def double(cls, x):
        out = x * 2
        for graph in cls.recording:
            graph.steps.append(lambda: torch.mul(x, 2, out=out))
        return out


@pytest.fixture
def recorded():
    def entered(_):
        return nullcontext()

    Recorded.made.clear()
    with mock.patch.multiple(
            torch.cuda, CUDAGraph=Recorded, graph=Recorded.record, device=entered,
            stream=entered, Stream=mock.MagicMock(), current_stream=mock.MagicMock(),
            default_generators=mock.MagicMock()), torch.no_grad():
        yield CudaGraphs(Recorded.double)


def images(*shape, **kind):
    return torch.randn(shape, **kind).as_subclass(OnGpu)


def test_the_second_of_a_size_is_recorded_and_results_have_memory_of_their_own(recorded):
    for size, count in ((8, 0), (9, 0), (8, 1), (8, 1), (9, 2), (9, 2), (8, 2)):
        x = images(2, size)
        given = recorded(x)
        assert len(recorded._graphs) == count
        kept = given.clone()
        if count:
            recorded(torch.full_like(x, float('nan')))
        assert torch.equal(given, kept) and torch.equal(given, x * 2)


def test_each_type_and_gpu_has_its_graph(recorded):
    other = images(2, 8)
    other.number = 1
    for x in (images(2, 8), images(2, 8, dtype=torch.float64), other):
        for _ in range(3):
            assert torch.equal(recorded(x), x * 2) and recorded(x).dtype == x.dtype
    assert len(recorded._graphs) == 3


def test_gradients_go_through_the_function_itself(recorded):
    x = images(2, 8)
    with torch.enable_grad():
        for _ in range(3):
            recorded(x)
    assert not Recorded.made


def test_of_many_sizes_the_first_eight_that_come_again(recorded):
    for size in [*range(1, 11)] * 3:
        x = images(size)
        assert torch.equal(recorded(x), x * 2)
    assert len(Recorded.made) == 8


def test_after_one_failure_nothing_is_recorded_any_more(recorded):
    def waits(x):
        if Recorded.recording:
            raise RuntimeError('it waits for the GPU')
        return x * 2

    recorded.function = waits
    for size in (3, 3, 3, 4, 4):
        x = images(size)
        assert torch.equal(recorded(x), x * 2)
    assert len(Recorded.made) == 1


def test_threads_wait_for_one_another(recorded):
    given = [images(2, 8) for _ in range(6)]
    for x in given[:2]:
        recorded(x)

    @torch.no_grad()
    def run(x):
        return recorded(x)

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(run, given))
    assert all(torch.equal(one, x * 2) for one, x in zip(found, given))


# --- on a GPU --------------------------------------------------------------------------


@needs_gpu
def test_replays_give_what_the_function_gives_in_memory_of_their_own():
    conv = nn.Conv2d(3, 4, 3).cuda()
    graphs = CudaGraphs(conv)
    with torch.no_grad():
        for size in (8, 9, 8, 8, 9, 9, 8):
            x = torch.randn(2, 3, size, size, device='cuda')
            given = graphs(x)
            kept, expected = given.clone(), conv(x)
            # poisons what a next replay writes
            graphs(torch.full_like(x, float('nan')))
            assert torch.equal(given, kept) and torch.equal(given, expected)
    assert len(graphs._graphs) == 2


@needs_gpu
def test_what_cannot_be_recorded_runs_as_it_is(caplog):
    graphs = CudaGraphs(lambda x: x * float(x.sum()))  # waits for the GPU
    x = torch.randn(5, device='cuda')
    with torch.no_grad():
        for _ in range(4):
            assert torch.equal(graphs(x), x * float(x.sum()))
    assert not graphs._graphs
    torch.randn(3, device='cuda')  # random numbers are drawn as before


@needs_gpu
def test_eight_sizes_at_most():
    graphs = CudaGraphs(double)
    with torch.no_grad():
        for size in [*range(1, 13)] * 3:
            x = torch.randn(size, device='cuda')
            assert torch.equal(graphs(x), x * 2)
    assert len(graphs._graphs) == 8


@needs_gpu
@torch.no_grad()
def test_a_fast_segmentor_labels_as_without_graphs_also_after_it_was_moved():
    torch.manual_seed(0)
    model = MODELS.build(dict(
        type='FCNSegmentor',
        backbone=dict(type='EfficientNetLite', arch='lite0'),
        decode_head=dict(type='FCNSkipHead', in_channels=(40, 112, 320), in_index=(1, 2, 3),
                         in_strides=(8, 16, 32), num_classes=5))).cuda()
    model.init_weights()
    fast = speed_up(model)
    assert fast._graphs is not None

    def scores(images):
        return fast.score(images, [SegDataSample()])[0]

    for _ in range(2):
        for size in ((64, 96), (33, 100)):  # padded, 64x128
            for _ in range(4):
                images = torch.randn(1, 3, *size, device='cuda')
                with torch.enable_grad():
                    expected = scores(images).detach()
                assert torch.equal(scores(images), expected)
        assert len(fast._graphs._graphs) == 2
        fast.cpu().cuda()
        assert not fast._graphs._graphs
        # what lay at the parameters' old place is overwritten
        torch.full((1 << 26, ), float('nan'), device='cuda')
