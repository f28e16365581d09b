"""Hooks and optimiser wrappers that mmengine lacks."""
from .hooks import FCNLoggerHook, FCNVisualizationHook, FiniteLossHook
from .optim_wrappers import CPUAmpOptimWrapper

__all__ = ['CPUAmpOptimWrapper', 'FCNLoggerHook', 'FCNVisualizationHook',
           'FiniteLossHook']
