"""Hooks and optimiser wrappers that mmengine lacks."""
from .hooks import FCNLoggerHook, FCNVisualizationHook, FiniteLossHook
from .optim_wrappers import CPUAmpOptimWrapper
from .resume import ExactResumeHook
from .sharded import ShardedOptimWrapperConstructor, ShardedRunner, ShardedStrategy

__all__ = ['CPUAmpOptimWrapper', 'ExactResumeHook', 'FCNLoggerHook',
           'FCNVisualizationHook', 'FiniteLossHook', 'ShardedOptimWrapperConstructor',
           'ShardedRunner', 'ShardedStrategy']
