"""Hooks and optimiser wrappers that mmengine lacks."""
from .hooks import FCNVisualizationHook
from .optim_wrappers import CPUAmpOptimWrapper

__all__ = ['CPUAmpOptimWrapper', 'FCNVisualizationHook']
