"""Mixed precision without a GPU."""
from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from mmseg.registry import OPTIM_WRAPPERS
from torch import nn


@OPTIM_WRAPPERS.register_module()
class CPUAmpOptimWrapper(OptimWrapper):
    """Mixed precision in bfloat16 on the CPU.

    mmengine's ``AmpOptimWrapper`` asks for a GPU. bfloat16 has float32's range,
    so no loss scaling is needed. Worth its name where the CPU has bfloat16
    instructions (AMX, AVX512-BF16); elsewhere it runs, slower than float32.

    Args:
        **kwargs: As in mmengine's ``OptimWrapper``.
    """

    @contextmanager
    def optim_context(self, model: nn.Module):
        """The forward pass in bfloat16 where that is safe (torch's autocast)."""
        with super().optim_context(model), torch.autocast('cpu', torch.bfloat16):
            yield
