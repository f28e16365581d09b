"""What a config's network costs: operations, parameters, memory, time."""
import ctypes
import math
import re
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from mmengine.analysis import FlopAnalyzer
from mmengine.analysis.jit_handles import bmm_flop_jit
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..checkpoints.loading import open_config
from ..engine.explain import explain_errors
from ..models.feature_maps import image_channels
from ..utils.config import network
from ..utils.devices import pick_device
from ..utils.errors import InputError

# Timed forwards: at least three, at most so many, and no more after so many seconds.
_MOST_RUNS, _MOST_SECONDS = 15, 5.
# Operations whose names say that they multiply and add more than once a value.
_PRODUCTS = 'mm|conv|attention|matmul|einsum|linear$|lstm|gru|rnn|bilinear|dist'


class Cost(NamedTuple):
    """Of one image, from its normalised pixels to its labels.

    Attributes:
        multiply_adds (int): Of convolutions, matrix products, norms and interpolations; what
            papers on networks call FLOPs, and half of what makers of processors call so.
        parameters (int): Without those of an auxiliary head, which only training needs.
        memory (int | None): Bytes at the peak, weights included; None where the system does
            not tell.
        seconds (list[float]): Of each forward.
        uncounted (list[str]): Operations that ``multiply_adds`` should hold and does not.
    """
    multiply_adds: int
    parameters: int
    memory: int | None
    seconds: list[float]
    uncounted: list[str]


def cost_of(config: Config, shape: tuple[int, int], device: str = 'auto') -> Cost:
    """Builds a config's network with random weights and runs it, in float32.

    Args:
        config (Config): With the model.
        shape (tuple[int, int]): Height and width of the image, in pixels.
        device (str): 'auto', 'cpu', 'cuda:0', ... Defaults to 'auto'.

    Raises:
        ValueError: If the shape is none, or the network cannot be built, or not be run at it.
    """
    if min(shape) < 1:
        raise InputError(f'a shape of {shape[0]} x {shape[1]} pixels, expected at least 1 x 1')
    device = pick_device(device)
    init_default_scope(config.get('default_scope', 'mmseg'))
    settings = _without_weights(network(config))
    settings.pop('auxiliary_head', None)
    with explain_errors(config), warnings.catch_warnings():
        # mmseg's about losses, which only training needs
        warnings.filterwarnings('ignore', category=UserWarning, module='mmseg')
        model = revert_sync_batchnorm(MODELS.build(settings)).to(device).eval()

    def forward() -> None:
        with torch.inference_mode():
            model.predict(image)
            if image.is_cuda:
                torch.cuda.synchronize(image.device)

    try:
        image = torch.rand(1, image_channels(model.backbone), *shape, device=device)
        count, uncounted = _multiply_adds(model, image)
        forward()  # the first one sets up what later ones find
        peak = peak_of(forward, device)
        seconds: list[float] = []
        while len(seconds) < 3 or len(seconds) < _MOST_RUNS and sum(seconds) < _MOST_SECONDS:
            began = time.perf_counter()
            forward()
            seconds.append(time.perf_counter() - began)
    except RuntimeError as error:
        raise InputError(f'the network does not run at {shape[0]} x {shape[1]} on {device}: '
                         f'{error}') from error
    held = sum(each.nbytes for each in model.state_dict().values()) + image.nbytes
    return Cost(count, sum(each.numel() for each in model.parameters()),
                None if peak is None else held + peak, seconds, uncounted)


def _without_weights(value: Any) -> Any:
    """A config without what would download weights or read them from files."""
    if isinstance(value, dict):
        kept = {key: _without_weights(each) for key, each in value.items()
                if not (key == 'init_cfg' and 'checkpoint' in str(each))}
        return {key: False if key == 'pretrained' and each else each
                for key, each in kept.items()}
    return [_without_weights(each) for each in value] if isinstance(value, list) else value


class _Logits(nn.Module):
    """What mmengine's counter traces: an image to logits of its size."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        size = tuple(image.shape[-2:])
        return self.model.encode_decode(image, [dict(img_shape=size, ori_shape=size,
                                                     pad_shape=size)])


def _multiply_adds(model: nn.Module, image: Tensor) -> tuple[int, list[str]]:
    """By mmengine's counter, and what it may have passed over."""
    counter = FlopAnalyzer(_Logits(model), (image, )).set_op_handle(
        'aten::scaled_dot_product_attention', _attention,
        'aten::baddbmm', lambda inputs, outputs: bmm_flop_jit(inputs[1:], outputs))
    counter.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counter.tracer_warnings('none')
    # Without gradients PyTorch computes some attention in one operation that has no name for
    # what is in it.
    with torch.enable_grad():
        total = counter.total()
    return int(total), sorted(name.removeprefix('aten::') for name in counter.unsupported_ops()
                              if re.search(_PRODUCTS, name))


def _attention(inputs: list, outputs: list) -> int:
    """Queries (..., L, E) by keys (..., S, E), and that by values (..., S, V)."""
    query, key, value = (each.type().sizes() for each in inputs[:3])
    return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def peak_of(call: Callable[[], object], device: str) -> int | None:
    """Bytes that a call needs at its peak, beyond what was there before.

    Args:
        call (Callable): On a GPU it must wait until the GPU is done.
        device (str): What it computes on.

    Returns:
        int, optional: None where the system does not tell: on CPUs other than under Linux.
    """
    if device.startswith('cuda'):
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - before
    if device != 'cpu':
        return None
    with suppress(OSError, AttributeError):  # not every C library has it
        # What earlier calls have freed would hide what this one needs.
        ctypes.CDLL(None).malloc_trim(0)
    try:
        # Linux: sets the peak back to what is held now.
        with open('/proc/self/clear_refs', 'w') as file:
            file.write('5')
        before = _status('VmRSS')
        call()
        return max(_status('VmHWM') - before, 0)
    except OSError:
        return None


def _status(field: str) -> int:
    with open('/proc/self/status') as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) << 10


def print_cost(config: str, shape: tuple[int, int], options: dict | None = None,
               device: str = 'auto') -> Cost:
    """Prints what a config costs; see :func:`cost_of`.

    Args:
        config (str): A config or a checkpoint that keeps one, by file or by name.
        shape (tuple[int, int]): Height and width of the image, in pixels.
        options (dict, optional): Entries to override in the config.
        device (str): Defaults to 'auto'.
    """
    device = pick_device(device)
    cost = cost_of(open_config(config, options), shape, device)
    threads = f' (threads: {torch.get_num_threads()})' if device == 'cpu' else ''
    memory = 'not told by this system' if cost.memory is None else (
        f'{cost.memory / 2**20:.0f} MB at the peak, weights included')
    low, middle, high = (1e3 * each(cost.seconds) for each in (min, statistics.median, max))
    more = f', and those of {", ".join(cost.uncounted)}' if cost.uncounted else ''
    print(f'one image of {shape[0]} x {shape[1]} pixels, float32, {device}{threads}\n'
          f'parameters  {cost.parameters / 1e6:.2f} M\n'
          f'FLOPs       {cost.multiply_adds / 1e9:.2f} G multiply-adds{more}\n'
          f'memory      {memory}\n'
          f'time        {middle:.1f} ms (median of {len(cost.seconds)}; {low:.1f} to '
          f'{high:.1f})')
    return cost
