"""A network sharded over processes: where mmengine 0.10.7 and torch 2.13 disagree."""
from typing import Any, Dict, List, Optional

from mmengine._strategy import FSDPStrategy
from mmengine.optim import DefaultOptimWrapperConstructor
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import RUNNERS, STRATEGIES
from mmengine.runner._flexible_runner import FlexibleRunner
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel

from ..utils.errors import InputError

_WRAPPER = '_fsdp_wrapped_module'


@STRATEGIES.register_module()
class ShardedStrategy(FSDPStrategy):
    """mmengine's ``FSDPStrategy`` whose runs can be resumed."""

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Gives each process its shard of an optimiser's state.

        Args:
            state_dict (dict): Of a checkpoint of a run with ``--fsdp``.

        Raises:
            ValueError: If it is of a run without.
        """
        if not all(isinstance(key, str) for key in state_dict['state']):
            raise InputError("--fsdp: the checkpoint's optimiser is of a run without it; "
                             'resume without --fsdp, or begin anew with its weights '
                             '(load_from)')
        # mmengine passes these in the order of torch 2.0.
        self.optim_wrapper.load_state_dict(FullyShardedDataParallel.optim_state_dict_to_load(
            self.model, self.optim_wrapper.optimizer, state_dict))


@RUNNERS.register_module()
class ShardedRunner(FlexibleRunner):
    """mmengine's ``FlexibleRunner``, with as many iterations in a checkpoint as were done.

    mmengine's ``CheckpointHook`` gives their number; at a validation and at the end the
    runner writes one more instead, with which a resumed run would leave one out.
    """
    _given: Dict[str, Any] = {}

    def save_checkpoint(self, *args: Any, meta: Optional[dict] = None,
                        **kwargs: Any) -> None:
        """See mmengine's ``FlexibleRunner``."""
        self._given = dict(meta or {})
        super().save_checkpoint(*args, meta=meta, **kwargs)

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """See mmengine's ``FlexibleRunner``."""
        if fn_name == 'before_save_checkpoint':
            kwargs['checkpoint']['meta'].update(self._given)
        super().call_hook(fn_name, **kwargs)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ShardedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's, with ``paramwise_cfg.custom_keys`` for the names before sharding.

    Around each sharded module stands one more, which would come between 'backbone' and
    'conv1' in the key 'backbone.conv1'.
    """

    def add_params(self, params: List[dict], module: nn.Module, prefix: str = '',
                   **kwargs: Any) -> None:
        """See mmengine's ``DefaultOptimWrapperConstructor``."""
        super().add_params(params, module, prefix.removesuffix(_WRAPPER).removesuffix('.'),
                           **kwargs)
