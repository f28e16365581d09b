"""Runner, training loop and hooks that mmengine lacks."""
from ..optim import CPUAmpOptimWrapper
from .hooks import (
    ExactEarlyStoppingHook,
    FCNCheckpointHook,
    FCNLoggerHook,
    FCNVisualizationHook,
    FiniteLossHook,
    ProgressHook,
)
from .loops import ExactResumeTrainLoop
from .repeatable import PlacedSampler, RepeatableDataset
from .resume import ExactResumeHook
from .runner import FCNRunner

__all__ = ['CPUAmpOptimWrapper', 'ExactEarlyStoppingHook', 'ExactResumeHook',
           'ExactResumeTrainLoop', 'FCNCheckpointHook', 'FCNLoggerHook', 'FCNRunner',
           'FCNVisualizationHook', 'FiniteLossHook', 'PlacedSampler', 'ProgressHook',
           'RepeatableDataset']
