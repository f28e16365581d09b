"""Runner, training loop and hooks that mmengine lacks."""
from ..optim import CPUAmpOptimWrapper
from ..resuming import ExactResumeHook, ExactResumeTrainLoop, PlacedSampler, RepeatableDataset
from .hooks import (
    ExactEarlyStoppingHook,
    FCNCheckpointHook,
    FCNLoggerHook,
    FCNVisualizationHook,
    FiniteLossHook,
    ProgressHook,
)
from .runner import FCNRunner

__all__ = ['CPUAmpOptimWrapper', 'ExactEarlyStoppingHook', 'ExactResumeHook',
           'ExactResumeTrainLoop', 'FCNCheckpointHook', 'FCNLoggerHook', 'FCNRunner',
           'FCNVisualizationHook', 'FiniteLossHook', 'PlacedSampler', 'ProgressHook',
           'RepeatableDataset']
