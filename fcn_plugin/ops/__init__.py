"""The arithmetic that runs once a pixel: scores to labels, labels to counts.

Each operation has one definition and several ways to compute it, all with the same
result: compiled for the CPU by numba, for CUDA by Triton, and in plain PyTorch, which is
the reference and runs where the other two do not.
"""
from .axis import Axis, sample_axis
from .counts import count_pairs
from .labels import label_dtype, label_scores, resample_scores
from .losses import cross_entropy_at_image

__all__ = ['Axis', 'count_pairs', 'cross_entropy_at_image', 'label_dtype', 'label_scores',
           'resample_scores', 'sample_axis']
