"""From a config, a checkpoint or a model to PyTorch, which runs it."""
from collections.abc import Sequence

from torch import nn

from ..checkpoints.loading import load_model
from ..models.speed_up import speed_up
from ..utils.devices import parse_device
from ..utils.errors import InputError
from .torch_backend import TorchBackend


def open_torch(model, weights, device: str, fast: bool, given: Sequence[str],
               **options) -> TorchBackend:
    """See :class:`FCNInferencer`; ``given`` are the options that were given."""
    if isinstance(model, nn.Module):
        return TorchBackend(_check_model(model, device, given))
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
