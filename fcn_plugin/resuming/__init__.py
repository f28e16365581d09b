"""Runs that go on from a checkpoint as if they had never been broken off."""
from .loops import ExactResumeTrainLoop
from .repeatable import PlacedSampler, RepeatableDataset
from .resume import ExactResumeHook

__all__ = ['ExactResumeHook', 'ExactResumeTrainLoop', 'PlacedSampler', 'RepeatableDataset']
