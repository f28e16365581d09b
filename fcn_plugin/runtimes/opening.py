"""From what an inferencer was given to the backend that runs it."""
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..checkpoints.naming import is_weights
from ..utils.addresses import WEB, fetched
from ..utils.errors import InputError
from .graph_backend import GraphBackend
from .table import open_graph

if TYPE_CHECKING:
    from .torch_backend import TorchBackend


def open_backend(model, weights, device: str, fast: bool, runtime: str,
                 **options) -> 'TorchBackend | GraphBackend':
    """See :class:`FCNInferencer`. An exported file is opened without torch."""
    # not by truth: an overlap of 0 is given, too
    given = [name for name, value in dict(weights=weights, fast=fast, **options).items()
             if not (value is None or value is False or value in ((), [], {}))]
    old = path_of(('.pt2', ), model, weights)
    if old is not None:
        raise InputError(f"'{old}' is a program of torch.export, which version 0.2 no longer "
                         'runs: export the checkpoint to .onnx')
    graph = path_of(('.onnx', ), model, weights)
    if graph is not None:
        given = [name for name in given if name not in ('fast', 'weights')]
        if None not in (model, weights):
            given.insert(0, 'weights' if str(model).lower().endswith('.onnx') else 'config')
        if given:
            raise InputError(f"'{graph}' holds weights and settings already: give nothing but "
                             'device, runtime and fast beside it, no ' + ', '.join(given))
        return GraphBackend(open_graph(graph, device, runtime, fast))
    model, weights = of_torch(model, weights, runtime)
    from .. import register
    register()  # the types that configs name
    from .torch_opening import open_torch
    return open_torch(model, weights, device, fast, given, **options)


def of_torch(model, weights, runtime: str = 'auto') -> tuple:
    """Model and weights of a network that PyTorch runs, where a checkpoint may stand in the
    place of the model.

    Raises:
        ValueError: If there are two checkpoints, or a runtime is named.
    """
    if runtime != 'auto':
        raise InputError(f"runtime '{runtime}' runs exported files (.onnx), and PyTorch all "
                         'others: export the network (fcn export --preprocess), or leave '
                         'the runtime out')
    if not is_weights(model):
        return model, weights
    if weights is not None:
        raise InputError(f"two checkpoints, '{model}' and '{weights}': give one of "
                         'them, with a config before it or without')
    return None, model


def path_of(suffixes: Sequence[str], *arguments) -> Path | None:
    """The first argument that is a path with one of the suffixes; what has an address is
    downloaded."""
    paths = (one for one in arguments if isinstance(one, (str, Path)))
    found = next((one for one in paths if Path(one).suffix.lower() in suffixes), None)
    if found is None:
        return None
    return fetched(str(found)) if str(found).startswith(WEB) else Path(found).expanduser()
