"""From what an inferencer was given to the backend that runs it."""
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from ..checkpoints.loading import load_model, parse_device
from ..models.speed_up import speed_up
from ..utils.errors import InputError
from .graph_backend import GraphBackend, OnnxBackend
from .torch_backend import TorchBackend


def open_backend(model, weights, device, fast, **options) -> TorchBackend | GraphBackend:
    """See :class:`FCNInferencer`."""
    # not by truth: an overlap of 0 is given, too
    given = [name for name, value in dict(weights=weights, fast=fast, **options).items()
             if not (value is None or value is False or value in ((), [], {}))]
    if isinstance(model, nn.Module):
        return TorchBackend(_check_model(model, device, given))
    old = _path_of(('.pt2', ), model, weights)
    if old is not None:
        raise InputError(f"'{old}' is a program of torch.export, which version 0.2 no longer "
                         'runs: export the checkpoint to .onnx')
    graph = _path_of(('.onnx', ), model, weights)
    if graph is not None:
        if model is None:
            given.remove('weights')
        if given:
            raise InputError(f"'{graph}' holds weights and settings already: give nothing "
                             f'but the device beside it, no {", ".join(given)}')
        if not graph.is_file():
            raise FileNotFoundError(f"there is no file '{graph}'")
        return OnnxBackend(graph, device)
    if _path_of(('.pth', '.pt'), model):
        if weights is not None:
            raise InputError(f"two checkpoints, '{model}' and '{weights}': give one of "
                             'them, with a config before it or without')
        model, weights = None, model
    if weights is None and model is not None:
        raise InputError('no weights: name a checkpoint, as in '
                         f"FCNInferencer({model!r}, weights='best.pth')")
    loaded = load_model(model, weights, device, **options)
    return TorchBackend(speed_up(loaded) if fast else loaded)


def _check_model(model: nn.Module, device: str, given: Sequence[str]) -> nn.Module:
    """A model of the user's own, which is run as it is or refused."""
    if given:
        others = [f'{name}=...' for name in given if name not in ('weights', 'fast')]
        raise InputError(
            f'{", ".join(given)} beside a model that is built already, which is run as it '
            'is: give config and weights in its place, or build it by load_model('
            + ', '.join(['config', 'weights', *others]) + ')'
            + (' and prepare it by fcn_plugin.models.speed_up' if 'fast' in given else ''))
    if 'background' not in (getattr(model, 'dataset_meta', None) or {}) or (
            not hasattr(model, 'cfg')):
        raise InputError(f'the model, a {type(model).__name__}, does not know its classes '
                         'and its config: build it by fcn_plugin.apis.load_model')
    if model.training:
        raise InputError('the model is in training mode, in which dropout and batch norms '
                         'would change what it predicts: call model.eval() before')
    here = next(model.parameters()).device
    if device != 'auto':
        wanted = parse_device(device)
        if (wanted.type, wanted.index or 0) != (here.type, here.index or 0):
            raise InputError(f"device '{device}' was asked for, but the model is on '{here}':"
                             f" move it by model.to('{device}'), or leave the device out")
    return model


def _path_of(suffixes: Sequence[str], *arguments) -> Path | None:
    """The first argument that is a path with one of the suffixes."""
    paths = [Path(one) for one in arguments if isinstance(one, (str, Path))]
    return next((path for path in paths if path.suffix in suffixes), None)
