"""Runner, training loop, hooks and optimiser wrappers that mmengine lacks."""
from .hooks import (
    ExactEarlyStoppingHook,
    FCNLoggerHook,
    FCNVisualizationHook,
    FiniteLossHook,
    ProgressHook,
)
from .loops import ExactResumeTrainLoop
from .optim_wrappers import CPUAmpOptimWrapper
from .repeatable import PlacedSampler, RepeatableDataset
from .resume import ExactResumeHook
from .runner import FCNRunner

__all__ = ['CPUAmpOptimWrapper', 'ExactEarlyStoppingHook', 'ExactResumeHook',
           'ExactResumeTrainLoop', 'FCNLoggerHook', 'FCNRunner', 'FCNVisualizationHook',
           'FiniteLossHook', 'PlacedSampler', 'ProgressHook', 'RepeatableDataset']
