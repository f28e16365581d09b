"""Side-by-side timings of this package, plain PyTorch and mmsegmentation."""
from .report import run_benchmark
from .timing import Timing, measure

__all__ = ['Timing', 'measure', 'run_benchmark']
