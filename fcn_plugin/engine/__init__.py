"""Runner, training loop, hooks and optimiser wrappers that mmengine lacks."""
from .hooks import (
    ExactEarlyStoppingHook,
    FCNCheckpointHook,
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
           'ExactResumeTrainLoop', 'FCNCheckpointHook', 'FCNLoggerHook', 'FCNRunner',
           'FCNVisualizationHook', 'FiniteLossHook', 'PlacedSampler', 'ProgressHook',
           'RepeatableDataset']
