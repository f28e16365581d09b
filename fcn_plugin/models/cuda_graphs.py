"""A network's kernels on a GPU, started by one call instead of hundreds."""
from collections import Counter
from collections.abc import Callable
from threading import Lock
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

# Each keeps the memory of its largest maps.
_MOST_GRAPHS = 8


class CudaGraphs:
    """A function of one tensor, recorded for each size that comes again, and replayed.

    A small network's kernels run for less time than Python takes to start them. A CUDA
    graph starts them all at once (docs.pytorch.org, "CUDA Graphs"). The first call with a
    size runs as it is, the second is recorded, the others are replays; of eight sizes at
    most. It gives what the function gives, in memory of its own.

    With gradients, or on a CPU, the function runs as it is. So it does from then on if it
    cannot be recorded, because it waits for the GPU, say: the log tells why.

    Args:
        function (Callable[[Tensor], Tensor]): The same kernels for the same size of its
            input, which it does not change.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self._forget()

    def _forget(self) -> None:
        self._seen: Counter = Counter()
        self._graphs: dict[tuple, tuple[torch.cuda.CUDAGraph, Tensor, Tensor]] = {}
        self._pool: Any = None
        self._recording = True
        # The input of a graph is one place in memory.
        self._lock = Lock()

    def __getstate__(self) -> dict:
        return dict(function=self.function)  # copies and pickles record anew

    def __setstate__(self, state: dict) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __call__(self, x: Tensor) -> Tensor:
        if not x.is_cuda or torch.is_grad_enabled():
            return self.function(x)
        size = (x.device, x.dtype, *x.shape)
        with self._lock:
            self._seen[size] += 1
            if size not in self._graphs and not (self._wanted(size) and self._record(size, x)):
                return self.function(x)
            graph, into, out = self._graphs[size]
            into.copy_(x)
            graph.replay()
            return out.clone()

    def _wanted(self, size: tuple) -> bool:
        return (self._recording and self._seen[size] > 1
                and len(self._graphs) < _MOST_GRAPHS)

    def _record(self, size: tuple, x: Tensor) -> bool:
        """Records a graph for inputs of that size; False if that fails."""
        into, graph = x.clone(), torch.cuda.CUDAGraph()
        try:
            with torch.cuda.device(x.device):
                # On a stream of its own, as recording asks for: libraries reserve their
                # workspaces in the first calls.
                side, here = torch.cuda.Stream(), torch.cuda.current_stream()
                side.wait_stream(here)
                with torch.cuda.stream(side):
                    for _ in range(2):
                        self.function(into)
                here.wait_stream(side)
                with torch.cuda.graph(graph, pool=self._pool,
                                      capture_error_mode='thread_local'):
                    out = self.function(into)
        except Exception as error:  # whatever a user's backbone raises
            self._recording = False
            # torch 2.11 leaves the random numbers believing that a recording goes on
            numbers = torch.cuda.default_generators[x.get_device()]
            numbers.graphsafe_set_state(numbers.clone_state())
            print_log(f'fast: no CUDA graphs, {str(error).splitlines()[0]}', 'current', 30)
            return False
        self._pool = self._pool or graph.pool()
        self._graphs[size] = graph, into, out
        return True
