"""Modules that stand around a network."""
from typing import Any

from mmengine.model import BaseTTAModel, is_model_wrapper
from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The segmentor inside wrappers, or itself where there is none.

    Args:
        model (nn.Module): In mmengine's wrapper for several processes, in that for
            test-time augmentation, in both or in none.
    """
    inner: Any = model
    while is_model_wrapper(inner) or isinstance(inner, BaseTTAModel):
        inner = inner.module
    return inner
